"""Resolve, reopen, archive, assign and presence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cairnloop_engine import Blocked, Caller, Conflict, Engine
from cairnloop_engine.conversations.model import Activity, State, Status
from cairnloop_engine.core.ids import ConversationId
from tests.fakes import FixedClock

ACME = Caller.customer("acme")


@pytest.fixture
async def conversation_id(engine: Engine) -> ConversationId:
    received = await engine.conversations.ingest(ACME, customer_ref="acme", text="Help me")
    return received.conversation_id


@pytest.mark.requirement("01-conversations:41")
@pytest.mark.requirement("01-conversations:45")
@pytest.mark.requirement("01-conversations:50")
async def test_resolving_names_the_operator_and_leaves_one_audit_event(
    engine: Engine, caller: Caller, conversation_id: ConversationId, clock: FixedClock
) -> None:
    moved = await engine.conversations.resolve(caller, conversation_id)

    row = await engine.conversations.conversation(caller, conversation_id)
    event = (await engine.audit.events(caller)).items[0]
    assert moved.changed
    assert (row.state, row.resolved_by, row.resolved_at) == (State.RESOLVED, "maya", clock.now())
    assert (event.action, event.actor) == ("conversations.resolved", "maya")


@pytest.mark.requirement("01-conversations:49")
async def test_resolving_twice_changes_nothing_the_second_time(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    await engine.conversations.resolve(caller, conversation_id)
    before = (await engine.audit.events(caller)).items

    again = await engine.conversations.resolve(caller, conversation_id)

    assert not again.changed
    assert (await engine.audit.events(caller)).items == before


async def test_a_reply_on_its_way_stops_a_resolve_unless_forced(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    await engine.conversations.reply(caller, conversation_id, "Soon", hold=60)

    with pytest.raises(Blocked) as refusal:
        await engine.conversations.resolve(caller, conversation_id)
    assert refusal.value.code == "reply_on_its_way"

    forced = await engine.conversations.resolve(caller, conversation_id, force=True)
    assert forced.changed


async def test_a_resolved_conversation_wants_to_be_reopened_before_a_reply(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    await engine.conversations.resolve(caller, conversation_id)

    with pytest.raises(Conflict) as refusal:
        await engine.conversations.reply(caller, conversation_id, "One more thing")
    assert refusal.value.code == "conversation_resolved"

    await engine.conversations.reopen(caller, conversation_id)
    row = await engine.conversations.conversation(caller, conversation_id)
    assert (row.status, row.resolved_at, row.state) == (Status.OPEN, None, State.NEW)
    assert row.waiting_since is not None


async def test_archiving_and_reopening_are_idempotent(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    changed = [
        (await engine.conversations.archive(caller, conversation_id)).changed,
        (await engine.conversations.archive(caller, conversation_id)).changed,
        (await engine.conversations.reopen(caller, conversation_id)).changed,
        (await engine.conversations.reopen(caller, conversation_id)).changed,
    ]

    assert changed == [True, False, True, False]


async def test_assigning_is_told_once_and_can_be_undone(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    assert (await engine.conversations.assign(caller, conversation_id, "omar")).changed
    assert not (await engine.conversations.assign(caller, conversation_id, "omar")).changed
    assert (await engine.conversations.assign(caller, conversation_id, None)).changed

    assert (await engine.conversations.conversation(caller, conversation_id)).assignee is None


async def test_presence_is_seen_by_others_and_fades(
    engine: Engine, caller: Caller, conversation_id: ConversationId, clock: FixedClock
) -> None:
    await engine.conversations.attend(Caller.operator("omar"), conversation_id, Activity.REPLYING)
    present = (await engine.conversations.thread(caller, conversation_id)).presence
    assert [(one.operator, one.activity) for one in present] == [("omar", Activity.REPLYING)]

    clock.advance(timedelta(minutes=1))
    assert (await engine.conversations.thread(caller, conversation_id)).presence == ()


async def test_leaving_ends_presence_at_once(
    engine: Engine, caller: Caller, conversation_id: ConversationId
) -> None:
    omar = Caller.operator("omar")
    await engine.conversations.attend(omar, conversation_id, Activity.VIEWING)
    await engine.conversations.attend(omar, conversation_id, None)

    assert (await engine.conversations.thread(caller, conversation_id)).presence == ()
