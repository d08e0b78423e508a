"""Proposals: what a generator may propose, and what makes a proposal unusable. No IO here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting.model import ProposalType
from cairnloop_engine.retrieval.model import (
    Evidence,
    Grounding,
    GroundingBundle,
    GroundingStatus,
    Reason,
)

# The layout of the stored grounding metadata; readers accept every version up to this one.
METADATA_VERSION = 1

# "see [2]" is a marker, "list[0]" is code.
_MARKER = re.compile(r"(?<![\w\])])\[(\d{1,3})\]")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a generator proposes for one conversation.

    ``customer_reply`` is what a customer would read and is None for an escalation, which has
    nothing to send. ``content`` equals it, or holds the note to staff of an escalation.
    ``grounding_metadata`` is the snapshot of the moment of the decision.
    """

    conversation_id: ConversationId
    proposal_type: ProposalType
    operator_summary: str
    customer_reply: str | None
    content: str
    evidence: tuple[Evidence, ...]
    grounding_metadata: JsonObject
    clarification_attempts: int
    generator: str
    model: str | None = None
    fallback_reason: str | None = None


def within_limit(bundle: GroundingBundle, *, limit: int) -> GroundingBundle:
    """The bundle, escalated when as many questions as allowed were asked already."""
    asks = bundle.grounding.status is GroundingStatus.CLARIFICATION
    if not asks or bundle.attempts < limit:
        return bundle
    grounding = replace(
        bundle.grounding,
        status=GroundingStatus.ESCALATION,
        reason=Reason.CLARIFICATION_LIMIT_REACHED,
    )
    return replace(bundle, grounding=grounding)


def fault(proposal: Proposal, bundle: GroundingBundle, *, max_length: int) -> str | None:
    """What makes a generator's proposal unusable, or None; the contract of every generator.

    An answer needs strong grounding, a question needs grounding that is not an escalation, and
    a hand-over holds nothing that could be sent.
    """
    status = bundle.grounding.status
    if proposal.proposal_type is ProposalType.REPLY and status is not GroundingStatus.STRONG:
        return "weak_grounding"
    if (
        proposal.proposal_type is ProposalType.CLARIFICATION
        and status is GroundingStatus.ESCALATION
    ):
        return "clarification_limit"
    if not proposal.content.strip() or not proposal.operator_summary.strip():
        return "empty"
    if proposal.proposal_type is ProposalType.ESCALATION:
        return "sendable_escalation" if proposal.customer_reply is not None else None
    if proposal.customer_reply is None or proposal.customer_reply != proposal.content:
        return "content_mismatch"
    if len(proposal.customer_reply) > max_length:
        return "too_long"
    if cited_numbers(proposal.customer_reply) - {e.number for e in proposal.evidence}:
        return "citation_unknown"
    return None


def cited_numbers(text: str) -> frozenset[int]:
    """The numbers of the markers ``[n]`` in a text."""
    return frozenset(int(number) for number in _MARKER.findall(text))


def citations(text: str, evidence: tuple[Evidence, ...]) -> tuple[Citation, ...]:
    """The citations whose markers stand in the text that is sent, in order of number."""
    cited = cited_numbers(text)
    return tuple(e.citation for e in evidence if e.number in cited)


def grounding_metadata(bundle: GroundingBundle) -> JsonObject:
    """The snapshot of the grounding decision that a proposal carries (spec 03 §11)."""
    return {
        "v": METADATA_VERSION,
        "grounding_status": bundle.grounding.status.value,
        "reason": bundle.grounding.reason.value,
        "query": bundle.query,
        "attempts": bundle.attempts,
        "embedder": bundle.embedder,
        "degraded": [word.value for word in bundle.degraded],
        "grounding": bundle.grounding.to_json(),
    }


@dataclass(frozen=True, slots=True)
class GroundingSnapshot:
    """The stored grounding of a draft, as the decision saw it.

    ``quote`` are the words of a source that a model named as the answer: empty when it was asked
    and named none, None when no model was asked.
    """

    grounding: Grounding
    query: str = ""
    embedder: str = ""
    attempts: int = 0
    degraded: tuple[str, ...] = ()
    quote: str | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, JsonValue]) -> GroundingSnapshot:
        """Read what :func:`grounding_metadata` made; missing parts read as the cautious ones."""
        grounding = stored.get("grounding")
        if not isinstance(grounding, dict):
            grounding = {
                "status": stored.get("grounding_status"),
                "reason": stored.get("reason"),
            }
        degraded = stored.get("degraded")
        attempts = stored.get("attempts")
        return cls(
            grounding=Grounding.from_json(grounding),
            query=_text(stored.get("query")),
            embedder=_text(stored.get("embedder")),
            attempts=attempts if isinstance(attempts, int) else 0,
            degraded=tuple(d for d in degraded if isinstance(d, str))
            if isinstance(degraded, list)
            else (),
            quote=_quote(stored.get("quote")),
        )


def _quote(stored: JsonValue) -> str | None:
    return _text(stored.get("text")) if isinstance(stored, dict) else None


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
