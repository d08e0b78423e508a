"""A customer's message: recorded once, where it belongs, before it is acknowledged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cairnloop_engine import Caller, Conflict, Engine, Forbidden, Invalid, NotFound
from cairnloop_engine.conversations.model import Delivery, Role, State, Status
from tests.fakes import FixedClock

ACME = Caller.customer("acme")


async def said(engine: Engine, text: str = "My key leaked", **more: object):
    return await engine.conversations.ingest(ACME, customer_ref="acme", text=text, **more)


@pytest.mark.requirement("01-conversations:1")
@pytest.mark.requirement("01-conversations:8")
async def test_a_first_message_opens_a_conversation_in_the_state_new(
    engine: Engine, caller: Caller
) -> None:
    received = await said(engine)

    thread = await engine.conversations.thread(caller, received.conversation_id)
    assert received.conversation_created
    assert thread.conversation.status is Status.OPEN
    assert thread.conversation.state is State.NEW
    assert thread.conversation.customer_ref == "acme"
    assert [(m.role, m.delivery, m.customer_position) for m in thread.messages] == [
        (Role.USER, Delivery.RECEIVED, 1)
    ]


@pytest.mark.requirement("01-conversations:3")
@pytest.mark.parametrize("blank", ["", "   ", "\n\t", "\x00\x07", "\u200b\u200d", "\u202e\u2066"])
async def test_a_message_with_nothing_visible_is_refused(engine: Engine, blank: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await said(engine, blank)

    assert refusal.value.code == "message_blank"
    assert (await engine.conversations.counts(ACME)).new == 0


async def test_a_message_over_the_limit_is_refused_and_names_the_limit(engine: Engine) -> None:
    with pytest.raises(Invalid) as refusal:
        await said(engine, "x" * 10_001)

    assert (refusal.value.code, refusal.value.facts["limit"]) == ("message_too_long", 10_000)


async def test_characters_that_postgres_cannot_hold_do_not_lose_the_message(
    engine: Engine, caller: Caller
) -> None:
    received = await said(engine, "before\x00after \ud800")

    thread = await engine.conversations.thread(caller, received.conversation_id)
    assert thread.messages[0].content == "before\ufffdafter \ufffd"


@pytest.mark.requirement("01-conversations:141")
async def test_the_same_client_id_twice_is_one_message_and_other_ids_are_others(
    engine: Engine, caller: Caller
) -> None:
    first = await said(engine, "again", client_id="a")
    repeated = await said(engine, "again", client_id="a")
    other = await said(engine, "again", client_id="b")

    assert (repeated.message_id, repeated.duplicate) == (first.message_id, True)
    assert other.message_id != first.message_id
    thread = await engine.conversations.thread(caller, first.conversation_id)
    assert [message.content for message in thread.messages] == ["again", "again"]


async def test_a_client_id_with_other_text_is_a_conflict_not_a_silent_loss(engine: Engine) -> None:
    await said(engine, "one", client_id="a")

    with pytest.raises(Conflict) as refusal:
        await said(engine, "two", client_id="a")

    assert refusal.value.code == "client_id_reused"


async def test_client_ids_of_different_customers_and_workspaces_do_not_collide(
    engine: Engine,
) -> None:
    await said(engine, "mine", client_id="a")
    other = await engine.conversations.ingest(
        Caller.customer("globex"), customer_ref="globex", text="theirs", client_id="a"
    )
    elsewhere = await engine.conversations.ingest(
        Caller.customer("acme", "second"), customer_ref="acme", text="there", client_id="a"
    )

    assert not other.duplicate
    assert not elsewhere.duplicate


async def test_a_second_message_joins_the_open_conversation(engine: Engine) -> None:
    first, second = await said(engine, "one"), await said(engine, "two")

    assert second.conversation_id == first.conversation_id
    assert (second.customer_position, second.conversation_created) == (2, False)


@pytest.mark.requirement("01-conversations:140")
async def test_another_customers_conversation_is_answered_like_a_missing_one(
    engine: Engine,
) -> None:
    mine = await said(engine)
    stranger = Caller.customer("globex")

    answers = []
    for conversation_id in (mine.conversation_id, 999_999):
        with pytest.raises(NotFound) as refusal:
            await engine.conversations.ingest(
                stranger, customer_ref="globex", text="hi", conversation_id=conversation_id
            )
        answers.append(refusal.value.code)
    assert answers == ["conversation_not_found", "conversation_not_found"]


async def test_a_customer_cannot_write_in_the_name_of_another(engine: Engine) -> None:
    with pytest.raises(Forbidden):
        await engine.conversations.ingest(ACME, customer_ref="globex", text="hello")


async def test_a_caller_without_an_actor_writes_nothing(engine: Engine) -> None:
    with pytest.raises(Forbidden) as refusal:
        await engine.conversations.ingest(Caller(None), customer_ref="acme", text="hello")

    assert refusal.value.code == "operator_missing"


@pytest.mark.requirement("01-conversations:143")
async def test_a_message_within_the_window_reopens_a_resolved_conversation(
    engine: Engine, caller: Caller, clock: FixedClock
) -> None:
    first = await said(engine, "one")
    await engine.conversations.resolve(caller, first.conversation_id)
    clock.advance(timedelta(days=13))

    again = await said(engine, "two", conversation_id=first.conversation_id)

    row = await engine.conversations.conversation(caller, first.conversation_id)
    assert (again.conversation_id, again.reopened) == (first.conversation_id, True)
    assert (row.status, row.resolved_at, row.waiting_since) == (Status.OPEN, None, clock.now())


async def test_a_message_after_the_window_starts_a_linked_conversation(
    engine: Engine, caller: Caller, clock: FixedClock
) -> None:
    first = await said(engine, "one")
    await engine.conversations.resolve(caller, first.conversation_id)
    clock.advance(timedelta(days=15))

    later = await said(engine, "two", conversation_id=first.conversation_id)

    row = await engine.conversations.conversation(caller, later.conversation_id)
    old = await engine.conversations.conversation(caller, first.conversation_id)
    assert (row.previous_id, row.state) == (first.conversation_id, State.NEW)
    assert old.status is Status.RESOLVED


async def test_a_message_to_an_archived_conversation_is_never_dropped(
    engine: Engine, caller: Caller
) -> None:
    first = await said(engine, "one")
    await engine.conversations.archive(caller, first.conversation_id)

    later = await said(engine, "two", conversation_id=first.conversation_id)

    row = await engine.conversations.conversation(caller, later.conversation_id)
    assert later.conversation_id != first.conversation_id
    assert row.previous_id == first.conversation_id


@pytest.mark.requirement("01-conversations:13")
async def test_a_recorded_message_is_told_to_the_screens_after_the_commit(engine: Engine) -> None:
    async with engine.changes("default") as feed:
        assert (await anext(feed)).kind == "resync"
        received = await said(engine)

        told = {(change.kind, change.id) for change in [await anext(feed), await anext(feed)]}

    assert ("conversation", received.conversation_id) in told


async def test_the_audit_names_the_customer_and_holds_no_body(
    engine: Engine, caller: Caller
) -> None:
    received = await said(engine, "canary-4711")

    event = (await engine.audit.events(caller)).items[0]
    assert (event.action, event.actor_kind, event.actor) == (
        "conversations.message_received",
        "customer",
        "acme",
    )
    assert event.subject_id == received.message_id
    assert "canary" not in str(event)
