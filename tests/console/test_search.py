"""Searching knowledge from anywhere, and citing what was found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.conversations.model import Role
from tests.console.conftest import Write
from tests.console.driving import MEDIUM, NARROW, open_console
from tests.fakes import FixedClock

MAYA = Caller.operator("maya")

ROTATION = """# Rotating a token

## Steps

Create the new token first, change your services, then revoke the old token.
"""
SEATS = """# Adding a seat

## Invite

Open Settings, then Team, and invite a teammate by mail.
"""


@pytest.fixture
async def engine(database_url: str, home: Path, clock: FixedClock) -> AsyncIterator[Engine]:
    """An engine whose embedder needs no model, with two published articles."""
    settings = Settings.load(database_url=database_url, home=home, embedder="hashing")
    async with Engine(settings, clock=clock) as engine:
        for title, content in (("Rotating a token", ROTATION), ("Adding a seat", SEATS)):
            made = await engine.knowledge.create(MAYA, title, content)
            await engine.knowledge.publish(MAYA, made.article_id)
        await engine.run_worker(drain=True)
        yield engine


@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_results_stand_in_two_sections_with_a_preview_and_open_in_full(
    engine: Engine, clock: FixedClock, size: tuple[int, int]
) -> None:
    async with open_console(engine, clock, size=size) as console:
        await console.press("ctrl+f")
        await console.type("rotate token")
        await console.shows("Knowledge Base", "Rotating a token", "no earlier case fits")
        await console.shows("Create the new token first")
        await console.press("enter")
        await console.shows("# Rotating a token")
        await console.press("escape", "tab", "o")
        await console.shows("# Rotating a token")
        console.proved("search", "search.open")


async def test_a_result_becomes_a_citation_that_the_reply_carries(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await customer_writes("How do I rotate my token?", subject="Tokens")

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "enter", "c")
        await console.type("Please see")
        await console.press("ctrl+f")
        await console.type("rotate token")
        await console.shows("Rotating a token")
        await console.press("tab", "i")
        await console.until(lambda: console.conversation.composer.text == "Please see [1]")
        await console.press("ctrl+s")
        await console.shows("Cites", "[1] Rotating a token")
        await console.press("enter")
        await console.shows("rests on Rotating a token")
        console.proved("search.cite")

    thread = await engine.conversations.thread(MAYA, conversation_id)
    (reply,) = [message for message in thread.messages if message.role is Role.AGENT]
    assert [citation.title for citation in reply.citations] == ["Rotating a token"]


async def test_without_a_conversation_nothing_can_be_cited(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock) as console:
        await console.press("ctrl+f")
        await console.type("rotate token")
        await console.shows("Rotating a token")
        await console.press("tab", "i")
        assert "Open a conversation first" in console.status()
        await console.press("y")
        assert "Copied article" in console.status()
        console.proved("search.copy")


async def test_esc_empties_the_query_first_and_then_closes(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock) as console:
        await console.press("ctrl+f")
        await console.type("x")
        await console.shows("at least two characters")
        await console.press("escape")
        await console.shows("Search")
        await console.press("escape")
        await console.shows("Home")


async def test_what_is_not_known_is_said(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        await console.press("ctrl+f")
        await console.type("zebra xylophone")
        await console.until(
            lambda: "Not grounded" in console.frame() or "Nothing fits" in console.frame()
        )
