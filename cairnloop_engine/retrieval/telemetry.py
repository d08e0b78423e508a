"""What monitoring hears of searches: counts and times under closed labels, never a question.

One event for each search, one more for each grounding of a draft. Every label comes from a list
below or is a small count; what was asked, what was found and where it is cited never leaves.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnloop_engine.core import telemetry
from cairnloop_engine.retrieval.gap_model import Surface
from cairnloop_engine.retrieval.model import (
    FAILED,
    Degraded,
    Grounding,
    GroundingStatus,
    Hit,
    Reason,
    Trust,
)

SEARCH = "cairnloop.retrieval.search"
GROUNDING = "cairnloop.retrieval.draft_grounding"

NOT_APPLICABLE = "not_applicable"
# More results than this are counted as this many.
MOST_COUNTED = 20

# The words of a grounding, for the kind of outcome that they belong to.
_CLASSES = {
    Reason.CANONICAL_RESULTS: "grounded",
    Reason.CANONICAL_INSUFFICIENT_DETAIL: "weak_grounding",
    Reason.ARTICLES_TIE: "weak_grounding",
    Reason.ASSISTIVE_ONLY_RESULTS: "weak_grounding",
    Reason.CLARIFICATION_LIMIT_REACHED: "policy_limit",
    Reason.NO_CANONICAL_RESULTS: "empty_recall",
}
_ERROR = "retrieval_error"

Labels = dict[str, str | int]


def searched(
    surface: Surface, hits: Sequence[Hit], degraded: Sequence[Degraded], *, milliseconds: float
) -> None:
    """One search, whatever became of it."""
    _tell(SEARCH, search_labels(surface, hits, degraded), milliseconds)


def grounded(
    surface: Surface,
    hits: Sequence[Hit],
    grounding: Grounding,
    *,
    groundable: bool,
    milliseconds: float,
) -> None:
    """One decision about what the results carry."""
    labels = grounding_labels(surface, hits, grounding, groundable=groundable)
    _tell(GROUNDING, labels, milliseconds)


def search_labels(surface: Surface, hits: Sequence[Hit], degraded: Sequence[Degraded]) -> Labels:
    failed = next((one for one in degraded if one in FAILED), None)
    canonical, assistive = _counts(hits)
    if failed is not None and not hits:
        outcome = (_ERROR, failure(failed))
    elif canonical:
        reason = "mixed_results" if assistive else Reason.CANONICAL_RESULTS.value
        outcome = ("search_results", reason)
    elif assistive:
        outcome = ("weak_grounding", Reason.ASSISTIVE_ONLY_RESULTS.value)
    else:
        outcome = ("empty_recall", Reason.NO_CANONICAL_RESULTS.value)
    return _labels(surface, hits, NOT_APPLICABLE, outcome)


def grounding_labels(
    surface: Surface, hits: Sequence[Hit], grounding: Grounding, *, groundable: bool
) -> Labels:
    outcome = (_CLASSES.get(grounding.reason, _ERROR), grounding.reason.value)
    status = GroundingStatus(grounding.status).value
    return _labels(surface, hits, status, outcome, groundable=groundable)


def failure(degraded: Degraded) -> str:
    """The reason that a failed search gives."""
    match degraded:
        case Degraded.SEARCH_TIMED_OUT:
            return Reason.PROVIDER_TIMEOUT.value
        case Degraded.INDEX_BUSY:
            return Reason.INDEX_UNAVAILABLE.value
        case _:
            return "unexpected_error"


def _labels(
    surface: Surface,
    hits: Sequence[Hit],
    status: str,
    outcome: tuple[str, str],
    *,
    groundable: bool = False,
) -> Labels:
    canonical, assistive = _counts(hits)
    return {
        "surface": Surface(surface).value,
        "source_mix": _mix(canonical, assistive),
        "result_bucket": _bucket(canonical + assistive),
        "grounding_status": status,
        "diagnostic_class": outcome[0],
        "reason": outcome[1],
        "canonical_hit_count": min(canonical, MOST_COUNTED),
        "assistive_hit_count": min(assistive, MOST_COUNTED),
        "ranking_outcome": _ranking(hits, groundable=groundable),
    }


def _counts(hits: Sequence[Hit]) -> tuple[int, int]:
    canonical = sum(hit.trust is Trust.CANONICAL for hit in hits)
    return canonical, len(hits) - canonical


def _mix(canonical: int, assistive: int) -> str:
    if canonical and assistive:
        return "mixed"
    if canonical:
        return "canonical_only"
    return "assistive_only" if assistive else "none"


def _bucket(number: int) -> str:
    match number:
        case 0:
            return "empty"
        case 1:
            return "single"
        case 2 | 3:
            return "few"
        case _:
            return "many"


def _ranking(hits: Sequence[Hit], *, groundable: bool) -> str:
    canonical, assistive = _counts(hits)
    if not hits:
        return "empty"
    if canonical and assistive:
        first = hits[0].trust is Trust.CANONICAL
        return "canonical_first" if first else "assistive_first"
    if canonical:
        return "groundable_canonical_only" if groundable else "canonical_only"
    return "assistive_only"


def _tell(name: str, labels: Labels, milliseconds: float) -> None:
    telemetry.count(name, 1, labels)
    telemetry.took(f"{name}.duration_ms", max(0, round(milliseconds)), labels)
