"""What tests of actions in the console begin with."""

from __future__ import annotations

from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.governance.model import ApprovalStatus
from tests.console.driving import Console
from tests.engine.governance.desk import NOAH, Desk


async def at_cards(console: Console) -> None:
    """From anywhere to the cards of the first conversation."""
    await console.press("g", "i", "enter", "tab")
    await console.until(lambda: console.conversation.action() is not None)
    assert console.conversation.scope == "cards"


async def with_action(
    desk: Desk, tool: str = "credit", **given: str
) -> tuple[ConversationId, ProposalId]:
    conversation_id = await desk.conversation()
    made = await desk.propose(
        tool, {"order": "A-17", "amount": "82.00", **given}, conversation_id=conversation_id
    )
    return conversation_id, made.proposal_id


async def unknown_action(desk: Desk) -> ProposalId:
    conversation_id = await desk.conversation()
    made = await desk.propose(conversation_id=conversation_id)
    await desk.engine.governance.approve(NOAH, made.proposal_id)
    desk.ledger.fail(RuntimeError("the line went dead"))
    await desk.work()
    assert await desk.status(made.proposal_id) is ApprovalStatus.EXECUTION_UNKNOWN
    return made.proposal_id


async def by_palette(console: Console, title: str) -> None:
    await console.press(":")
    await console.type(title)
    await console.press("enter")
    await console.settled()
