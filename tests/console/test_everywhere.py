"""What means the same on every screen: palette, help, log, theme, search, leaving."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairnloop_engine import Engine
from cairnloop_tui.theme import themes
from tests.console.conftest import Write
from tests.console.driving import NARROW, Console, open_console
from tests.fakes import FixedClock


def _scope(console: Console) -> str:
    screen = console.app.console_screen
    assert screen is not None
    return screen.scope


async def test_home_inbox_and_back_are_two_keys_away(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Hi", subject="Subject")

    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("enter")
        assert _scope(console) == "actions"
        await console.press("escape", "j", "enter")
        assert (_scope(console), console.inbox.tab) == ("inbox", "drafts")
        await console.press("g", "h")
        assert _scope(console) == "home"
        await console.press("g", "i", "f", "y", "enter")
        assert _scope(console) == "conversation"
        await console.press("g", "i")
        assert _scope(console) == "inbox"
        await console.press("q")
        assert _scope(console) == "home"
        console.proved("go.home", "go.inbox", "enter", "leave")


async def test_home_shows_who_waits_and_hears_of_changes(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    async with open_console(engine, clock, size=NARROW) as console:
        await console.shows("All caught up")
        await customer_writes("Hi", subject="A new question")
        await console.shows("customer waits for an answer", "A new question")
        assert "1   nobody has answered yet" in console.frame()


async def test_the_palette_lists_keys_and_reasons_and_runs_what_is_chosen(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Hi", subject="Subject")

    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("g", "i", "enter", "colon")
        await console.shows("Commands", "Compose a reply")
        await console.type("approve")
        await console.shows("Approve the draft", "No draft waits here")
        await console.press("enter")
        assert "No draft waits here" in console.status()
        await console.press(*["backspace"] * 7)
        await console.type("internal")
        await console.press("enter")
        await console.shows("only operators see it")
        console.proved("palette")


async def test_the_palette_is_walked_with_the_arrows_while_typing(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("ctrl+p", "down", "down", "up")
        await console.shows("Row 2 of")
        await console.press("escape")
        assert _scope(console) == "home"


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_shows_the_keys_of_the_screen_and_scrolls(
    engine: Engine, clock: FixedClock, key: str
) -> None:
    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("g", "i", key)
        await console.shows("Queue", "is:open who:me")
        await console.press("G")
        await console.shows("Half a page up")
        await console.press("q")
        assert _scope(console) == "inbox"
        console.proved("help")


async def test_everything_that_was_said_stands_in_the_log(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("u")
        assert "nothing yet that could be undone" in console.status()
        await console.press("f2")
        await console.shows("Notifications", "nothing yet that could be undone")
        await console.press("enter")
        await console.shows("Notification")
        await console.press("escape", "escape")
        assert _scope(console) == "home"
        console.proved("notifications")


async def test_the_theme_turns_and_is_remembered(
    engine: Engine, clock: FixedClock, tmp_path: Path
) -> None:
    async with open_console(engine, clock, state_folder=tmp_path) as console:
        seen = []
        for _ in themes.CYCLE:
            await console.press("ctrl+t")
            seen.append(console.app.theme)
        assert set(seen) == set(themes.CYCLE)
        chosen = console.app.theme
        console.proved("theme")

    async with open_console(engine, clock, state_folder=tmp_path) as console:
        assert console.app.theme == chosen


async def test_reload_and_redraw_say_or_do_what_they_promise(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock) as console:
        before = console.frame()
        await console.press("ctrl+r")
        assert "Reloaded" in console.status()
        await console.press("ctrl+l")
        assert console.frame().split("\n")[1:10] == before.split("\n")[1:10]
        console.proved("reload", "redraw")


async def test_quitting_with_unsent_text_asks_and_the_text_comes_back(
    engine: Engine, clock: FixedClock, customer_writes: Write, tmp_path: Path
) -> None:
    await customer_writes("Hi", subject="Subject")

    async with open_console(engine, clock, state_folder=tmp_path) as console:
        await console.press("g", "i", "enter", "c")
        await console.type("half a thought")
        await console.press("ctrl+q")
        await console.shows("Quit with unsent text?", "Unsent  #1")
        await console.press("escape")
        assert console.conversation.composer.text == "half a thought"
        console.proved("quit")

    async with open_console(engine, clock, state_folder=tmp_path) as console:
        await console.press("g", "i", "enter")
        await console.shows("half a thought", "unsent text from before")


async def test_quitting_with_nothing_to_lose_just_quits(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        await console.press("ctrl+q")
        await console.until(lambda: console.app.return_code == 0)


async def test_esc_never_leaves_the_last_screen(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        await console.press("escape", "escape", "escape")
        assert _scope(console) == "home"


@pytest.mark.parametrize("size", [(40, 10), (60, 16), (80, 24), (100, 30), (200, 60)])
async def test_every_screen_stands_at_every_size(
    engine: Engine, clock: FixedClock, customer_writes: Write, size: tuple[int, int]
) -> None:
    await customer_writes("Hi", subject="Subject")

    async with open_console(engine, clock, size=size) as console:
        for keys in (("g", "i"), ("enter",), ("c",), ("escape", "q"), ("ctrl+p",), ("escape", "?")):
            await console.press(*keys)
            lines = console.frame().split("\n")
            assert len(lines) == size[1]
            assert all(len(line) <= size[0] for line in lines)


async def test_resizing_keeps_place_and_text(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Hi", subject="Subject")

    async with open_console(engine, clock, size=(120, 34)) as console:
        await console.press("g", "i", "enter", "c")
        await console.type("still here")
        for size in ((80, 24), (200, 60), (60, 16), (100, 30)):
            await console.pilot.resize_terminal(*size)
            await console.settled()
            assert "still here" in console.frame()
        assert console.conversation.composer.text == "still here"


async def test_ascii_draws_nothing_else_and_no_color_names_no_colour(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Hi", subject="Subject")

    async with open_console(engine, clock, ascii_only=True, no_color=True, size=NARROW) as console:
        for keys in ((), ("g", "i"), ("enter",), ("c",), ("escape", "escape", "?")):
            await console.press(*keys)
            assert console.frame().isascii(), console.frame()
        await console.press("escape", "ctrl+t")
        assert "started without colour" in console.status()
