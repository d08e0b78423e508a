"""A governed action from its proposal to its outcome, by keys alone, in a terminal of 80×24."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine, Settings
from tests.terminal.terminal import Terminal, open_terminal

pytestmark = [pytest.mark.terminal, pytest.mark.slow]

NOTE = "Called the bank; two charges confirmed."


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with open_terminal(tmp_path) as terminal:
        yield terminal


async def test_an_action_is_proposed_approved_run_and_traced_by_keys(
    terminal: Terminal, own_database: str, tmp_path: Path
) -> None:
    settings = Settings.load(database_url=own_database, home=tmp_path / "home", embedder="hashing")
    async with Engine(settings) as engine:
        await engine.conversations.ingest(
            Caller.customer("acme"), customer_ref="acme", text="I was charged twice."
        )
        terminal.run_console(
            {
                "CAIRNLOOP_DATABASE_URL": own_database,
                "CAIRNLOOP_HOME": str(tmp_path / "home"),
                "CAIRNLOOP_OPERATOR": "maya",
                "CAIRNLOOP_EMBEDDER": "hashing",
            }
        )
        terminal.shows("● live", "no action is waiting")
        terminal.press("g", "i", "Enter")
        terminal.shows("[Thread]", "I was charged twice.")

        terminal.press("t")
        terminal.shows("Propose", "Add internal note", "▲ Low write")
        terminal.press("Enter")
        terminal.shows("Content * required")
        terminal.type(NOTE)
        terminal.press("C-s")
        terminal.shows("Propose “Add internal note”?", "Enter proposes it")
        terminal.press("Enter")
        terminal.shows("Proposed — pending review (#1)")

        terminal.press("Tab")
        terminal.shows("[Actions 1]", "▲ Waits for a decision", "Risk: ▲ Low write")
        terminal.press("a")
        terminal.shows("Approve action 1?", NOTE, "Digest", "Enter approves exactly this")
        terminal.press("Enter")
        terminal.shows("i Approved")
        await engine.run_worker(queues=["effects", "maintenance"], drain=True)
        terminal.shows("✓ Executed", "Action completed: Note")

        terminal.press("A")
        terminal.shows("only  action 1", "Executed", "Approved", "Action proposed")
        terminal.press("g", "j")
        terminal.shows("Nothing was put aside.", "effects")
        terminal.press("C-q")
        terminal.shows("left with 0")

        page = await engine.conversations.thread(Caller.operator("maya"), 1)  # type: ignore[arg-type]
        assert [one.content for one in page.messages if one.author_kind != "customer"] == [NOTE]
