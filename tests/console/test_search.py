"""Searching knowledge from anywhere, citing what was found, and noting what was not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.conversations.model import Role
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.retrieval.gap_model import OutcomeClass, UiSurface
from cairnloop_tui.knowledge.article import ArticleScreen
from cairnloop_tui.search import screen
from cairnloop_tui.search.screen import Search
from tests.console.conftest import Write
from tests.console.driving import MEDIUM, NARROW, Console, open_console
from tests.console.test_screen_costs import reads
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
# Nothing that is published or resolved in these tests has such words.
UNKNOWN = "zebra xylophone"


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


@pytest.fixture
def settles_never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only closing and opening settle a search, however slow the machine is."""
    monkeypatch.setattr(screen, "SETTLED_AFTER_S", 3_600.0)


def palette(console: Console) -> Search:
    assert isinstance(console.app.screen, Search)
    return console.app.screen


async def searched(console: Console, query: str) -> None:
    """Type a query and wait until its answer is shown."""
    if not isinstance(console.app.screen, Search):
        await console.press("ctrl+f")
    await console.type(query)
    typed = palette(console).query_one("#query").value.strip()  # type: ignore[attr-defined]
    await console.until(
        lambda: (result := palette(console).result) is not None and result.query == typed
    )


async def noted(engine: Engine, console: Console, count: int) -> list[tuple[str, str, str]]:
    """Every gap with its class and screen, once there are this many."""
    await console.settled()
    page = await engine.gaps.recent(MAYA)
    assert len(page.items) == count, page.items
    return [(gap.excerpt, gap.outcome_class.value, gap.ui_surface.value) for gap in page.items]


async def resolved_case(engine: Engine, write: Write) -> ConversationId:
    """A conversation about something that no article knows, answered, resolved and indexed."""
    conversation_id = await write(
        "The walrus export fails with a grey button.", subject="Walrus export fails"
    )
    await engine.conversations.reply(
        MAYA, conversation_id, "The walrus export needs the exporter role; granted.", hold=0
    )
    await engine.conversations.resolve(MAYA, conversation_id)
    await engine.run_worker(drain=True)
    return conversation_id


# Looking


@pytest.mark.requirement("03-retrieval-drafting:62")
async def test_the_palette_opens_on_its_own_key_alone(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        for key in ("s", "K", "n", "ctrl+k"):
            await console.press(key)
            assert not isinstance(console.app.screen, Search)
        await console.press("ctrl+f")
        assert isinstance(console.app.screen, Search)
        assert palette(console).result is None


@pytest.mark.requirement("03-retrieval-drafting:67")
@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_results_stand_in_two_sections_with_a_preview_and_open_in_full(
    engine: Engine, clock: FixedClock, size: tuple[int, int]
) -> None:
    async with open_console(engine, clock, size=size) as console:
        await searched(console, "rotate token")
        await console.shows("Knowledge Base 2  Canonical guidance", "no earlier case fits")
        await console.shows("Rotating a token", "Create the new token first", "Open article")
        await console.press("enter")
        await console.until(lambda: isinstance(console.app.screen, ArticleScreen))
        await console.shows("Steps", "Create the new token first", "v1 Published  shown")
        await console.press("escape")
        await console.shows("Home")
        await searched(console, "rotate token")
        await console.press("tab", "o")
        await console.shows("v1 Published  shown")
        console.proved("search", "search.open")


@pytest.mark.requirement("03-retrieval-drafting:63")
async def test_one_character_is_not_searched_for(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        await console.press("ctrl+f")
        with reads(engine.db.engine.sync_engine) as seen:
            await console.type("x")
            await console.shows("at least two characters")
        assert seen == []
        assert palette(console).result is None


@pytest.mark.requirement("03-retrieval-drafting:66")
async def test_esc_empties_the_query_first_and_then_closes(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock) as console:
        await searched(console, "rotate token")
        await console.press("escape")
        await console.shows("Search", "Nothing is selected")
        await console.until(lambda: palette(console).result is None)
        await console.press("escape")
        await console.shows("Home")


@pytest.mark.requirement("03-retrieval-drafting:64")
@pytest.mark.requirement("03-retrieval-drafting:65")
async def test_a_case_is_previewed_without_a_request_and_opens_its_conversation(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await resolved_case(engine, customer_writes)

    async with open_console(engine, clock) as console:
        await searched(console, "walrus export token")
        await console.shows("Similar resolved cases 1  Supporting evidence")
        with reads(engine.db.engine.sync_engine) as seen:
            await console.press("tab", "G")
            await console.shows("Issue summary", "grey button", "Resolution note", "Outcome")
            await console.shows("Supporting evidence", "resolved just now", "Open resolved case")
        assert seen == []
        key = palette(console).results.current_key()
        assert key is not None
        assert key.startswith(f"resolved_case-{conversation_id}-")
        await console.press("enter")
        await console.until(lambda: console.conversation.conversation_id == conversation_id)


async def test_what_is_not_known_is_said(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        await searched(console, UNKNOWN)
        await console.until(
            lambda: "Not grounded" in console.frame() or "Nothing verified" in console.frame()
        )


@pytest.mark.requirement("03-retrieval-drafting:68")
async def test_a_search_that_fails_leaves_everything_as_it_was(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("How do I rotate my token?", subject="Tokens")

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "enter", "c")
        await console.type("Half a reply")
        async with engine.db.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE cairnloop.search_docs RENAME TO away"))
        await console.press("ctrl+f")
        await console.type("rotate token")
        await console.until(
            lambda: (
                "The search failed. Go on" in console.frame()
                or "Search is unavailable" in console.frame()
            )
        )
        await console.shows("Nothing is selected")
        async with engine.db.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE cairnloop.away RENAME TO search_docs"))
        await console.press("enter")
        await console.shows("Rotating a token")
        await console.press("escape", "escape")
        assert console.conversation.composer.text == "Half a reply"


@pytest.mark.requirement("03-retrieval-drafting:70")
async def test_without_an_operator_nothing_is_searched_or_noted(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock, operator=None) as console:
        await console.press("g", "i", "ctrl+f")
        with reads(engine.db.engine.sync_engine) as seen:
            await console.type(UNKNOWN)
            await console.shows("Searching needs an operator")
        assert seen == []
        await console.press("escape", "escape")
        assert await noted(engine, console, 0) == []


# Citing


@pytest.mark.requirement("03-retrieval-drafting:73")
async def test_a_result_becomes_a_citation_that_the_reply_carries(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    conversation_id = await customer_writes("How do I rotate my token?", subject="Tokens")

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "enter", "c")
        await console.type("Please see")
        await searched(console, "rotate token")
        await console.press("tab", "i")
        await console.until(lambda: console.conversation.composer.text == "Please see [1]")
        await console.shows("cites", "✓ [1] Rotating a token")
        await console.press("ctrl+s")
        await console.shows("Cites", "[1] Rotating a token")
        await console.press("enter")
        await console.shows("✓ rests on Rotating a token")
        await console.press("o")
        await console.shows("Sources of message", "Rotating a token", "Canonical guidance")
        await console.press("v")
        assert "kept how it was found" in console.status()
        await console.press("enter")
        await console.shows("v1 Published  shown")
        console.proved("search.cite")

    thread = await engine.conversations.thread(MAYA, conversation_id)
    (reply,) = [message for message in thread.messages if message.role is Role.AGENT]
    (citation,) = reply.citations
    assert (citation.title, citation.source_type) == ("Rotating a token", "knowledge_base")
    passage = await engine.knowledge.passage(MAYA, citation.chunk_id)  # type: ignore[arg-type]
    assert passage.article_id == citation.article_id
    assert "Create the new token first" in passage.content


async def test_a_marker_that_is_deleted_takes_its_citation_along(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("How do I rotate my token?", subject="Tokens")

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "enter", "c")
        await console.type("See")
        await searched(console, "rotate token")
        await console.press("tab", "i")
        await console.shows("✓ [1] Rotating a token")
        await console.press("backspace")
        await console.shows_no("✓ [1]")


async def test_a_case_is_not_cited_to_a_customer(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await resolved_case(engine, customer_writes)
    await customer_writes("The walrus export fails.", customer="other", subject="Walrus")

    async with open_console(engine, clock) as console:
        await console.press("g", "i", "enter", "c")
        await console.type("See")
        await searched(console, "walrus export")
        await console.press("tab", "G", "i")
        assert "not cited to a customer" in console.status()
        await console.press("y")
        assert "Copied conversation" in console.status()
        await console.press("escape", "escape")
        assert console.conversation.composer.text == "See"


async def test_without_a_conversation_nothing_can_be_cited(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock) as console:
        await searched(console, "rotate token")
        await console.press("tab", "i")
        assert "Open a conversation first" in console.status()
        await console.press("y")
        assert "Copied article" in console.status()
        console.proved("search.copy")


# Noting what is missing


@pytest.mark.requirement("03-retrieval-drafting:110")
@pytest.mark.requirement("03-retrieval-drafting:69")
async def test_a_question_that_was_typed_piece_by_piece_is_one_gap(
    engine: Engine, clock: FixedClock, settles_never: None
) -> None:
    async with open_console(engine, clock) as console:
        await console.press("g", "i")
        for piece in ("re", "f", "u", "nd"):
            await searched(console, piece)
        await console.press("escape")
        await console.press("escape")
        assert await noted(engine, console, 1) == [
            ("refund", OutcomeClass.EMPTY_RECALL.value, UiSurface.INBOX.value)
        ]


async def test_looking_at_nothing_for_a_while_is_noted_once(
    engine: Engine, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "SETTLED_AFTER_S", 0.01)

    async with open_console(engine, clock) as console:
        await searched(console, UNKNOWN)
        await console.until(lambda: palette(console)._unsettled is None)
        await noted(engine, console, 1)
        await console.press("escape", "escape")
        await noted(engine, console, 1)

    (gap,) = (await engine.gaps.recent(MAYA)).items
    assert gap.occurrences == 1


@pytest.mark.requirement("03-retrieval-drafting:71")
@pytest.mark.requirement("03-retrieval-drafting:72")
async def test_cases_alone_are_a_gap_and_articles_are_none(
    engine: Engine, clock: FixedClock, customer_writes: Write, settles_never: None
) -> None:
    await resolved_case(engine, customer_writes)

    async with open_console(engine, clock) as console:
        await searched(console, "rotate token")
        await console.press("escape", "escape")
        await noted(engine, console, 0)
        for row in (await engine.knowledge.articles(MAYA)).items:
            await engine.knowledge.archive(MAYA, row.id)
        await searched(console, "walrus exporter role")
        await console.shows("Only earlier cases fit")
        assert "Nothing verified" not in console.frame()
        await console.press("escape", "escape")
        ((_, outcome, _),) = await noted(engine, console, 1)
        assert outcome == OutcomeClass.WEAK_GROUNDING.value


async def test_a_gap_that_cannot_be_noted_disturbs_nobody(
    engine: Engine, clock: FixedClock, settles_never: None
) -> None:
    async with open_console(engine, clock) as console:
        await searched(console, UNKNOWN)
        async with engine.db.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE cairnloop.gap_events RENAME TO away"))
        await console.press("escape", "escape")
        await console.settled()
        assert "broke" not in console.frame()
        async with engine.db.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE cairnloop.away RENAME TO gap_events"))
