"""The inbox: tabs, filter, order, preview, live refresh, verbs on marked rows."""

from __future__ import annotations

import pytest

from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations.model import Status
from cairnloop_engine.core.ids import ConversationId
from cairnloop_tui.inbox.tabs import TABS
from tests.console.conftest import Write
from tests.console.driving import MEDIUM, NARROW, Ticks, open_console
from tests.engine.drafting.desk import Desk
from tests.fakes import FixedClock

MAYA = Caller.operator("maya")


async def test_each_tab_lists_its_pile(
    engine: Engine, clock: FixedClock, desk: Desk, customer_writes: Write
) -> None:
    await desk.drafted("With a draft")
    fresh = await customer_writes("Brand new", customer="fresh", subject="Brand new one")
    answered = await customer_writes("Answered", customer="answered", subject="Answered one")
    await engine.conversations.reply(MAYA, answered, "Here you are.", hold=0)
    again = await customer_writes("Again", customer="again", subject="Again one")
    await engine.conversations.reply(MAYA, again, "Here you are.", hold=0)
    await customer_writes("And again", customer="again", conversation_id=again)
    held = await customer_writes("Held", customer="held", subject="Held one")
    await engine.conversations.reply(MAYA, held, "On its way.", hold=60)
    done = await customer_writes("Done", customer="done", subject="Done one")
    await engine.conversations.resolve(MAYA, done)
    away = await customer_writes("Away", customer="away", subject="Away one")
    await engine.conversations.archive(MAYA, away)
    await engine.conversations.assign(MAYA, fresh, "maya")
    expected = {
        "f y": ("Brand new one", "Away one"),
        "f d": ("With a draft", "Brand new one"),
        "f n": ("Brand new one", "Again one"),
        "f o": ("Again one", "Brand new one"),
        "f w": ("Answered one", "Brand new one"),
        "f h": ("Held one", "Brand new one"),
        "f r": ("Done one", "Brand new one"),
        "f c": ("Away one", "Brand new one"),
        "f m": ("Brand new one", "Again one"),
        "f a": ("Answered one", "nothing that is missing"),
    }

    async with open_console(engine, clock, size=(160, 40)) as console:
        await console.press("g", "i", "v")
        for keys, (listed, not_listed) in expected.items():
            await console.press(*keys.split())
            await console.shows(listed)
            assert not_listed not in console.frame(), keys
        console.proved(
            "inbox.tab_you",
            "inbox.tab_drafts",
            "inbox.tab_new",
            "inbox.tab_open",
            "inbox.tab_awaiting",
            "inbox.tab_held",
            "inbox.tab_resolved",
            "inbox.tab_archived",
            "inbox.tab_mine",
            "inbox.tab_all",
            "inbox.preview",
        )


async def test_an_empty_tab_says_what_would_appear(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("g", "i")
        for tab in TABS.values():
            await console.press("f", tab.letter)
            await console.shows(tab.empty)


async def test_the_filter_lists_what_it_says_and_esc_shows_all(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("About billing", customer="acme", subject="Refund please")
    await customer_writes("About keys", customer="hooli", subject="Rotating a key")

    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("g", "i", "slash")
        await console.type("refund")
        await console.press("enter")
        await console.shows("filter", "Refund please")
        assert "Rotating a key" not in console.frame()

        await console.press("escape")
        await console.shows("Rotating a key", "Refund please")

        await console.press("slash")
        await console.type("customer:hooli")
        await console.press("enter")
        await console.shows_no("Refund please")
        console.proved("inbox.filter")


async def test_a_filter_that_is_not_understood_changes_nothing_and_says_why(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Hello", subject="Still here")

    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("g", "i", "slash")
        await console.type("is:nonsense")
        await console.press("enter")
        assert "is not a filter" in console.status()
        await console.press("escape")
        await console.shows("Still here")


async def test_a_filter_without_matches_says_so(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Hello", subject="Something")

    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("g", "i", "slash")
        await console.type("zebra")
        await console.press("enter")
        await console.shows("Nothing matches this filter.", "Esc shows all")


async def test_sorting_turns_the_order_and_says_so(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("First", subject="The older")
    await customer_writes("Second", customer="other", subject="The newer")

    async with open_console(engine, clock) as console:
        await console.press("g", "i")
        assert [row.subject for row in console.inbox.rows.rows] == ["The older", "The newer"]
        await console.press("S")
        assert [row.subject for row in console.inbox.rows.rows] == ["The newer", "The older"]
        assert "most recent first" in console.status()
        console.proved("inbox.sort")


async def test_a_refresh_moves_neither_cursor_nor_marks(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    for number in range(6):
        await customer_writes("Hi", customer=f"c{number}", subject=f"Subject {number}")

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "S", "2", "j", "space")
        rows = console.inbox.rows
        under_cursor, marked = rows.current_key(), rows.marks.keys

        await customer_writes("New", customer="late", subject="Just arrived")
        await console.shows("Just arrived")

        assert rows.current_key() == under_cursor
        assert rows.marks.keys == marked
        assert rows.rows[0].subject == "Just arrived"


async def test_when_the_row_under_the_cursor_leaves_the_next_one_takes_its_place(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    ids = [await customer_writes("Hi", customer=f"c{n}", subject=f"Subject {n}") for n in range(3)]

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "j")
        await engine.conversations.resolve(MAYA, ids[1], force=True)
        await console.shows_no("Subject 1")

        assert console.inbox.rows.current_key() == ids[2]


async def test_the_preview_shows_the_thread_under_the_cursor(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("One", "Two", "Three", "Four", subject="A long story")

    async with open_console(engine, clock, size=MEDIUM) as console:
        await console.press("g", "i")
        await console.shows("1 earlier", "│ Two", "│ Four")
        await console.press("v")
        await console.shows_no("│ Four")


async def test_in_a_narrow_window_the_preview_takes_the_place_of_the_list(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("The only message", subject="A story")

    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("g", "i", "v")
        await console.shows("│ The only message")
        await console.press("escape")
        await console.shows_no("│ The only message")
        await console.shows("A story")


async def test_resolving_marked_rows_names_them_and_undo_reopens_all(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    ids = [await customer_writes("Hi", customer=f"c{n}", subject=f"Subject {n}") for n in range(3)]

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "space", "space", "R")
        await console.shows("Resolve 2 conversations?", "“Subject 0”", "“Subject 1”", "no answer")
        await console.press("enter")
        await console.until(lambda: "Resolved 2 conversations" in console.status())
        assert await _statuses(engine, ids) == [Status.RESOLVED, Status.RESOLVED, Status.OPEN]

        await console.press("u")
        await console.until(lambda: "Reopened 2" in console.status())
        assert await _statuses(engine, ids) == [Status.OPEN] * 3
        console.proved("conversation.resolve", "undo")


async def test_nothing_is_resolved_without_the_second_key(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    ids = [await customer_writes("Hi", subject="Subject")]

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "R", "escape")
        assert "Nothing was done" in console.status()
        await console.press("R", "R")
        assert "Disarmed" in console.status()
        await console.press("R", "x")
        assert "Disarmed" in console.status()

    assert await _statuses(engine, ids) == [Status.OPEN]


async def test_assigning_asks_for_a_name_and_undo_gives_it_back(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await customer_writes("Hi", subject="Subject")

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "l")
        await console.shows("Assign #1 “Subject” to")
        await console.press("enter")
        await console.until(lambda: "Assigned to maya" in console.status())
        assert (await engine.conversations.conversation(MAYA, conversation_id)).assignee == "maya"
        await console.shows("@")

        await console.press("u")
        await console.until(lambda: "Assigned as before" in console.status())
        assert (await engine.conversations.conversation(MAYA, conversation_id)).assignee is None
        console.proved("conversation.assign")


async def test_a_paste_without_brackets_assigns_nothing(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await customer_writes("Hi", subject="Subject")
    ticks = Ticks()

    async with open_console(engine, clock, monotonic=ticks) as console:
        await console.press("g", "i")
        ticks.step = 0.001
        await console.pilot.press("l", *"evil", "enter")
        await console.settled()
        assert "too fast" in console.status()

    head = await engine.conversations.conversation(MAYA, conversation_id)
    assert head.assignee is None


async def test_copying_says_what_was_copied(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Hi", customer="one")
    await customer_writes("Hi", customer="two")

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "asterisk", "y")
        assert "Copied 1 2." in console.status()
        assert console.app.clipboard == "1 2"
        console.proved("copy")


@pytest.mark.parametrize("operator", [None, "maya"], ids=["nobody", "--read-only"])
async def test_a_read_only_console_says_why_at_every_verb(
    engine: Engine, clock: FixedClock, customer_writes: Write, operator: str | None
) -> None:
    conversation_id = await customer_writes("Hi", subject="Subject")

    async with open_console(
        engine, clock, operator=operator, read_only=operator is not None, size=NARROW
    ) as console:
        await console.shows("Read-only")
        await console.press("g", "i")
        for key in ("R", "l", "u"):
            await console.press(key)
            assert "Read-only" in console.status(), key
        await console.press("enter")
        await console.shows("│ Hi")
        for key in ("c", "m", "a", "e", "d", "R", "ctrl+s", "ctrl+g"):
            await console.press(key)
            assert "Read-only" in console.status(), key

    assert await _statuses(engine, [conversation_id]) == [Status.OPEN]


async def _statuses(engine: Engine, ids: list[ConversationId]) -> list[Status]:
    return [(await engine.conversations.conversation(MAYA, one)).status for one in ids]
