"""Two connections at the same conversation, both orders: one winner, nothing doubled."""

from __future__ import annotations

import asyncio

import pytest

from cairnloop_engine import Caller, Conflict, Engine
from cairnloop_engine.conversations import release
from cairnloop_engine.conversations.model import Delivery, Moved

ACME = Caller.customer("acme")


async def test_twenty_first_messages_with_one_client_id_are_one_message(
    engine: Engine, caller: Caller
) -> None:
    received = await asyncio.gather(
        *(
            engine.conversations.ingest(ACME, customer_ref="acme", text="hi", client_id="same")
            for _ in range(20)
        )
    )

    assert len({one.message_id for one in received}) == 1
    assert sum(not one.duplicate for one in received) == 1
    assert (await engine.conversations.counts(caller)).new == 1


async def test_twenty_first_messages_of_one_customer_share_one_conversation_in_order(
    engine: Engine,
) -> None:
    received = await asyncio.gather(
        *(
            engine.conversations.ingest(ACME, customer_ref="acme", text=f"{n}", client_id=f"{n}")
            for n in range(20)
        )
    )

    assert len({one.conversation_id for one in received}) == 1
    assert sorted(one.customer_position for one in received) == list(range(1, 21))


@pytest.mark.parametrize("round_", range(10))
async def test_a_release_and_a_retract_have_one_winner(
    engine: Engine, caller: Caller, round_: int
) -> None:
    received = await engine.conversations.ingest(ACME, customer_ref="acme", text=f"{round_}")
    replied = await engine.conversations.reply(
        caller, received.conversation_id, "Answer", hold=0.000001
    )

    async def let_out() -> bool:
        async with engine.db.work(Caller.system("send-window")) as work:
            return await release.release(work, replied.message_id)

    async def take_back() -> bool:
        try:
            await engine.conversations.retract(caller, replied.message_id)
        except Conflict:
            return False
        return True

    runs = [let_out(), take_back()] if round_ % 2 else [take_back(), let_out()]
    outcomes = await asyncio.gather(*runs)

    thread = await engine.conversations.thread(caller, received.conversation_id)
    assert sorted(outcomes) == [False, True]
    assert thread.messages[-1].delivery in {Delivery.SENT, Delivery.RETRACTED}
    assert not thread.conversation.held


async def test_ten_resolves_at_once_are_one_resolution(engine: Engine, caller: Caller) -> None:
    received = await engine.conversations.ingest(ACME, customer_ref="acme", text="hi")

    moved: list[Moved] = await asyncio.gather(
        *(engine.conversations.resolve(caller, received.conversation_id) for _ in range(10))
    )

    events = (await engine.audit.events(caller)).items
    assert sum(one.changed for one in moved) == 1
    assert [one.action for one in events].count("conversations.resolved") == 1
