"""What governed actions brought about in a conversation, as another slice may retell it."""

from __future__ import annotations

from sqlalchemy import select

from cairnloop_engine.core.database import Read
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.governance.bundled import InternalNote
from cairnloop_engine.governance.model import ResultState, RiskTier
from cairnloop_engine.governance.tables import ProposalRow

MOST_EFFECTS = 10


async def effects(read: Read, conversation_id: ConversationId) -> tuple[str, ...]:
    """What was really done for the customer, oldest first: the tool's title and its outcome.

    Looking something up changes nothing, and a note is for operators alone: neither is told.
    """
    found = await read.session.execute(
        select(ProposalRow.title, ProposalRow.result_summary)
        .where(
            ProposalRow.workspace == read.workspace,
            ProposalRow.conversation_id == conversation_id,
            ProposalRow.result_state == ResultState.SUCCEEDED,
            ProposalRow.risk_tier != RiskTier.READ_ONLY,
            ProposalRow.tool_ref != InternalNote.name,
        )
        .order_by(ProposalRow.id.desc())
        .limit(MOST_EFFECTS)
    )
    told = [title if summary is None else f"{title}: {summary}" for title, summary in found]
    return tuple(reversed(told))
