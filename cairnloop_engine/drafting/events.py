"""What happens to drafts that other slices act on, inside the same transaction."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId
from cairnloop_engine.drafting.model import DiscardReason, ProposalType


@dataclass(frozen=True, slots=True)
class DraftCreated:
    """A draft waits for a decision."""

    conversation_id: ConversationId
    draft_id: DraftId
    proposal_type: ProposalType


@dataclass(frozen=True, slots=True)
class DraftDenied:
    """The host's policy said ``deny`` about a reply, so that no draft was stored."""

    conversation_id: ConversationId
    source_message_id: MessageId


@dataclass(frozen=True, slots=True)
class AutoSendAllowed:
    """The host's policy said ``allow`` about a fresh draft, and sending by itself is enabled."""

    conversation_id: ConversationId
    draft_id: DraftId


@dataclass(frozen=True, slots=True)
class DraftEdited:
    """An operator's words were saved on a draft that still waits."""

    conversation_id: ConversationId
    draft_id: DraftId


@dataclass(frozen=True, slots=True)
class DraftApproved:
    """A draft became a message, held or already with the customer."""

    conversation_id: ConversationId
    draft_id: DraftId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class DraftDiscarded:
    """A draft was dropped without being sent."""

    conversation_id: ConversationId
    draft_id: DraftId
    reason: DiscardReason


@dataclass(frozen=True, slots=True)
class DraftReturned:
    """A draft's reply was taken back in time, so that the draft waits again."""

    conversation_id: ConversationId
    draft_id: DraftId
