"""What drafting does when something happens in a conversation, inside the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairnloop_engine.conversations.events import (
    ConversationArchived,
    ConversationResolved,
    CustomerMessageReceived,
    MessageReleased,
    MessageRetracted,
)
from cairnloop_engine.conversations.model import Role
from cairnloop_engine.core.database import EventHandler, Work
from cairnloop_engine.drafting import decisions, outcomes, queries
from cairnloop_engine.drafting.events import AutoSendAllowed
from cairnloop_engine.drafting.model import DiscardReason, DraftingConfig, DraftRequest
from cairnloop_engine.drafting.service import DRAFT_TASK


def handlers(config: DraftingConfig) -> dict[type, Sequence[EventHandler]]:
    """The slice's in-transaction handlers, by the event that they follow."""
    follow = _Follow(config)
    return {
        CustomerMessageReceived: [follow.customer_wrote],
        MessageReleased: [follow.reply_released],
        MessageRetracted: [follow.reply_retracted],
        ConversationResolved: [follow.closed],
        ConversationArchived: [follow.closed],
        AutoSendAllowed: [follow.policy_allowed],
    }


@dataclass(frozen=True, slots=True)
class _Follow:
    config: DraftingConfig

    async def customer_wrote(self, work: Work, event: object) -> None:
        """Ask for a draft once the customer has been quiet for a while.

        A draft that waits is stale from now on: approving it needs a second, explicit wish. It
        stays on the table until the new one replaces it, so that an outage of the worker never
        leaves an operator with less than there was.
        """
        assert isinstance(event, CustomerMessageReceived)
        request = DraftRequest(event.conversation_id)
        due = work.now + self.config.draft_delay
        await work.debounce(kind=DRAFT_TASK, key=request.key, due_at=due)
        waiting = await queries.lock_waiting(work, event.conversation_id)
        if waiting is not None:
            work.changed("draft", waiting.id)

    async def reply_released(self, work: Work, event: object) -> None:
        assert isinstance(event, MessageReleased)
        if event.role is Role.AGENT:
            await outcomes.answered(
                work, event.conversation_id, event.message_id, by=event.draft_id
            )

    async def reply_retracted(self, work: Work, event: object) -> None:
        assert isinstance(event, MessageRetracted)
        if event.draft_id is not None:
            await outcomes.give_back(work, event.conversation_id, event.draft_id, event.message_id)

    async def closed(self, work: Work, event: object) -> None:
        assert isinstance(event, ConversationResolved | ConversationArchived)
        await outcomes.discard_waiting(
            work, event.conversation_id, DiscardReason.CONVERSATION_CLOSED
        )

    async def policy_allowed(self, work: Work, event: object) -> None:
        assert isinstance(event, AutoSendAllowed)
        await decisions.auto_send(work, event.conversation_id, event.draft_id, config=self.config)
