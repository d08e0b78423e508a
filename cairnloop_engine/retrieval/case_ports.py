"""The seam of resolved cases: who knows what was done for a customer beside the words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cairnloop_engine.core.database import Read
from cairnloop_engine.core.ids import ConversationId


class ActionsTaken(Protocol):
    """Tells, oldest first and in one sentence each, which actions took effect in a conversation.

    Reads in the transaction that it is given. What it tells is redacted before it is kept; it
    must not tell what an internal note says.
    """

    async def __call__(self, read: Read, conversation_id: ConversationId) -> Sequence[str]: ...
