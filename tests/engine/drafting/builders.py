"""Evidence, bundles and proposals for the tests of drafting."""

from __future__ import annotations

from dataclasses import replace

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.ids import ConversationId, RevisionId
from cairnloop_engine.drafting import compose
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.retrieval.model import (
    Degraded,
    Evidence,
    Grounding,
    GroundingBundle,
    GroundingStatus,
    Reason,
    SourceType,
    Trust,
    Why,
)

ROTATION = (
    "API keys live under Settings. To rotate an API key, create the new key first. "
    "Then change your pipeline to the new key and revoke the old one. "
    "Both keys work for 24 hours, so nothing breaks. Billing is not affected."
)


def evidence(
    number: int = 1,
    content: str = ROTATION,
    *,
    title: str = "Rotating an API key",
    heading: str = "",
    trust: Trust = Trust.CANONICAL,
    groundable: bool = True,
    article_id: int | None = None,
) -> Evidence:
    source = SourceType.KNOWLEDGE_BASE if trust is Trust.CANONICAL else SourceType.RESOLVED_CASE
    article = article_id if article_id is not None else number
    return Evidence(
        number=number,
        source_type=source,
        trust=trust,
        title=title,
        heading=heading,
        content=content,
        excerpt=content[:160],
        sentences=(),
        score=0.7,
        groundable=groundable,
        why=Why(0.71, 0.7, 0.72, 0.5, ("api", "key")),
        citation=Citation(title, source.value, article, 100 + number),
        revision_id=RevisionId(10 + number),
    )


def bundle(
    *found: Evidence,
    query: str = "How do I rotate my API key without breaking our pipeline?",
    status: GroundingStatus = GroundingStatus.STRONG,
    reason: Reason | None = None,
    attempts: int = 0,
    degraded: tuple[Degraded, ...] = (),
) -> GroundingBundle:
    usual = {
        GroundingStatus.STRONG: Reason.CANONICAL_RESULTS,
        GroundingStatus.CLARIFICATION: Reason.CANONICAL_INSUFFICIENT_DETAIL,
        GroundingStatus.ESCALATION: Reason.NO_CANONICAL_RESULTS,
    }
    if not found and status is not GroundingStatus.ESCALATION:
        found = (evidence(groundable=status is GroundingStatus.STRONG),)
    signals = {"chunk": 0.72, "fused": 0.7}
    grounding = Grounding(status, reason or usual[status], 0.72, signals=signals)
    return GroundingBundle(query, found, grounding, attempts, degraded, "test-embedder")


def strong() -> GroundingBundle:
    return bundle()


def clarifying(attempts: int = 0) -> GroundingBundle:
    return bundle(status=GroundingStatus.CLARIFICATION, attempts=attempts)


def escalating() -> GroundingBundle:
    return bundle(status=GroundingStatus.ESCALATION)


def proposal(of: GroundingBundle | None = None, **changes: object) -> Proposal:
    made = compose.propose(ConversationId(1), of or bundle())
    return replace(made, **changes)  # type: ignore[arg-type]
