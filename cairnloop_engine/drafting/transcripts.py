"""The thread as drafting reads it: what the customer and the operators said, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from cairnloop_engine.conversations import queries as threads
from cairnloop_engine.conversations.model import Role
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting.ports import CustomerTurn, Line, Speaker

LINES = 12

# Internal notes and messages of the system have no speaker: they never reach a generator.
_SPEAKERS = {Role.USER: Speaker.CUSTOMER, Role.AGENT: Speaker.AGENT}


async def recent(
    read: Read, conversation_id: ConversationId, *, until: int | None = None
) -> list[Line]:
    """The last messages that the customer has seen or written, oldest first.

    ``until`` leaves out whatever came after that sequence number.
    """
    found = await threads.recent_messages(
        read, conversation_id, roles=frozenset(_SPEAKERS), limit=LINES, until=until
    )
    return [Line(_SPEAKERS[row.role], row.content) for row in reversed(found)]


def turn(subject: str | None, thread: Sequence[Line]) -> CustomerTurn:
    """What the customer said, and how much of it came after the last reply."""
    newest_first = list(reversed(thread))
    replies = [index for index, line in enumerate(newest_first) if line.speaker is Speaker.AGENT]
    return CustomerTurn(
        subject,
        [line.text for line in newest_first if line.speaker is Speaker.CUSTOMER],
        unanswered=replies[0] if replies else None,
    )
