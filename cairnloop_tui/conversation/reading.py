"""What the conversation screen reads, in one go."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations.reads import InboxRow, Thread
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting.reads import DraftView


@dataclass(frozen=True, slots=True)
class Work:
    """A conversation's newest messages, and the draft that waits in it."""

    thread: Thread
    draft: DraftView | None

    @property
    def row(self) -> InboxRow:
        return self.thread.conversation


async def read_work(engine: Engine, caller: Caller, conversation_id: ConversationId) -> Work:
    """Read both. Raises as the facades do."""
    thread = await engine.conversations.thread(caller, conversation_id)
    return Work(thread, await engine.drafting.pending_for(caller, conversation_id))
