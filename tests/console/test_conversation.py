"""One conversation: replies, notes, who else is there, and how one walks through it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from textual import events

from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations.model import Activity, Delivery, Role
from cairnloop_engine.core.ids import ConversationId
from tests.console.conftest import Write
from tests.console.driving import MEDIUM, NARROW, Console, open_console
from tests.engine.drafting.desk import Desk
from tests.fakes import FixedClock

MAYA = Caller.operator("maya")
NOOR = Caller.operator("noor")


async def _open(console: Console) -> None:
    await console.press("g", "i", "enter")
    await console.until(lambda: console.conversation.row is not None)


async def _bodies(engine: Engine, conversation_id: ConversationId, role: Role) -> list[str]:
    thread = await engine.conversations.thread(MAYA, conversation_id)
    return [message.content for message in thread.messages if message.role is role]


async def _deliveries(engine: Engine, conversation_id: ConversationId) -> list[Delivery]:
    thread = await engine.conversations.thread(MAYA, conversation_id)
    return [message.delivery for message in thread.messages]


# Replies and notes


async def test_a_reply_is_shown_sent_held_and_taken_back_with_its_words(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await customer_writes("Help!", subject="Trouble")

    async with open_console(engine, clock, size=NARROW) as console:
        await _open(console)
        await console.press("c")
        await console.type("We are on it.")
        await console.press("f9")
        await console.shows("Send this reply?", "To      acme", "About   #1 “Trouble”")
        await console.press("enter")
        await console.shows("sending in 5 s")
        assert console.conversation.composer.text == ""

        await console.press("u")
        await console.shows("taken back, never sent", "We are on it.")
        assert console.conversation.composer.text == "We are on it."
        console.proved("reply.compose", "reply.send", "undo")

    assert await _deliveries(engine, conversation_id) == [Delivery.RECEIVED, Delivery.RETRACTED]


async def test_a_reply_that_is_out_cannot_be_undone_and_says_so(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock, hold_s=0) as console:
        await _open(console)
        await console.press("c")
        await console.type("Done.")
        await console.press("ctrl+s", "enter")
        await console.shows("✓ sent")
        await console.press("u")
        assert "reached the customer" in console.status()


async def test_the_countdown_runs_and_ends_in_waiting_for_a_worker(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("c")
        await console.type("Soon.")
        await console.press("ctrl+s", "enter")
        await console.shows("sending in 5 s")
        clock.advance(timedelta(seconds=3))
        await console.shows("sending in 2 s")
        clock.advance(timedelta(seconds=3))
        await console.shows("due, waits for a worker")


async def test_an_empty_composer_sends_nothing(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("ctrl+s")
        assert "There is nothing to send" in console.status()
        await console.press("c")
        await console.type("   ")
        await console.press("ctrl+s")
        assert "There is nothing to send" in console.status()


async def test_a_message_that_arrives_disarms_a_reply_and_keeps_its_words(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("c")
        await console.type("Do this.")
        await console.press("ctrl+s")
        await console.shows("Send this reply?")
        await customer_writes("Never mind.", conversation_id=conversation_id)
        await console.until(lambda: "the thread changed" in console.status())
        assert console.conversation.composer.text == "Do this."

        await console.press("ctrl+s")
        await console.shows("A message arrived while you wrote", "Never mind.")


async def test_letters_in_the_composer_are_only_letters(
    engine: Engine, clock: FixedClock, desk: Desk
) -> None:
    draft = await desk.drafted()

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("c")
        await console.type("aRd xqgi?/:12j")
        assert console.conversation.composer.text == "aRd xqgi?/:12j"
        assert console.conversation.armed is None

    assert await _deliveries(engine, draft.conversation_id) == [Delivery.RECEIVED]


async def test_an_internal_note_stays_inside(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("m")
        await console.type("Looks like fraud.")
        await console.shows("Internal note", "only operators see it")
        await console.press("ctrl+s")
        await console.shows("Keep this internal note?", "never the customer")
        await console.press("enter")
        await console.shows("┆ Looks like fraud.")
        await console.press("u")
        assert "notes stay" in console.status()
        console.proved("note.compose")

    seen = await engine.conversations.customer_messages(
        Caller.customer("acme"), conversation_id=conversation_id
    )
    assert [message.content for message in seen[1]] == ["Help!"]


async def test_a_note_never_turns_into_a_reply(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("m")
        await console.type("secret")
        await console.press("escape", "c")
        assert "it stays one" in console.status()
        await console.press("ctrl+s")
        await console.shows("Keep this internal note?")


async def test_a_reply_never_turns_into_a_note(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("c")
        await console.type("for you")
        await console.press("escape", "m")
        assert "holds a reply" in console.status()


async def test_pasted_text_loses_its_controls_and_presses_no_key(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("c")
        console.app.post_message(events.Paste("one\r\ntwo\x1b]52;c;eA==\x07\n"))
        await console.until(lambda: console.conversation.composer.text != "")

        assert console.conversation.composer.text == "one\ntwo]52;c;eA==\n"
        assert console.conversation.armed is None


async def test_without_a_terminal_to_hand_over_the_editor_key_says_so(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("c")
        await console.type("kept")
        await console.press("ctrl+g")
        assert "cannot be handed to an editor" in console.status()
        assert console.conversation.composer.text == "kept"
        console.proved("reply.editor")


async def test_a_closed_conversation_takes_no_reply_until_reopened(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await customer_writes("Help!")
    await engine.conversations.resolve(MAYA, conversation_id)

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "f", "r", "enter")
        await console.shows("resolved by maya")
        await console.press("c")
        assert "Reopen it first" in console.status()
        await console.press("R")
        assert "Already resolved" in console.status()
        await console.press("ctrl+p")
        await console.type("reopen")
        await console.press("enter")
        await console.until(lambda: "Reopened" in console.status())
        await console.press("ctrl+p")
        await console.type("archive")
        await console.press("enter")
        await console.shows("Archive 1 conversation?")
        await console.press("enter")
        await console.until(lambda: "Archived" in console.status())
        console.proved("conversation.reopen", "conversation.archive")


# Around


async def test_colleagues_see_who_replies(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await customer_writes("Help!")
    await engine.conversations.attend(NOOR, conversation_id, Activity.REPLYING)

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.shows("noor is replying")
        await console.press("c")
        await console.type("Me too")
        await console.press("ctrl+s")
        await console.shows("noor is replying in this conversation right now")
        seen = (await engine.conversations.thread(NOOR, conversation_id)).presence
        assert {one.operator: one.activity for one in seen}["maya"] is Activity.REPLYING
        await console.press("escape", "escape", "q")
        await console.until(lambda: console.app.screen.scope == "inbox")  # type: ignore[attr-defined]
        await console.settled()

    seen = (await engine.conversations.thread(NOOR, conversation_id)).presence
    assert [one.operator for one in seen] == ["noor"]


async def test_walking_goes_through_the_list_and_to_the_next_decision(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    ids = [await customer_writes("Hi", customer=f"c{n}", subject=f"Subject {n}") for n in range(3)]

    async with open_console(engine, clock) as console:
        await _open(console)
        for key, number in (("]", 1), ("]", 2), ("]", 2), ("[", 1)):
            await console.press(key)
            await console.shows(f"#{ids[number]}  Subject {number}")
        for key, number in (("}", 2), ("}", 0), ("{", 2)):
            await console.press(key)
            await console.shows(f"#{ids[number]}  Subject {number}")
        console.proved("item.next", "item.previous", "decision.next", "decision.previous")


async def test_the_next_decision_says_when_there_is_none(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        await console.press("}")
        await console.until(lambda: "Nothing else needs a decision" in console.status())


async def test_what_is_typed_stays_with_its_conversation(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    for number in range(2):
        await customer_writes("Hi", customer=f"c{number}")

    async with open_console(engine, clock) as console:
        await _open(console)
        await console.press("c")
        await console.type("for the first")
        await console.press("escape", "]")
        await console.until(lambda: console.conversation.row is not None)
        assert console.conversation.composer.text == ""
        await console.press("[")
        await console.until(lambda: console.conversation.composer.text == "for the first")


async def test_earlier_messages_are_read_when_going_up(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    texts = [f"Message number {number}" for number in range(205)]
    await customer_writes(*texts)

    async with open_console(engine, clock, size=MEDIUM) as console:
        await _open(console)
        await console.shows("Message number 204")
        assert len(console.conversation.messages()) == 200
        await console.press("g", "g")
        await console.until(lambda: len(console.conversation.messages()) == 205)
        await console.press("g", "g")
        await console.shows("Message number 0")


async def test_a_long_message_opens_in_full(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("word " * 1500 + "the very end")

    async with open_console(engine, clock, size=NARROW) as console:
        await _open(console)
        assert "the very end" not in console.frame()
        await console.press("enter")
        await console.press("G")
        await console.shows("the very end")


@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_tab_walks_the_panes_in_the_order_of_decisions(
    engine: Engine, clock: FixedClock, desk: Desk, size: tuple[int, int]
) -> None:
    await desk.drafted()

    async with open_console(engine, clock, size=size) as console:
        await _open(console)
        console.conversation.focus_pane(console.conversation.rail.decide)
        await console.settled()
        seen = []
        for _ in range(5):
            seen.append(console.app.focused.id if console.app.focused else None)
            await console.press("tab")
        assert seen == ["decide", "thread", "actions", "context", "decide"]
        await console.press("shift+tab")
        console.proved("pane.next", "pane.previous")


async def test_v_shows_and_hides_the_customer(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock, size=MEDIUM) as console:
        await _open(console)
        await console.shows("No customer context yet")
        await console.press("v")
        await console.shows_no("No customer context yet")
        console.proved("conversation.customer")
