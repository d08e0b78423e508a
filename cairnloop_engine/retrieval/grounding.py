"""How far a search result carries a reply: strong, one clarification, or a person. No IO."""

from __future__ import annotations

from collections.abc import Sequence

from cairnloop_engine.retrieval.model import (
    FAILED,
    Degraded,
    Grounding,
    GroundingStatus,
    GroundingThresholds,
    Hit,
    Reason,
    Trust,
)

# Without a measured off-topic cosine, this share of a question's telling words keeps an article
# in question; below it only common words agree.
KEYWORD_FLOOR = 0.25


def assess(
    hits: Sequence[Hit],
    *,
    thresholds: GroundingThresholds | None,
    degraded: Sequence[Degraded] = (),
    attempts: int = 0,
    clarification_limit: int = 1,
) -> Grounding:
    """Judge the results, best first, as they would ground a reply.

    The title's cosine never decides: a question whose topic is known, but whose answer is not,
    matches the title best of all. ``attempts`` counts clarifications since the last real answer.
    """
    failed = next((d for d in degraded if d in FAILED), None)
    if failed is not None:
        timed_out = failed is Degraded.SEARCH_TIMED_OUT
        return _escalation(Reason.PROVIDER_TIMEOUT if timed_out else Reason.INDEX_UNAVAILABLE)
    canonical = [hit for hit in hits if hit.trust is Trust.CANONICAL]
    if not canonical:
        return _escalation(Reason.ASSISTIVE_ONLY_RESULTS if hits else Reason.NO_CANONICAL_RESULTS)

    best = canonical[0]
    following = canonical[1] if len(canonical) > 1 else None
    signals = _signals(best, following, thresholds)
    if _is_off_topic(best, thresholds):
        return _escalation(Reason.NO_CANONICAL_RESULTS, best, signals)
    if _is_strong(best, thresholds):
        if following is None or not _ties(best, following, thresholds):
            return Grounding(
                GroundingStatus.STRONG,
                Reason.CANONICAL_RESULTS,
                _confidence(best),
                signals=signals,
            )
        return _ask(Reason.ARTICLES_TIE, best, signals, attempts, clarification_limit)
    return _ask(Reason.CANONICAL_INSUFFICIENT_DETAIL, best, signals, attempts, clarification_limit)


def carries_reply(hit: Hit, thresholds: GroundingThresholds | None) -> bool:
    """Whether this passage by itself is near enough to be quoted in a reply."""
    return hit.trust is Trust.CANONICAL and _is_strong(hit, thresholds)


def _is_strong(hit: Hit, thresholds: GroundingThresholds | None) -> bool:
    return (
        thresholds is not None
        and hit.why.cos_chunk is not None
        and hit.why.cos_chunk >= thresholds.strong_chunk
        and hit.score >= thresholds.strong_fused
    )


def _is_off_topic(hit: Hit, thresholds: GroundingThresholds | None) -> bool:
    if thresholds is None or hit.why.cos_chunk is None:
        return hit.why.bm25_share < KEYWORD_FLOOR
    return hit.why.cos_chunk < thresholds.off_topic


def _ties(best: Hit, following: Hit, thresholds: GroundingThresholds | None) -> bool:
    return thresholds is not None and best.score - following.score < thresholds.margin


def _ask(
    reason: Reason,
    best: Hit,
    signals: dict[str, float | None],
    attempts: int,
    clarification_limit: int,
) -> Grounding:
    if attempts >= clarification_limit:
        return _escalation(Reason.CLARIFICATION_LIMIT_REACHED, best, signals)
    return Grounding(GroundingStatus.CLARIFICATION, reason, _confidence(best), signals=signals)


def _escalation(
    reason: Reason, best: Hit | None = None, signals: dict[str, float | None] | None = None
) -> Grounding:
    confidence = 0.0 if best is None else _confidence(best)
    return Grounding(GroundingStatus.ESCALATION, reason, confidence, signals=signals or {})


def _confidence(best: Hit) -> float:
    return min(1.0, max(0.0, best.why.cos_chunk or 0.0))


def _signals(
    best: Hit, following: Hit | None, thresholds: GroundingThresholds | None
) -> dict[str, float | None]:
    return {
        "cos_title": best.why.cos_title,
        "cos_doc": best.why.cos_doc,
        "cos_chunk": best.why.cos_chunk,
        "bm25_share": best.why.bm25_share,
        "fused": best.score,
        "margin": None if following is None else best.score - following.score,
        "strong_chunk": None if thresholds is None else thresholds.strong_chunk,
        "strong_fused": None if thresholds is None else thresholds.strong_fused,
        "off_topic": None if thresholds is None else thresholds.off_topic,
    }
