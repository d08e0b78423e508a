"""Replies: held, released, taken back; visible to the customer exactly once and in order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cairnloop_engine import Caller, Conflict, Engine, Forbidden, Invalid, NotFound
from cairnloop_engine.conversations import release
from cairnloop_engine.conversations.model import Citation, Delivery, State
from cairnloop_engine.core.ids import ConversationId
from tests.fakes import FixedClock

ACME = Caller.customer("acme")
SYSTEM = Caller.system("send-window")


@pytest.fixture
async def conversation_id(engine: Engine) -> ConversationId:
    received = await engine.conversations.ingest(ACME, customer_ref="acme", text="Help me")
    return received.conversation_id


async def seen(engine: Engine, conversation_id: ConversationId) -> list[str]:
    _, messages = await engine.conversations.customer_messages(
        ACME, conversation_id=conversation_id
    )
    return [message.content for message in messages]


async def test_a_reply_without_a_hold_is_visible_at_once_and_hands_the_turn_over(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    replied = await engine.conversations.reply(caller, conversation_id, "Do this", hold=0)

    row = await engine.conversations.conversation(caller, conversation_id)
    assert replied.delivery is Delivery.SENT
    assert await seen(engine, conversation_id) == ["Help me", "Do this"]
    assert (row.state, row.waiting_since) == (State.AWAITING_CUSTOMER, None)


async def test_a_held_reply_is_invisible_until_its_moment(
    engine: Engine, caller: Caller, conversation_id: ConversationId, clock: FixedClock
) -> None:
    replied = await engine.conversations.reply(caller, conversation_id, "Do this", hold=5)
    assert (replied.delivery, replied.visible_at) == (
        Delivery.HELD,
        clock.now() + timedelta(seconds=5),
    )

    async with engine.db.work(SYSTEM) as work:
        assert not await release.release(work, replied.message_id)
    assert await seen(engine, conversation_id) == ["Help me"]

    clock.advance(timedelta(seconds=5))
    async with engine.db.work(SYSTEM) as work:
        assert await release.release(work, replied.message_id)
    async with engine.db.work(SYSTEM) as work:
        assert not await release.release(work, replied.message_id)
    assert await seen(engine, conversation_id) == ["Help me", "Do this"]


async def test_a_retracted_reply_is_never_visible(
    engine: Engine, caller: Caller, conversation_id: ConversationId, clock: FixedClock
) -> None:
    replied = await engine.conversations.reply(caller, conversation_id, "Oops", hold=5)
    await engine.conversations.retract(caller, replied.message_id)
    clock.advance(timedelta(minutes=1))

    async with engine.db.work(SYSTEM) as work:
        assert not await release.release(work, replied.message_id)

    row = await engine.conversations.conversation(caller, conversation_id)
    assert await seen(engine, conversation_id) == ["Help me"]
    assert (row.held, row.state) == (False, State.NEW)


async def test_a_released_reply_cannot_be_taken_back(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    replied = await engine.conversations.reply(caller, conversation_id, "Sent", hold=0)

    with pytest.raises(Conflict) as refusal:
        await engine.conversations.retract(caller, replied.message_id)

    assert refusal.value.code == "already_released"


async def test_a_customer_who_wrote_during_the_hold_still_waits_after_the_release(
    engine: Engine, caller: Caller, conversation_id: ConversationId, clock: FixedClock
) -> None:
    replied = await engine.conversations.reply(caller, conversation_id, "Answer", hold=5)
    await engine.conversations.ingest(ACME, customer_ref="acme", text="One more thing")
    clock.advance(timedelta(seconds=6))
    async with engine.db.work(SYSTEM) as work:
        await release.release(work, replied.message_id)

    row = await engine.conversations.conversation(caller, conversation_id)
    assert row.state is State.OPEN
    assert row.waiting_since is not None
    assert await seen(engine, conversation_id) == ["Help me", "One more thing", "Answer"]


async def test_a_reply_made_on_an_old_view_is_refused_when_asked_to_check(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    before = (await engine.conversations.conversation(caller, conversation_id)).revision
    await engine.conversations.ingest(ACME, customer_ref="acme", text="Wait, something else")

    with pytest.raises(Conflict) as refusal:
        await engine.conversations.reply(
            caller, conversation_id, "Answer", expected_revision=before
        )

    assert refusal.value.code == "thread_changed"
    assert await seen(engine, conversation_id) == ["Help me", "Wait, something else"]


async def test_a_note_never_reaches_the_customer_and_changes_no_turn(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    await engine.conversations.note(caller, conversation_id, "Known problem, see runbook")

    row = await engine.conversations.conversation(caller, conversation_id)
    assert await seen(engine, conversation_id) == ["Help me"]
    assert row.state is State.NEW


async def test_citations_are_stored_with_the_reply(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    cited = Citation("Resetting your key", "knowledge_base", article_id=3, chunk_id=9)
    await engine.conversations.reply(caller, conversation_id, "See [1]", citations=[cited], hold=0)

    thread = await engine.conversations.thread(caller, conversation_id)
    assert thread.messages[-1].citations == (cited,)


@pytest.mark.requirement("01-conversations:27")
async def test_a_reply_to_a_missing_conversation_writes_nothing(
    engine: Engine, caller: Caller
) -> None:
    with pytest.raises(NotFound):
        await engine.conversations.reply(caller, ConversationId(404), "Hello")

    assert (await engine.audit.events(caller)).items == ()


async def test_only_an_operator_may_reply(engine: Engine, conversation_id: ConversationId) -> None:
    for nobody in (Caller(None), ACME, SYSTEM):
        with pytest.raises(Forbidden):
            await engine.conversations.reply(nobody, conversation_id, "Hello")


async def test_a_foreign_workspace_finds_nothing(
    engine: Engine, conversation_id: ConversationId
) -> None:
    elsewhere = Caller.operator("maya", "second")

    for attempt in (
        engine.conversations.reply(elsewhere, conversation_id, "Hello"),
        engine.conversations.note(elsewhere, conversation_id, "Hello"),
        engine.conversations.resolve(elsewhere, conversation_id),
        engine.conversations.thread(elsewhere, conversation_id),
        engine.conversations.assign(elsewhere, conversation_id, "maya"),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_negative_hold_is_refused(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    with pytest.raises(Invalid) as refusal:
        await engine.conversations.reply(caller, conversation_id, "Hello", hold=-1)

    assert refusal.value.code == "hold_invalid"
