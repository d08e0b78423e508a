"""Keys that come before the console is ready for them: each is kept, in order, or answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import psycopg
import pytest
from textual.events import Paste

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ConversationId
from cairnloop_tui.conversation.screen import ConversationScreen
from tests.console.conftest import Write
from tests.console.driving import NARROW, Console, open_console
from tests.engine.drafting.desk import Desk
from tests.fakes import FixedClock

Held = Callable[[str], AbstractAsyncContextManager[None]]


@pytest.fixture
def held(database_url: str) -> Held:
    """Holds a table of the database, so that whoever reads it waits."""

    @asynccontextmanager
    async def hold(table: str) -> AsyncIterator[None]:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            await connection.execute(f"LOCK TABLE cairnloop.{table} IN ACCESS EXCLUSIVE MODE")
            yield

    return hold


async def _open_unread(console: Console) -> None:
    """Open the conversation under the cursor while nobody can read its messages."""
    await console.pilot.press("enter")
    await console.until(lambda: isinstance(console.app.screen, ConversationScreen))
    await console.until(lambda: console.app.screen.is_mounted)
    assert console.conversation.work is None


@pytest.mark.parametrize("size", [NARROW, (120, 34)], ids=["narrow", "medium"])
async def test_the_composer_opens_although_its_key_came_before_the_conversation_was_read(
    engine: Engine, clock: FixedClock, desk: Desk, held: Held, size: tuple[int, int]
) -> None:
    # A draft draws the focus to itself when it is read; the composer was asked for later.
    await desk.drafted()

    async with open_console(engine, clock, size=size) as console:
        await console.press("g", "i")
        async with held("messages"):
            await _open_unread(console)
            await console.pilot.press("c", "Y", "e", "s")
            await console.shows("cYes")
            assert console.conversation.composer.text == ""
        await console.shows("Reply to acme")
        await console.until(lambda: console.conversation.composer.text == "Yes")


async def test_a_key_that_came_before_the_conversation_could_be_read_arms_nothing_and_says_so(
    engine: Engine, clock: FixedClock, customer_writes: Write, held: Held
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await console.press("g", "i")
        async with held("messages"):
            await _open_unread(console)
            await console.pilot.press("R")
        await console.shows("│ Help!", "That key came before this could be read")
        assert console.conversation.armed is None
        await console.press("R")
        assert console.conversation.armed is not None


async def test_escape_drops_the_keys_typed_ahead_and_q_leaves_a_screen_that_cannot_be_read(
    engine: Engine, clock: FixedClock, customer_writes: Write, held: Held
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        await console.press("g", "i")
        async with held("messages"):
            await _open_unread(console)
            await console.pilot.press("c", "N", "o", "escape")
            await console.shows("The keys typed ahead were dropped.")
            await console.pilot.press("q")
            await console.until(lambda: not isinstance(console.app.screen, ConversationScreen))
        await console.settled()
        assert console.app.unsent.conversations() == ()


async def test_a_key_for_a_conversation_that_does_not_exist_is_answered(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock) as console:
        console.app.open_conversation(ConversationId(404))
        console.press_at_once("c")
        await console.shows("could not be read", "The conversation is not read yet.")


async def test_enter_after_another_tab_opens_what_that_tab_lists(
    engine: Engine, clock: FixedClock, customer_writes: Write, held: Held
) -> None:
    waiting = await customer_writes("Help!")
    resolved = await customer_writes("Thanks!", customer="globex")
    await engine.conversations.resolve(Caller.operator("maya"), resolved)

    async with open_console(engine, clock) as console:
        await console.press("g", "i")
        assert console.inbox.rows.current_key() == waiting
        async with held("messages"):
            await console.pilot.press("f", "r", "enter")
            assert not isinstance(console.app.screen, ConversationScreen)
        await console.until(lambda: isinstance(console.app.screen, ConversationScreen))
        assert console.conversation.conversation_id == resolved


async def test_keys_that_arrive_together_meet_the_screens_they_were_typed_for(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Help!")

    async with open_console(engine, clock) as console:
        console.press_at_once("g", "i", "enter", "c", "H", "o", "backspace", "i")
        console.app.post_message(Paste(" there"))
        console.press_at_once("!", "ctrl+s")
        await console.shows("│ Help!", "Reply to acme", "Hi there!", "nothing was done")
        assert console.conversation.armed is None
        console.proved("go.inbox", "enter", "reply.compose", "reply.send")


async def test_words_for_a_palette_that_is_not_open_yet_find_their_command_and_enter_waits(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock) as console:
        console.press_at_once("ctrl+p", *"inbox", "enter")
        await console.shows("Commands", "inbox", "Go to Inbox", "nothing was done")
        await console.press("enter")
        await console.shows("Inbox ▸ Needs you")
        console.proved("go.inbox")
