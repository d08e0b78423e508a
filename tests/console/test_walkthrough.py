"""A shift in short: from the inbox through a draft to a resolved conversation, by keys alone."""

from __future__ import annotations

import pytest

from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations.model import Delivery, Status
from tests.console.driving import MEDIUM, NARROW, open_console
from tests.engine.drafting.desk import Desk
from tests.fakes import FixedClock

MAYA = Caller.operator("maya")


@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_an_operator_approves_takes_back_approves_again_and_resolves(
    engine: Engine, clock: FixedClock, desk: Desk, size: tuple[int, int]
) -> None:
    draft = await desk.drafted("How do I rotate my API key?")
    conversation_id = draft.conversation_id

    async with open_console(engine, clock, size=size) as console:
        await console.shows("customer waits for an answer")
        await console.press("g", "i")
        await console.shows("Inbox", "New", "D   #")
        await console.press("enter")
        await console.shows("Grounded reply", "How do I rotate my API key?")

        await console.press("a")
        await console.shows("Approve and send this draft?", "To", "acme", "To rotate an API key")
        await console.press("enter")
        await console.shows("sending in 5 s")
        assert await _deliveries(engine, conversation_id) == [Delivery.RECEIVED, Delivery.HELD]

        await console.press("u")
        await console.shows("taken back, never sent")
        await console.shows("Grounded reply")

        await console.press("a", "enter")
        await console.shows("sending in 5 s")
        assert await _deliveries(engine, conversation_id) == [
            Delivery.RECEIVED,
            Delivery.RETRACTED,
            Delivery.HELD,
        ]

        await console.press("R")
        await console.shows("Resolve 1 conversation?", "still on its way out")
        await console.press("enter")
        await console.shows("resolved by maya")
        console.proved("draft.approve", "undo", "conversation.resolve")

    head = await engine.conversations.conversation(MAYA, conversation_id)
    assert (head.status, head.resolved_by) == (Status.RESOLVED, "maya")


async def _deliveries(engine: Engine, conversation_id: int) -> list[Delivery]:
    thread = await engine.conversations.thread(MAYA, conversation_id)  # type: ignore[arg-type]
    return [message.delivery for message in thread.messages]
