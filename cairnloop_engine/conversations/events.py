"""What happens in conversations that other slices act on, inside the same transaction."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.conversations.model import Role
from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId


@dataclass(frozen=True, slots=True)
class CustomerMessageReceived:
    """A customer's message was stored and is about to be acknowledged."""

    conversation_id: ConversationId
    message_id: MessageId
    revision: int


@dataclass(frozen=True, slots=True)
class MessageReleased:
    """A message became visible to the customer."""

    conversation_id: ConversationId
    message_id: MessageId
    role: Role
    draft_id: DraftId | None


@dataclass(frozen=True, slots=True)
class MessageRetracted:
    """A held message was taken back before the customer could see it."""

    conversation_id: ConversationId
    message_id: MessageId
    draft_id: DraftId | None


@dataclass(frozen=True, slots=True)
class ConversationResolved:
    conversation_id: ConversationId


@dataclass(frozen=True, slots=True)
class ConversationReopened:
    conversation_id: ConversationId


@dataclass(frozen=True, slots=True)
class ConversationArchived:
    conversation_id: ConversationId
