"""How far a search result carries a reply: strong, one clarification, or a person. No IO.

What the decision looks at is gathered into numbers first, and the decision is a function of these
numbers alone. They are stored with a draft, so it can be replayed from its row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cairnloop_engine.core.errors import JsonValue
from cairnloop_engine.retrieval.model import (
    Degraded,
    Grounding,
    GroundingStatus,
    GroundingThresholds,
    Hit,
    Reason,
    Trust,
)

Signals = Mapping[str, float | None]

# Without a measured off-topic cosine, this share of a question's telling words keeps an article
# in question; below it only common words agree.
KEYWORD_FLOOR = 0.25
# Two articles this close in fused score count as tied for an embedder that nobody measured.
TIE_MARGIN = 0.03

# What a calibration looks at, all of the first article.
FEATURES = ("cos_title", "cos_doc", "cos_chunk", "bm25_share", "margin")
# The passage itself must be near by meaning or by words, however good the rest looks.
FLOORS = ("cos_chunk", "bm25_share")


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one's own labelled questions said about the scores; in force until it expires.

    ``threshold`` None means that no threshold kept the promise: then nothing is strong.
    ``numbers`` hold the regression (``intercept``, and ``weight.x``, ``mean.x``, ``scale.x`` of
    each feature) and the floors of the evidence (``floor.x``).
    """

    id: int
    threshold: float | None
    numbers: Mapping[str, float] = field(default_factory=dict)

    def as_signals(self) -> dict[str, float | None]:
        return {"calibration": float(self.id), "threshold": self.threshold, **self.numbers}


def probability(numbers: Signals, signals: Signals) -> float:
    """The chance that the first article answers, by the regression in ``numbers``.

    A signal that is missing counts as the mean of the labels.
    """
    total = numbers.get("intercept") or 0.0
    for name in FEATURES:
        value, mean = signals.get(name), numbers.get(f"mean.{name}") or 0.0
        if value is not None:
            weight, scale = numbers.get(f"weight.{name}"), numbers.get(f"scale.{name}")
            total += (weight or 0.0) * (value - mean) / (scale or 1.0)
    # Beyond this the exponential only overflows.
    return 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, total))))


def admissible(signals: Signals) -> bool:
    """Whether a calibrated result is strong as soon as its probability reaches the threshold."""
    return _holds_evidence(signals) and not _is_off_topic(signals) and not _ties(signals)


def assess(
    hits: Sequence[Hit],
    *,
    thresholds: GroundingThresholds | None,
    calibration: Calibration | None = None,
    degraded: Sequence[Degraded] = (),
    attempts: int = 0,
    clarification_limit: int = 1,
) -> Grounding:
    """Judge the results, best first, as they would ground a reply.

    The title's cosine never decides: a question whose topic is known, but whose answer is not,
    matches the title best of all. ``attempts`` counts clarifications since the last real answer.
    ``calibration`` is the one in force, if there is one; without it the embedder's own
    ``thresholds`` decide, which nobody has checked on this knowledge.
    """
    signals: dict[str, float | None] = {
        "results": float(len(hits)),
        "canonical": float(sum(hit.trust is Trust.CANONICAL for hit in hits)),
        "attempts": float(attempts),
        "clarification_limit": float(clarification_limit),
        **{f"degraded.{word.value}": 1.0 for word in degraded},
        **_of_hits(hits),
        **_of_thresholds(thresholds),
        **({} if calibration is None else calibration.as_signals()),
    }
    return decide(signals)


def decide(signals: Signals) -> Grounding:
    """The decision, from the numbers that were gathered for it and from nothing else."""
    failed = _failure(signals)
    if failed is not None:
        return _escalation(failed, signals)
    if not signals.get("canonical"):
        assistive = bool(signals.get("results"))
        absent = Reason.ASSISTIVE_ONLY_RESULTS if assistive else _nothing(signals)
        return _escalation(absent, signals)
    if _is_off_topic(signals):
        return _escalation(_nothing(signals), signals)
    if not _is_strong(signals):
        return _ask(Reason.CANONICAL_INSUFFICIENT_DETAIL, signals)
    if _ties(signals):
        return _ask(Reason.ARTICLES_TIE, signals)
    return _graded(GroundingStatus.STRONG, Reason.CANONICAL_RESULTS, signals)


def replay(stored: Mapping[str, JsonValue]) -> Grounding:
    """Decide again from what :meth:`Grounding.to_json` stored, by the rules of today.

    Equal to what is stored unless the rules have changed since; a row from before the signals
    were complete replays to the cautious side.
    """
    return decide(Grounding.from_json(stored).signals)


def carries_reply(hit: Hit, thresholds: GroundingThresholds | None) -> bool:
    """Whether this passage by itself is near enough to be quoted in a reply."""
    return hit.trust is Trust.CANONICAL and _is_near(
        {**_of_hits([hit]), **_of_thresholds(thresholds)}
    )


def _of_hits(hits: Sequence[Hit]) -> dict[str, float | None]:
    """The signals of the first article, and how far the next one is behind it."""
    canonical = [hit for hit in hits if hit.trust is Trust.CANONICAL]
    if not canonical:
        return {}
    best = canonical[0]
    following = canonical[1].score if len(canonical) > 1 else None
    return {
        "cos_title": best.why.cos_title,
        "cos_doc": best.why.cos_doc,
        "cos_chunk": best.why.cos_chunk,
        "bm25_share": best.why.bm25_share,
        "fused": best.score,
        "margin": None if following is None else best.score - following,
    }


def _of_thresholds(thresholds: GroundingThresholds | None) -> dict[str, float | None]:
    if thresholds is None:
        return {"tie_margin": TIE_MARGIN}
    return {
        "strong_chunk": thresholds.strong_chunk,
        "strong_fused": thresholds.strong_fused,
        "off_topic": thresholds.off_topic,
        "tie_margin": thresholds.margin,
    }


def _failure(signals: Signals) -> Reason | None:
    """Nothing can be concluded from the absence of results when the search itself failed."""
    for word, reason in (
        (Degraded.SEARCH_TIMED_OUT, Reason.PROVIDER_TIMEOUT),
        (Degraded.INDEX_BUSY, Reason.INDEX_UNAVAILABLE),
        (Degraded.SEARCH_FAILED, Reason.UNEXPECTED_ERROR),
    ):
        if signals.get(f"degraded.{word.value}"):
            return reason
    return None


def _nothing(signals: Signals) -> Reason:
    """Nothing was found: the knowledge lacks it, unless it was searched by words alone."""
    blind = signals.get(f"degraded.{Degraded.EMBEDDER_UNAVAILABLE.value}")
    return Reason.EMBEDDER_UNAVAILABLE if blind else Reason.NO_CANONICAL_RESULTS


def _is_off_topic(signals: Signals) -> bool:
    chunk, floor = signals.get("cos_chunk"), signals.get("off_topic")
    if chunk is None or floor is None:
        return (signals.get("bm25_share") or 0.0) < KEYWORD_FLOOR
    return chunk < floor


def _is_strong(signals: Signals) -> bool:
    if "calibration" not in signals:
        return _is_near(signals)
    return _holds_evidence(signals) and _reaches(
        probability(signals, signals), signals.get("threshold")
    )


def _holds_evidence(signals: Signals) -> bool:
    """Whether the passage itself reaches one of the calibrated floors."""
    return signals.get("cos_chunk") is not None and any(
        _reaches(signals.get(name), signals.get(f"floor.{name}")) for name in FLOORS
    )


def _is_near(signals: Signals) -> bool:
    """The rule for as long as nothing was calibrated: near by meaning, and good as a whole."""
    return _reaches(signals.get("cos_chunk"), signals.get("strong_chunk")) and _reaches(
        signals.get("fused"), signals.get("strong_fused")
    )


def _ties(signals: Signals) -> bool:
    margin = signals.get("margin")
    return margin is not None and margin < (signals.get("tie_margin") or 0.0)


def _reaches(value: float | None, floor: float | None) -> bool:
    return value is not None and floor is not None and value >= floor


def _ask(reason: Reason, signals: Signals) -> Grounding:
    if (signals.get("attempts") or 0.0) >= (signals.get("clarification_limit") or 0.0):
        return _escalation(Reason.CLARIFICATION_LIMIT_REACHED, signals)
    return _graded(GroundingStatus.CLARIFICATION, reason, signals)


def _escalation(reason: Reason, signals: Signals) -> Grounding:
    return _graded(GroundingStatus.ESCALATION, reason, signals)


def _graded(status: GroundingStatus, reason: Reason, signals: Signals) -> Grounding:
    calibrated = signals.get("threshold") is not None
    cosine = min(1.0, max(0.0, signals.get("cos_chunk") or 0.0))
    known = calibrated and signals.get("cos_chunk") is not None
    confidence = probability(signals, signals) if known else cosine
    return Grounding(status, reason, confidence, calibrated=calibrated, signals=dict(signals))
