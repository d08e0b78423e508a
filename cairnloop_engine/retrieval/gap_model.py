"""Gap events: what the knowledge could not answer, told without anything personal. No IO here."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.ids import MessageId
from cairnloop_engine.core.text import is_blank, normalise_line, redact, storable, truncate
from cairnloop_engine.retrieval.model import (
    FAILED,
    Degraded,
    Evidence,
    Grounding,
    GroundingBundle,
    Hit,
    Reason,
    SearchResult,
    SourceType,
    Trust,
)

EXCERPT_LENGTH = 160
TITLE_LENGTH = 160
EVIDENCE_LENGTH = 240
MOST_EVIDENCE = 5
# A question shorter than this, in characters, says nothing about the knowledge.
SHORTEST_QUERY = 2
NOTHING_LEFT = "[redacted query]"
# What the key of the fingerprints is derived for.
FINGERPRINT_PURPOSE = b"cairnloop gap fingerprint"


class Surface(StrEnum):
    """What asked the question that found nothing."""

    DRAFT_GENERATION = "draft_generation"
    SEARCH_MODAL = "search_modal"
    API = "api"
    UNSPECIFIED = "unspecified"


class UiSurface(StrEnum):
    """Which screen it was asked on."""

    CONVERSATION = "conversation"
    INBOX = "inbox"
    SETTINGS = "settings"
    UNSPECIFIED = "unspecified"


class OutcomeClass(StrEnum):
    """What kind of failure it was; an outage is no gap in the knowledge."""

    EMPTY_RECALL = "empty_recall"
    RETRIEVAL_ERROR = "retrieval_error"
    WEAK_GROUNDING = "weak_grounding"
    POLICY_LIMIT = "policy_limit"


_CLASSES: Mapping[Reason, OutcomeClass] = {
    Reason.NO_CANONICAL_RESULTS: OutcomeClass.EMPTY_RECALL,
    Reason.CLARIFICATION_LIMIT_REACHED: OutcomeClass.POLICY_LIMIT,
    Reason.PROVIDER_TIMEOUT: OutcomeClass.RETRIEVAL_ERROR,
    Reason.INDEX_UNAVAILABLE: OutcomeClass.RETRIEVAL_ERROR,
    Reason.EMBEDDER_UNAVAILABLE: OutcomeClass.RETRIEVAL_ERROR,
    Reason.UNEXPECTED_ERROR: OutcomeClass.RETRIEVAL_ERROR,
}


@dataclass(frozen=True, slots=True)
class Gap:
    """A settled failure on its way to be recorded.

    ``query`` is the question as it was asked; only its fingerprint and a redacted excerpt are
    stored. ``attempts`` counts the clarifying questions that were already sent.
    """

    surface: Surface
    ui_surface: UiSurface
    outcome_class: OutcomeClass
    reason: str
    query: str = field(repr=False)
    canonical_hits: int = 0
    assistive_hits: int = 0
    attempts: int = 0
    evidence: tuple[JsonObject, ...] = ()

    @property
    def is_outage(self) -> bool:
        return self.outcome_class is OutcomeClass.RETRIEVAL_ERROR


def gap_of_draft(bundle: GroundingBundle) -> Gap | None:
    """What a draft's grounding says about the knowledge; None when it carried a reply."""
    judged = outcome(bundle.grounding, bundle.degraded)
    if judged is None or _is_too_short(bundle.query):
        return None
    return _gap(
        judged,
        bundle.query,
        bundle.evidence,
        surface=Surface.DRAFT_GENERATION,
        ui_surface=UiSurface.CONVERSATION,
        attempts=bundle.attempts,
    )


def gap_of_search(result: SearchResult, *, ui_surface: UiSurface) -> Gap | None:
    """What an operator's search says about the knowledge; None when it brought articles.

    Articles that are merely the nearest ones to a question about something else are no result.
    """
    judged = outcome(result.grounding, result.degraded)
    on_topic = result.grounding.reason is not Reason.NO_CANONICAL_RESULTS
    found = on_topic and any(hit.trust is Trust.CANONICAL for hit in result.items)
    if judged is None or found or _is_too_short(result.query):
        return None
    return _gap(
        judged,
        result.query,
        result.items,
        surface=Surface.SEARCH_MODAL,
        ui_surface=ui_surface,
    )


def outcome(
    grounding: Grounding, degraded: Sequence[Degraded] = ()
) -> tuple[OutcomeClass, str] | None:
    """Class and reason of a failure; None for a grounding that carries a reply.

    Whatever was judged without the embedder is an outage: with it, the answer may have been there.
    """
    if grounding.may_reply:
        return None
    found = _CLASSES.get(grounding.reason, OutcomeClass.WEAK_GROUNDING)
    failed = not FAILED.isdisjoint(degraded)
    if failed or found is OutcomeClass.RETRIEVAL_ERROR:
        return OutcomeClass.RETRIEVAL_ERROR, grounding.reason.value
    away = Degraded.EMBEDDER_UNAVAILABLE
    if away in degraded:
        return OutcomeClass.RETRIEVAL_ERROR, away.value
    return found, grounding.reason.value


def fingerprint(key: bytes, workspace: str, query: str) -> str:
    """The same for the same question however it is typed; tells nothing without the key."""
    told = f"{workspace}\n{normalise_line(query)}"
    return hmac.digest(key, storable(told).encode(), "sha256").hex()


def excerpt_of(query: str) -> str:
    """The beginning of a question without what is personal in it."""
    kept = _redacted(query, EXCERPT_LENGTH)
    return NOTHING_LEFT if is_blank(kept) else kept


def draft_key(gap: Gap, message_id: MessageId) -> str:
    """One event for a customer's message; an outage does not stand in the way of a real gap."""
    return f"{'outage' if gap.is_outage else 'draft'}:{message_id}"


def search_key(gap: Gap, query_fingerprint: str) -> str:
    """One event for a question on one screen with one outcome, as long as its window is open."""
    parts = (gap.surface.value, gap.ui_surface.value, gap.outcome_class.value, gap.reason)
    return ":".join((*parts, query_fingerprint))


def snapshots(found: Iterable[Hit | Evidence]) -> tuple[JsonObject, ...]:
    """What was at hand, best first: each passage once, redacted, bounded and at most five."""
    told: dict[tuple[object, ...], JsonObject] = {}
    for one in found:
        title = _redacted(one.title, TITLE_LENGTH)
        excerpt = _redacted(one.excerpt, EVIDENCE_LENGTH)
        target = _target(one)
        key = (one.source_type, one.trust, title, excerpt, tuple(target.items()))
        told.setdefault(
            key,
            {
                "source_type": one.source_type.value,
                "trust_level": one.trust.value,
                "title": title,
                "content_excerpt": excerpt,
                "citation_target": target,
                "match_reasons": _match_reasons(one),
                "score": round(one.score, 6),
            },
        )
        if len(told) == MOST_EVIDENCE:
            break
    return tuple(told.values())


def _gap(
    judged: tuple[OutcomeClass, str],
    query: str,
    found: Sequence[Hit | Evidence],
    *,
    surface: Surface,
    ui_surface: UiSurface,
    attempts: int = 0,
) -> Gap:
    outcome_class, reason = judged
    canonical = sum(one.trust is Trust.CANONICAL for one in found)
    return Gap(
        surface=surface,
        ui_surface=ui_surface,
        outcome_class=outcome_class,
        reason=reason,
        query=query,
        canonical_hits=canonical,
        assistive_hits=len(found) - canonical,
        attempts=attempts,
        evidence=snapshots(found),
    )


def _is_too_short(query: str) -> bool:
    return len(normalise_line(query)) < SHORTEST_QUERY


def _redacted(text: str, limit: int) -> str:
    # Redacted before it is cut: half an address is not recognised.
    return truncate(" ".join(storable(redact(text)).split()), limit)


def _target(found: Hit | Evidence) -> JsonObject:
    """Which passage it is, by ids alone."""
    ids: JsonObject = {
        "article_id": found.citation.article_id,
        "revision_id": found.revision_id,
        "chunk_id": found.citation.chunk_id,
    }
    if isinstance(found, Hit):
        ids["conversation_id"] = found.conversation_id
    return {name: value for name, value in ids.items() if value is not None}


def _match_reasons(found: Hit | Evidence) -> list[JsonValue]:
    reasons = {
        "keyword_match": found.why.bm25_share > 0,
        "semantic_match": found.why.cosine is not None,
        "resolved_case_similarity": found.source_type is SourceType.RESOLVED_CASE,
    }
    return [reason for reason, holds in reasons.items() if holds]
