"""Postgres goes away under a running console, and comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.errors import JsonObject
from tests.console.driving import MEDIUM, open_console
from tests.fakes import FixedClock
from tests.postgres import TestCluster

ACME = Caller.customer("acme")
MAYA = Caller.operator("maya")


@pytest.fixture
async def engine(
    private_cluster: TestCluster, home: Path, clock: FixedClock
) -> AsyncIterator[Engine]:
    """An engine on a cluster that this test may stop."""
    url = private_cluster.copy_template("outage")
    settings = Settings.load(database_url=url, home=home, pool_size=4, embedder="hashing")
    async with Engine(settings, clock=clock) as engine:
        yield engine


async def test_the_console_says_it_keeps_everything_and_recovers_by_itself(
    engine: Engine, clock: FixedClock, private_cluster: TestCluster, tmp_path: Path
) -> None:
    received = await engine.conversations.ingest(
        ACME, customer_ref="acme", text="Are you there?", subject="Anybody"
    )

    async with open_console(engine, clock, size=MEDIUM, state_folder=tmp_path) as console:
        await console.press("g", "i", "enter", "c")
        await console.type("We are")
        await console.shows("● live")

        private_cluster.server.stop("fast")
        await console.press("escape", "ctrl+r")
        await console.shows("Database unreachable, retrying", "✗ offline since")
        assert "Are you there?" in console.frame()

        await console.press("c")
        await console.type(" here")
        await console.press("ctrl+s")
        await console.shows("Send this reply?")
        await console.press("enter")
        await console.until(lambda: not console.conversation.sending)
        assert console.conversation.composer.text == "We are here"
        await console.press("escape", "g", "i", "j", "g", "h")
        await console.shows("Database unreachable")

        private_cluster.server.start()
        await console.until(lambda: not console.app.freshness.is_away)
        await console.shows("● live")
        await engine.conversations.ingest(
            ACME, customer_ref="acme", text="Hello again", conversation_id=received.conversation_id
        )
        await console.press("g", "i", "enter")
        await console.shows("Hello again", "We are here")
        await console.press("c", "ctrl+s", "enter")
        await console.shows("sending in 5 s")

    thread = await engine.conversations.thread(MAYA, received.conversation_id)
    assert [m.content for m in thread.messages] == ["Are you there?", "Hello again", "We are here"]


async def test_a_console_opens_while_the_database_is_away_and_fills_when_it_returns(
    engine: Engine, clock: FixedClock, private_cluster: TestCluster
) -> None:
    await engine.conversations.ingest(
        ACME, customer_ref="acme", text="Are you there?", subject="Anybody"
    )
    private_cluster.server.stop("fast")

    async with open_console(engine, clock, size=MEDIUM) as console:
        await console.shows("Database unreachable", "Count unavailable")
        assert "All caught up" not in console.frame()
        await console.press("g", "i")
        await console.shows("Database unreachable")

        private_cluster.server.start()
        await console.shows("Anybody")
        await console.shows_no("Database unreachable")


async def test_an_approval_during_an_outage_changes_nothing_and_says_so(
    engine: Engine, clock: FixedClock, private_cluster: TestCluster, tmp_path: Path
) -> None:
    received = await engine.conversations.ingest(ACME, customer_ref="acme", text="Hello?")
    given: JsonObject = {"conversation_id": received.conversation_id, "content": "Called."}
    made = await engine.governance.propose(
        MAYA, "internal_note", given, conversation_id=received.conversation_id
    )

    async with open_console(engine, clock, size=MEDIUM, operator="noah") as console:
        await console.press("enter")
        await console.shows("1 action waits", "Add internal note")
        await console.press("a")
        await console.shows("Approve action 1?")
        private_cluster.server.stop("fast")
        await console.press("enter")
        await console.shows("Database unreachable, retrying", "Add internal note")
        await console.press("g", "j")
        await console.shows("The jobs could not be read")
        await console.press("g", "a")
        await console.shows("The trail could not be read")

        private_cluster.server.start()
        await console.until(lambda: not console.app.freshness.is_away)
        await console.press("escape", "enter")
        await console.shows("1 action waits")

    assert (await engine.governance.action(MAYA, made.proposal_id)).row.waits
