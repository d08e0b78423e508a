"""Loading under trouble: interrupted, touched by people, reset, hostile, in the wrong place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cairnloop_engine import Blocked, Caller, Conflict, Engine, Invalid, Settings
from cairnloop_engine.conversations.model import State
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.text import has_hidden
from cairnloop_engine.demo import files, seeding
from cairnloop_engine.demo.clock import StoryClock
from cairnloop_engine.demo.reset import reset
from cairnloop_engine.demo.scenario import ArticleSeed, Part, RevisionSeed
from cairnloop_engine.demo.seeding import HOSTILE_WORKSPACE
from tests.engine.demo.loading import NOW, few, load, rows, settings_for
from tests.postgres import TestCluster

MAYA = Caller.operator("maya")
HOSTILE = Caller.operator("maya", HOSTILE_WORKSPACE)

# What is written when a load goes on again: jobs get new numbers, everything else must be equal.
FROM_THE_START = 1


class Interrupted(Exception):
    """Stands for a kill in the middle of a load."""


class ShortClock(StoryClock):
    """A story clock that ends the load at its n-th move, as a kill would."""

    def __init__(self, now: datetime, *, moves: int) -> None:
        super().__init__(now)
        self.moves = moves

    def set(self, moment: datetime) -> None:
        if self.moves == 0:
            raise Interrupted
        self.moves -= 1
        super().set(moment)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, tmp_path)


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[Engine]:
    async with Engine(settings) as engine:
        yield engine


async def load_until(settings: Settings, part: Part, *, moves: int) -> bool:
    """Load with a clock that breaks off; True when it came to the end."""
    clock = ShortClock(NOW, moves=moves)
    async with seeding.opened(settings, clock) as engine:
        try:
            await seeding.load(engine, clock, part, now=NOW)
        except Interrupted:
            return False
    return True


@pytest.mark.slow
@pytest.mark.requirement("06-demo-fixtures:18")
def test_a_load_that_is_interrupted_again_and_again_ends_as_one_that_never_was(
    settings: Settings, own_database: str, tmp_path: Path, database_url: str
) -> None:
    attempts = FROM_THE_START
    while not asyncio.run(load_until(settings, few(), moves=3 * attempts)):
        attempts += 1
    load(settings_for(own_database, tmp_path), [few()])

    assert attempts > 5
    assert rows(database_url) == rows(own_database)


def simple(*, articles: bool = False) -> Part:
    """Conversations that need no draft, so that loading them is quick."""
    chosen = tuple(
        seed for seed in files.story().conversations if seed.key in ("demo-09", "demo-19")
    )
    known = files.story().articles if articles else ()
    return Part("simple", known, chosen)


async def test_a_conversation_that_people_took_elsewhere_is_left_alone(
    settings: Settings, engine: Engine, database_url: str
) -> None:
    part = Part("simple", one_article(), simple().conversations)
    await asyncio.to_thread(load, settings, [part])
    await engine.conversations.note(MAYA, ConversationId(1), "I looked at this.")
    await engine.conversations.resolve(MAYA, ConversationId(2))
    before = rows(database_url)

    await asyncio.to_thread(load, settings, [Part("again", part.articles, part.conversations)])

    after = rows(database_url)
    assert after["messages"] == before["messages"]
    assert after["conversations"] == before["conversations"]


async def test_an_article_that_people_edited_is_left_alone(
    settings: Settings, engine: Engine
) -> None:
    await asyncio.to_thread(load, settings, [Part("first", one_article(published=False), ())])
    (row,) = (await engine.knowledge.articles(MAYA)).items
    article = await engine.knowledge.article(MAYA, row.id)
    await engine.knowledge.save_draft(MAYA, row.id, "Mine.", expected_version=article.edit_version)

    await asyncio.to_thread(load, settings, [Part("second", one_article(), ())])

    article = await engine.knowledge.article(MAYA, row.id)
    assert article.content == "Mine."
    assert article.published is None


async def test_words_of_another_version_are_refused_with_the_way_out(
    settings: Settings,
) -> None:
    (first, *_) = simple().conversations
    await asyncio.to_thread(load, settings, [Part("a", one_article(), (first,))])
    other = type(first.steps[0])(first.steps[0].kind, "Other words.", first.steps[0].after)
    changed = type(first)(
        first.key, first.subject, first.person, first.ends, (other, *first.steps[1:])
    )

    with pytest.raises(Conflict) as refusal:
        await asyncio.to_thread(load, settings, [Part("b", one_article(), (changed,))])

    assert refusal.value.code == "demo_outdated"
    assert "--reset" in refusal.value.message


async def test_a_story_in_the_future_is_refused(settings: Settings) -> None:
    with pytest.raises(Invalid) as refusal:
        await seeding.seed(settings, [simple()], now=datetime.now(UTC) + timedelta(hours=1))

    assert refusal.value.code == "now_in_future"


async def test_a_reset_empties_the_demo_and_numbers_begin_again(
    settings: Settings, database_url: str
) -> None:
    part = Part("simple", one_article(), simple().conversations)
    await asyncio.to_thread(load, settings, [part])
    first = rows(database_url)

    await reset(settings)
    emptied = {table: found for table, found in rows(database_url).items() if found}
    await asyncio.to_thread(load, settings, [part])

    assert set(emptied) == {"alembic_version"}
    assert rows(database_url) == first


async def test_a_reset_of_a_database_with_other_peoples_conversations_is_refused(
    settings: Settings, engine: Engine
) -> None:
    kept = await engine.conversations.ingest(
        Caller.customer("a real customer"), customer_ref="a real customer", text="Hello?"
    )

    with pytest.raises(Blocked) as refusal:
        await reset(settings)

    assert refusal.value.code == "reset_refused"
    assert (await engine.conversations.conversation(MAYA, kept.conversation_id)).state is State.NEW


async def test_the_trail_is_still_append_only_after_a_reset(
    settings: Settings, engine: Engine, cluster: TestCluster
) -> None:
    await reset(settings)
    kept = await engine.conversations.ingest(
        Caller.customer("someone"), customer_ref="someone", text="Hello?"
    )

    assert kept.conversation_created
    async with engine.db.engine.connect() as connection:
        with pytest.raises(Exception, match="append-only"):
            await connection.exec_driver_sql("DELETE FROM cairnloop.audit_events")


@pytest.mark.slow
async def test_the_hostile_pack_is_stored_whole_in_its_workspace_and_shown_harmless(
    settings: Settings, engine: Engine
) -> None:
    await asyncio.to_thread(load, settings, [files.hostile()])

    thread = await engine.conversations.thread(HOSTILE, ConversationId(16))
    assert len(thread.messages[0].content) == 1_000_000
    assert (await engine.conversations.inbox(Caller.operator("maya"))).items == ()

    page = await engine.conversations.inbox(HOSTILE, limit=100)
    articles = await engine.knowledge.articles(HOSTILE)
    found = await engine.retrieval.search(HOSTILE, "reset your key refund policy")
    shown = [
        *(text for row in page.items for text in (row.subject, row.last_excerpt, row.customer_ref)),
        *(row.title for row in articles.items),
        *(text for hit in found.items for text in (hit.title, hit.heading, hit.excerpt)),
    ]
    assert len(page.items) == len(files.hostile().conversations)
    assert found.items
    assert [text for text in shown if text is not None and has_hidden(text)] == []


def one_article(*, published: bool = True) -> tuple[ArticleSeed, ...]:
    """An article that conversations may cite, in one revision."""
    content = "# Adding a team seat\n\nOpen Settings and choose Invite.\n"
    return (
        ArticleSeed(
            "seat", "Adding a team seat", (RevisionSeed(content, published, timedelta(days=30)),)
        ),
    )
