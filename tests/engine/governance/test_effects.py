"""What another slice may retell of actions: what took effect for the customer, and only that."""

from __future__ import annotations

import pytest

from cairnloop_engine import Caller, Settings
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.governance.effect_queries import effects
from cairnloop_engine.retrieval import cases
from tests.engine.governance.desk import REFUND, Desk


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """What is found how does not matter here."""
    return settings.with_changes(embedder="hashing")


async def test_only_what_was_done_for_the_customer_is_told_in_its_order(desk: Desk) -> None:
    conversation_id = await desk.conversation()
    note: JsonObject = {"conversation_id": conversation_id, "content": "canary of a note"}
    wanted = [
        await desk.propose("credit", REFUND, conversation_id=conversation_id),
        await desk.propose("refund", REFUND, conversation_id=conversation_id),
        await desk.propose("internal_note", note, conversation_id=conversation_id),
    ]
    for made in wanted:
        await desk.engine.governance.approve(desk.approver, made.proposal_id)
        await desk.work()
    await desk.propose("lookup", REFUND, conversation_id=conversation_id)
    # Of no conversation, and one that nobody has decided about yet.
    await desk.approved(given={"order": "A-18", "amount": "5.00"})
    await desk.work()
    waiting: JsonObject = {"order": "A-19", "amount": "5.00"}
    await desk.propose("refund", waiting, conversation_id=conversation_id)

    async with desk.engine.db.read(desk.caller) as read:
        told = await effects(read, conversation_id)
        source = await cases.source(read, conversation_id, effects)
    async with desk.engine.db.read(Caller.operator("noor", "elsewhere")) as read:
        elsewhere = await effects(read, conversation_id)

    assert told == ("Credit an account: Paid 82.00 back.", "Refund an order: Paid 82.00 back.")
    assert elsewhere == ()
    # An open thread is no case, whatever was done in it.
    assert source.actions == ()


async def test_a_case_tells_what_was_done(desk: Desk) -> None:
    conversation_id = await desk.conversation()
    made = await desk.propose("refund", REFUND, conversation_id=conversation_id)
    await desk.engine.governance.approve(desk.approver, made.proposal_id)
    await desk.work()
    conversations = desk.engine.conversations
    await conversations.reply(desk.caller, conversation_id, "It is on its way back.", hold=0)
    await conversations.resolve(desk.caller, conversation_id)

    await desk.engine.run_worker(queues=["indexing"], drain=True)

    told = await desk.rows("SELECT actions_taken FROM cairnloop.resolved_cases")
    assert told == [(["Refund an order: Paid 82.00 back."],)]
