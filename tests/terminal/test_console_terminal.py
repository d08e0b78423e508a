"""What only a real terminal can show: start, exit, paste, editor, kills, hostile bytes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.ids import ConversationId
from tests.terminal.terminal import PROMPT, Terminal, open_terminal

pytestmark = [pytest.mark.terminal, pytest.mark.slow]

HOSTILE = (
    "title \x1b]0;owned\x07 clipboard \x1b]52;c;b3duZWQ=\x07 move \x1b[5;5H C1 \x9b31m "
    "reversed \u202e00.84$ [@click=app.quit]x[/] end"
)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with open_terminal(tmp_path) as terminal:
        yield terminal


@pytest.fixture
def environment(own_database: str, tmp_path: Path) -> dict[str, str]:
    return {
        "CAIRNLOOP_DATABASE_URL": own_database,
        "CAIRNLOOP_HOME": str(tmp_path / "home"),
        "CAIRNLOOP_OPERATOR": "maya",
        "CAIRNLOOP_EMBEDDER": "hashing",
        "COLORTERM": "truecolor",
    }


async def _written(database_url: str, *texts: str, subject: str = "A question") -> ConversationId:
    async with Engine(Settings.load(database_url=database_url, embedder="hashing")) as engine:
        conversation_id: ConversationId | None = None
        for text in texts:
            received = await engine.conversations.ingest(
                Caller.customer("acme"),
                customer_ref="acme",
                text=text,
                subject=None if conversation_id else subject,
                conversation_id=conversation_id,
            )
            conversation_id = received.conversation_id
    assert conversation_id is not None
    return conversation_id


def _open(terminal: Terminal) -> None:
    """From Home to the only conversation."""
    terminal.press("g", "i")
    terminal.shows("Inbox", "Row 1 of 1")
    terminal.press("Enter")
    terminal.shows("[Thread]")


async def test_the_console_opens_shows_live_data_and_leaves_the_terminal_as_it_was(
    terminal: Terminal, environment: dict[str, str], own_database: str
) -> None:
    await _written(own_database, "Is anybody there?")

    # A size in the environment, as some shells export it, hides no resize from the console.
    terminal.run_console({**environment, "COLUMNS": "80", "LINES": "24"})
    terminal.shows("Cairnloop", "customer waits for an answer", "● live")
    _open(terminal)
    terminal.shows("Is anybody there?")
    terminal.tmux("resize-window", "-t", "0", "-x", "130", "-y", "40")
    terminal.shows("Next decision", "No customer context yet")
    terminal.tmux("resize-window", "-t", "0", "-x", "80", "-y", "24")
    terminal.shows("[Thread]")
    terminal.press("C-q")

    screen = terminal.shows("left with 0")
    assert PROMPT in screen
    assert "Cairnloop ▸" not in screen
    # Mouse reporting, bracketed paste and the alternate screen are off again.
    sent = terminal.sent().rpartition(b"left with 0")[0]
    for switch in (b"?1049", b"?1000", b"?2004"):
        assert sent.rfind(b"\x1b[" + switch + b"l") > sent.rfind(b"\x1b[" + switch + b"h")


async def test_hostile_text_never_reaches_the_terminal_as_control(
    terminal: Terminal, environment: dict[str, str], own_database: str
) -> None:
    await _written(own_database, HOSTILE, subject=f"Subject {HOSTILE}"[:200])

    terminal.run_console(environment)
    terminal.shows("● live", "Subject title")
    terminal.press("g", "i")
    terminal.shows("Inbox", "Row 1 of 1")
    terminal.press("Enter")
    terminal.shows("│ title ␛]0;owned␇", "⟨U+202E⟩")
    terminal.press("R")
    terminal.shows("Resolve 1 conversation?")
    terminal.press("Escape", "C-q")
    terminal.shows("left with 0")

    sent = terminal.sent()
    for forbidden in (b"\x1b]0;owned", b"\x1b]52;c;b3duZWQ", b"\x1b[5;5H C1", b"\xc2\x9b"):
        assert forbidden not in sent
    assert "\u202e".encode() not in sent


async def test_a_paste_presses_no_key_and_lands_in_the_composer_only_when_it_is_open(
    terminal: Terminal, environment: dict[str, str], own_database: str
) -> None:
    await _written(own_database, "Help!")

    terminal.run_console(environment)
    terminal.shows("● live")
    terminal.press("g", "i")
    terminal.shows("Inbox", "Row 1 of 1")
    terminal.paste("R\nq\n")
    terminal.press("Enter")
    terminal.shows("│ Help!", "New")
    terminal.press("c")
    terminal.shows("Reply to acme")
    terminal.paste("first line\nsecond line")
    terminal.shows("first line", "second line")
    terminal.press("C-s")
    terminal.shows("Send this reply?")
    terminal.press("Escape", "C-q")
    terminal.shows("Quit with unsent text?")
    terminal.press("Enter")
    terminal.shows("left with 0")


async def test_a_killed_console_offers_the_text_again(
    terminal: Terminal, environment: dict[str, str], own_database: str
) -> None:
    await _written(own_database, "Help!")

    terminal.run_console(environment)
    terminal.shows("● live")
    _open(terminal)
    terminal.press("c")
    terminal.shows("Reply to acme")
    terminal.type("half a thought")
    terminal.shows("half a thought")
    folder = Path(environment["CAIRNLOOP_HOME"]) / "console"
    terminal.until(lambda _: any("half a thought" in f.read_text() for f in folder.glob("*.json")))
    os.kill(terminal.console_pid(), signal.SIGKILL)
    terminal.shows("left with 137")

    # A killed program cannot put the terminal back; the shell's own reset does.
    terminal.type("reset")
    terminal.press("Enter")
    terminal.run_console(environment)
    terminal.shows("● live")
    _open(terminal)
    terminal.shows("half a thought")


async def test_keys_that_arrive_before_their_screens_stand_find_them(
    terminal: Terminal, environment: dict[str, str], own_database: str
) -> None:
    await _written(own_database, "Help!")

    terminal.run_console(environment)
    terminal.shows("● live")
    terminal.press_at_once("g", "i", "Enter", "c", "Y", "e", "s")
    terminal.shows("│ Help!", "Reply to acme", "Yes")


async def test_the_editor_gets_the_text_and_gives_it_back(
    terminal: Terminal, environment: dict[str, str], own_database: str, tmp_path: Path
) -> None:
    await _written(own_database, "Help!")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncat "$1" > "$1.seen"\nprintf "\\nfrom the editor" >> "$1"\n')
    editor.chmod(0o755)

    terminal.run_console({**environment, "EDITOR": str(editor)})
    terminal.shows("● live")
    _open(terminal)
    terminal.press("c")
    terminal.shows("Reply to acme")
    terminal.type("begun here")
    terminal.shows("begun here")
    terminal.press("C-g")
    terminal.shows("begun here", "from the editor")
    terminal.press("C-s")
    terminal.shows("Send this reply?", "from the editor")
    terminal.press("Enter")
    terminal.shows("sending in")


async def test_without_colour_and_in_ascii_everything_can_still_be_read(
    terminal: Terminal, environment: dict[str, str], own_database: str
) -> None:
    await _written(own_database, "Help!", subject="Plain words")

    terminal.run_console(environment, "--ascii", "--no-color")
    screen = terminal.shows("* live", "customer waits for an answer")
    assert screen.isascii()
    _open(terminal)
    screen = terminal.shows("| Help!", "* New")
    assert screen.isascii()
    terminal.press("C-q")
    terminal.shows("left with 0")
