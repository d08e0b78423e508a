"""Facts that other slices keep on a conversation row so that the inbox can show them."""

from __future__ import annotations

from cairnloop_engine.conversations import queries
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.ids import ConversationId, DraftId


async def mark_draft(
    work: Work,
    conversation_id: ConversationId,
    *,
    draft_id: DraftId | None,
    draft_type: str | None = None,
) -> None:
    """Show, or no longer show, that a draft waits. Posts nothing and reaches no customer."""
    row = await queries.lock_conversation(work, conversation_id)
    if row is None:
        return
    row.draft_id = draft_id
    row.draft_type = draft_type if draft_id is not None else None
    row.updated_at = work.now
    await work.session.flush()
    work.changed("conversation", conversation_id)


async def mark_actions(work: Work, conversation_id: ConversationId, *, waiting: int) -> None:
    """Show how many governed actions of the conversation wait for a person."""
    row = await queries.lock_conversation(work, conversation_id)
    if row is None:
        return
    if row.actions_waiting != waiting:
        row.actions_waiting = waiting
        row.updated_at = work.now
        await work.session.flush()
    work.changed("conversation", conversation_id)
