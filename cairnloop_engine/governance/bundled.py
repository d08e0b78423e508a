"""The tool that every site has: a note in the conversation, written with its own record."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field

from cairnloop_engine.conversations.release import post_note
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.paging import LARGEST_ID
from cairnloop_engine.governance.model import RiskTier
from cairnloop_engine.governance.tools import (
    ALLOWED,
    Asker,
    Done,
    Permanent,
    Run,
    ToolInput,
    TransactionalTool,
    Verdict,
)

LONGEST_NOTE = 5_000


class NoteInput(ToolInput):
    """Where the note goes and what it says."""

    conversation_id: int = Field(
        gt=0, le=LARGEST_ID, description="The conversation that gets the note."
    )
    content: str = Field(min_length=1, max_length=LONGEST_NOTE, description="The note.")


class InternalNote(TransactionalTool[NoteInput]):
    """Adds an internal note; customers never see it. Its effect happens exactly once."""

    name = "internal_note"
    title = "Add internal note"
    description = "Adds a note to a conversation. Only operators see it."
    risk_tier = RiskTier.LOW_WRITE
    idempotent = True
    Input = NoteInput

    def authorize(self, given: NoteInput, asker: Asker) -> Verdict:
        # The approval is the barrier.
        return ALLOWED

    def preview(self, given: NoteInput) -> str:
        return (
            f"Adds an internal note of {len(given.content)} characters to conversation "
            f"{given.conversation_id}. The customer will not see it."
        )

    def writes_in(self, given: NoteInput) -> Collection[int]:
        return (given.conversation_id,)

    async def run_within(self, work: Work, given: NoteInput, run: Run) -> Done:
        if not given.content.strip():
            raise Permanent("The note is blank.")
        message_id = await post_note(
            work,
            ConversationId(given.conversation_id),
            given.content,
            max_length=LONGEST_NOTE,
            run_key=run.run_key,
        )
        return Done(f"Note {message_id} was added.", {"message_id": message_id})
