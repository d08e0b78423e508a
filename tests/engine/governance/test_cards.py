"""A conversation's actions with everything about them, in a bounded number of statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.governance.model import ApprovalStatus
from tests.engine.governance.desk import NOAH, Desk


async def _some(desk: Desk, count: int) -> tuple[ConversationId, list[ProposalId]]:
    conversation_id = await desk.conversation()
    made = [
        await desk.propose(
            given={"order": f"A-{number}", "amount": "5.00"}, conversation_id=conversation_id
        )
        for number in range(count)
    ]
    return conversation_id, [one.proposal_id for one in made]


@pytest.mark.requirement("02-governance:151")
async def test_cards_come_newest_first_in_pages_with_their_history(desk: Desk) -> None:
    conversation_id, ids = await _some(desk, 12)

    first = await desk.engine.governance.cards(desk.caller, conversation_id)
    rest = await desk.engine.governance.cards(desk.caller, conversation_id, cursor=first.next)

    assert [card.row.id for card in (*first.items, *rest.items)] == list(reversed(ids))
    assert (len(first.items), len(rest.items), rest.next) == (10, 2, None)
    assert [one.event for one in first.items[0].history] == [
        "governance.proposed",
        "governance.approval_requested",
    ]


@pytest.mark.requirement("02-governance:151")
async def test_an_unknown_conversation_has_no_cards(desk: Desk) -> None:
    page = await desk.engine.governance.cards(desk.caller, ConversationId(4711))

    assert page.items == ()


async def test_a_card_is_what_the_single_action_is(desk: Desk) -> None:
    conversation_id, ids = await _some(desk, 2)
    await desk.engine.governance.approve(NOAH, ids[0])
    await desk.work()
    await desk.engine.governance.amend(
        NOAH, ids[1], {"order": "A-1", "amount": "4.00"}, expected_digest=None
    )

    page = await desk.engine.governance.cards(desk.caller, conversation_id)

    for card in page.items:
        assert card == await desk.view(card.row.id)
    by_id = {card.row.id: card for card in page.items}
    assert by_id[ids[0]].row.approval_status is ApprovalStatus.EXECUTED
    assert by_id[ids[1]].superseded_by_id == page.items[0].row.id


async def test_ten_cards_cost_no_more_statements_than_one(desk: Desk) -> None:
    conversation_id, _ = await _some(desk, 10)
    engine = desk.engine.db.engine

    with _statements(engine.sync_engine) as seen:
        await desk.engine.governance.cards(desk.caller, conversation_id)

    assert len(seen) <= 6, seen


@contextmanager
def _statements(engine: object) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
