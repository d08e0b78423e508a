"""Past drafts beside what today's settings would make of the same questions. No IO here."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.core.ids import ConversationId, DraftId
from cairnloop_engine.core.text import safe
from cairnloop_engine.drafting.model import DraftStatus, ProposalType
from cairnloop_engine.drafting.proposal import GroundingSnapshot, Proposal, cited_numbers
from cairnloop_engine.retrieval.model import Evidence, GroundingStatus


@dataclass(frozen=True, slots=True)
class Shape:
    """One draft as it is compared; its words are safe to draw."""

    grounding: GroundingStatus
    reason: str
    confidence: float
    proposal_type: ProposalType
    citations: tuple[str, ...]
    text: str
    generator: str
    fallback_reason: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """A past draft, what would be drafted now, and what differs between the two.

    ``changed`` names fields of :class:`Shape`; ``diff`` is a unified diff of the texts, without
    its heading. ``error`` is the code of what kept it from being made again; ``now`` is None then.
    """

    draft_id: DraftId
    conversation_id: ConversationId
    status: DraftStatus
    created_at: datetime
    query: str
    then: Shape
    now: Shape | None
    changed: tuple[str, ...]
    diff: tuple[str, ...]
    error: str | None = None


# What counts as a difference: the numbers behind a decision may move without changing anything.
COMPARED = ("grounding", "reason", "proposal_type", "citations", "text", "generator")


def shape(proposal: Proposal) -> Shape:
    """A proposal as it is compared."""
    snapshot = GroundingSnapshot.from_json(proposal.grounding_metadata)
    return shape_of(
        snapshot,
        proposal.proposal_type,
        proposal.content,
        proposal.evidence,
        generator=proposal.generator,
        fallback_reason=proposal.fallback_reason,
    )


def shape_of(
    snapshot: GroundingSnapshot,
    proposal_type: ProposalType,
    content: str,
    evidence: Sequence[Evidence],
    *,
    generator: str,
    fallback_reason: str | None,
) -> Shape:
    """The same from the parts of a stored draft."""
    cited = cited_numbers(content)
    return Shape(
        grounding=snapshot.grounding.status,
        reason=snapshot.grounding.reason.value,
        confidence=snapshot.grounding.confidence,
        proposal_type=proposal_type,
        citations=tuple(safe(one.title, limit=200) for one in evidence if one.number in cited),
        text=safe(content, multiline=True),
        generator=safe(generator, limit=80),
        fallback_reason=None if fallback_reason is None else safe(fallback_reason, limit=80),
    )


def changed(then: Shape, now: Shape) -> tuple[str, ...]:
    """The fields that differ, in the order in which they are told."""
    return tuple(name for name in COMPARED if getattr(then, name) != getattr(now, name))


def diff(then: Shape, now: Shape) -> tuple[str, ...]:
    """What changed between the texts, line by line; empty when nothing did."""
    found = difflib.unified_diff(then.text.splitlines(), now.text.splitlines(), lineterm="", n=1)
    return tuple(line for line in found if not line.startswith(("---", "+++")))
