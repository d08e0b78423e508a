"""The hostile pack in every screen: shown as data, obeyed by nobody."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual import events

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.demo.files import hostile
from cairnloop_engine.demo.seeding import HOSTILE_WORKSPACE, seed
from cairnloop_tui.keeping import kept_file
from cairnloop_tui.knowledge.editor import EditorScreen
from cairnloop_tui.unsent import Unsent, UnsentTexts
from tests.console.driving import MEDIUM, NARROW, Console, open_console
from tests.console.test_knowledge_screen import the_list
from tests.fakes import FixedClock

MAYA = Caller.operator("maya", HOSTILE_WORKSPACE)
BIDI = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


@pytest.fixture
async def engine(database_url: str, home: Path, clock: FixedClock) -> AsyncIterator[Engine]:
    """An engine whose workspace ``hostile`` holds the whole pack."""
    settings = Settings.load(database_url=database_url, home=home, embedder="hashing")
    await seed(settings, [hostile()])
    async with Engine(settings, clock=clock) as engine:
        yield engine


def _dangerous(frame: str) -> set[str]:
    """What a terminal would obey, or a reader could not see."""
    return {
        f"U+{ord(character):04X}"
        for character in frame
        if character != "\n"
        and (unicodedata.category(character) in {"Cc", "Cs"} or ord(character) in BIDI)
    }


async def _harmless(console: Console) -> None:
    await console.settled()
    assert _dangerous(console.frame()) == set()
    assert console.app.bugs == []


@pytest.mark.parametrize("last_line", [True, False], ids=["both guards", "views alone"])
@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_every_conversation_of_the_pack_is_only_text(
    engine: Engine, clock: FixedClock, size: tuple[int, int], last_line: bool
) -> None:
    async with open_console(engine, clock, size=size, workspace=HOSTILE_WORKSPACE) as console:
        if not last_line:
            # What the views hold must be harmless by itself; the filter is the second guard.
            console.app._last_line = ()
        await console.press("g", "i", "f", "a")
        await _harmless(console)
        total = len(console.inbox.rows.rows)
        assert total >= 10
        await console.press("enter")
        for _ in range(total - 1):
            await _harmless(console)
            await console.press("]")
        await console.press("]")
        assert "last of the list" in console.status()


async def test_confirmations_quote_hostile_subjects_and_names(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(
        engine, clock, size=NARROW, workspace=HOSTILE_WORKSPACE, operator="[b]maya"
    ) as console:
        await console.press("g", "i", "f", "a", "asterisk", "R")
        await console.shows("Resolve")
        await _harmless(console)
        await console.press("escape", "l")
        await _harmless(console)
        await console.press("escape", "U", "enter", "c")
        console.app.post_message(events.Paste("\x1b]0;owned\x07[@click=app.quit]x[/] \u202eevil"))
        await console.until(lambda: console.conversation.composer.text != "")
        await console.press("ctrl+s")
        await console.shows("Send this reply?", "[@click=app.quit]x[/]")
        await _harmless(console)
        await console.press("escape", "escape", "ctrl+p")
        await _harmless(console)


async def test_hostile_articles_are_found_and_read_as_text(
    engine: Engine, clock: FixedClock
) -> None:
    await engine.run_worker(drain=True)

    async with open_console(engine, clock, size=MEDIUM, workspace=HOSTILE_WORKSPACE) as console:
        await console.press("ctrl+f")
        await console.type("reset your key refund policy")
        await console.shows("Knowledge Base")
        await _harmless(console)
        for _ in range(3):
            await console.press("down")
            await _harmless(console)
        await console.press("enter")
        await console.shows("Revisions")
        await _harmless(console)


@pytest.mark.parametrize("last_line", [True, False], ids=["both guards", "views alone"])
@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_every_article_of_the_pack_is_only_text(
    engine: Engine, clock: FixedClock, size: tuple[int, int], last_line: bool
) -> None:
    async with open_console(engine, clock, size=size, workspace=HOSTILE_WORKSPACE) as console:
        if not last_line:
            console.app._last_line = ()
        await console.press("g", "k")
        await _harmless(console)
        total = len(the_list(console).rows.rows)
        assert total >= 1
        await console.press("enter")
        for _ in range(total - 1):
            await _harmless(console)
            await console.press("]")
        await console.press("a")
        await _harmless(console)


async def test_the_editor_shows_every_article_of_the_pack_harmlessly(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock, size=NARROW, workspace=HOSTILE_WORKSPACE) as console:
        await console.press("g", "k")
        for _ in range(len(the_list(console).rows.rows)):
            await console.press("e")
            await console.until(lambda: isinstance(console.app.screen, EditorScreen))
            await _harmless(console)
            await console.press("escape", "escape")
            await console.press("j")


async def test_what_was_typed_before_a_crash_is_drawn_harmlessly_too(
    engine: Engine, clock: FixedClock, tmp_path: Path
) -> None:
    texts = UnsentTexts(kept_file(tmp_path, "unsent", "maya", HOSTILE_WORKSPACE))
    first = (await engine.conversations.inbox(MAYA, limit=1)).items[0]
    texts.keep(int(first.id), Unsent("\x1b[2J\x9b5;5Hhello\u202e"))

    async with open_console(
        engine, clock, size=NARROW, workspace=HOSTILE_WORKSPACE, state_folder=tmp_path
    ) as console:
        console.app.open_conversation(first.id)
        await console.shows("hello")
        await _harmless(console)
