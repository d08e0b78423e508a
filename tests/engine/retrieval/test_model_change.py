"""Another sentence model takes over: no search without vectors, no vectors compared that differ."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.retrieval.health import IndexStatus
from cairnloop_engine.retrieval.jobs import LOST_AFTER, REPLACED_STAY
from cairnloop_engine.wiring import HostParts
from tests.engine.retrieval.desk import (
    MAYA,
    Remembering,
    Scripted,
    duty,
    index,
    publish,
    scalar,
    stock,
)
from tests.fakes import FixedClock
from tests.waiting import until

ACME = Caller.customer("acme")
OLD, NEW = "hash-1024", "minilm-int8"
QUESTIONS = {
    "How do I reset my API key?": "Resetting your API key",
    "change the billing email": "Updating your billing email",
    "add a seat for a colleague": "Adding a team seat",
    "why was my CI run skipped": "Why a CI run was skipped",
}


@pytest.fixture
async def before(settings: Settings, clock: FixedClock) -> AsyncIterator[Engine]:
    """A desk that has worked with the old model, and goes on."""
    async with Engine(settings.with_changes(embedder="hashing"), clock=clock) as engine:
        await stock(engine)
        await index(engine)
        yield engine


@pytest.fixture
async def after(
    before: Engine, settings: Settings, clock: FixedClock, minilm: Remembering
) -> AsyncIterator[Engine]:
    """The same desk, started again with the new model."""
    async with Engine(settings, clock=clock, host=HostParts(embedder=minilm)) as engine:
        yield engine


async def models(engine: Engine) -> dict[str, tuple[int, int]]:
    """Documents and vectors of each model."""
    status = await engine.retrieval.status(MAYA)
    return {one.model_id: (one.n_ready, one.n_vectors) for one in status.models}


async def serving(engine: Engine) -> object:
    return await scalar(engine, "SELECT max(serving_model) FROM cairnloop.search_corpora")


async def embed_again(engine: Engine, clock: FixedClock) -> None:
    """What the worker of the new settings does within its first minute."""
    clock.advance(LOST_AFTER + timedelta(seconds=1))
    await duty(engine, "index what is missing")
    await index(engine)


def codes(status: IndexStatus) -> list[str]:
    return [problem.code for problem in status.problems]


@asynccontextmanager
async def searching(engine: Engine, seen: list[str], lost: list[str]) -> AsyncIterator[None]:
    """Searches one after the other for as long as the block runs; notes what each missed."""
    over = asyncio.Event()

    async def ask() -> None:
        while not over.is_set():
            for question, title in QUESTIONS.items():
                found = await engine.retrieval.search(MAYA, question)
                first = found.items[0] if found.items else None
                if first is None or first.title != title or first.why.cosine is None:
                    lost.append(question)
                seen.append(found.embedder)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        over.set()
        await asking


@pytest.mark.requirement("03-retrieval-drafting:97")
async def test_no_search_loses_a_hit_while_the_model_changes(
    after: Engine, clock: FixedClock
) -> None:
    seen: list[str] = []
    lost: list[str] = []

    async with searching(after, seen, lost):
        await until(lambda: len(seen) > 8)
        await embed_again(after, clock)
        await publish(after, "Exporting a report", "Open Reports and press Export.")
        exported = await after.retrieval.search(MAYA, "export a report")
        await index(after)
        await until(lambda: seen[-1] == NEW, within=10)

    assert lost == []
    # Old until it was covered, then new, and never back.
    assert [model for model, next_ in pairwise(seen) if model != next_] == [OLD]
    assert exported.items[0].title == "Exporting a report"


async def test_the_old_model_answers_until_the_new_one_has_everything(
    after: Engine, clock: FixedClock
) -> None:
    waiting = await after.retrieval.status(MAYA)
    found = await after.retrieval.search(MAYA, "How do I reset my API key?")

    await embed_again(after, clock)

    done = await after.retrieval.status(MAYA)
    assert (waiting.embedder, waiting.serving) == (NEW, OLD)
    assert (waiting.n_ready, waiting.n_pending) == (0, 4)
    assert (found.embedder, found.grounding.may_reply) == (OLD, False)
    assert found.items[0].why.cosine is not None
    assert (done.serving, done.n_ready, done.n_pending) == (NEW, 4, 0)
    assert {one.model_id: (one.configured, one.serving) for one in done.models} == {
        OLD: (False, False),
        NEW: (True, True),
    }
    assert codes(done) == []


async def test_an_article_published_meanwhile_gets_vectors_of_both(
    before: Engine, after: Engine
) -> None:
    article_id = await publish(after, "Exporting a report", "Open Reports and press Export.")

    await index(after)

    found = await before.retrieval.search(MAYA, "export a report")
    assert await serving(after) == OLD
    assert [(hit.article_id, hit.why.cosine is None) for hit in found.items[:1]] == [
        (article_id, False)
    ]
    assert (await models(after))[NEW][0] == 1


async def test_one_article_that_cannot_be_embedded_keeps_the_old_model(
    after: Engine, clock: FixedClock, minilm: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def embed(texts: list[str], **_: object) -> list[list[float]]:
        broken = any("CI run" in text for text in texts)
        return [[0.0 if broken else 1.0] * 384 for _ in texts]

    monkeypatch.setattr(minilm, "embed", embed)

    await embed_again(after, clock)

    status = await after.retrieval.status(MAYA)
    assert (status.serving, status.n_ready, status.n_failed) == (OLD, 3, 1)
    assert "vectors_failed" in codes(status)


async def test_resolved_cases_change_over_with_the_articles(
    before: Engine,
    settings: Settings,
    clock: FixedClock,
    minilm: Remembering,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = await before.conversations.ingest(ACME, customer_ref="acme", text="The printer hums")
    await before.conversations.reply(MAYA, asked.conversation_id, "Unplug it once.", hold=0)
    await before.conversations.resolve(MAYA, asked.conversation_id)
    await index(before)

    async def embed(texts: list[str], **_: object) -> list[list[float]]:
        return [[0.0 if "printer" in text else 1.0] * 384 for text in texts]

    async with Engine(settings, clock=clock, host=HostParts(embedder=minilm)) as after:
        monkeypatch.setattr(minilm, "embed", embed)
        await embed_again(after, clock)
        await duty(after, "embed cases that lack vectors")
        await index(after)
        lacking = await after.retrieval.status(MAYA)
        monkeypatch.undo()
        await after.retrieval.replay_failed(MAYA)
        await index(after)
        whole = await after.retrieval.status(MAYA)

    assert (lacking.serving, lacking.n_ready, lacking.n_failed) == (OLD, 4, 0)
    assert "case_vectors_failed" in codes(lacking)
    assert (whole.serving, codes(whole)) == (NEW, [])


async def test_vectors_of_the_old_model_go_a_day_later_and_not_before(
    after: Engine, clock: FixedClock
) -> None:
    clock.advance(REPLACED_STAY * 2)
    await duty(after, "prune replaced vectors")
    while_it_answers = await models(after)
    await embed_again(after, clock)
    clock.advance(REPLACED_STAY - timedelta(minutes=1))
    await duty(after, "prune replaced vectors")
    within_the_day = await models(after)

    clock.advance(timedelta(minutes=2))
    await duty(after, "prune replaced vectors")

    assert while_it_answers[OLD][0] == within_the_day[OLD][0] == 4
    assert set(await models(after)) == {NEW}


async def test_a_model_that_this_host_cannot_make_leaves_words(
    settings: Settings, clock: FixedClock, embedder: Scripted, minilm: Remembering
) -> None:
    async with Engine(settings, clock=clock, host=HostParts(embedder=embedder)) as before:
        article_id = await publish(before, "Keys", "Press revoke")
        await index(before)
    async with Engine(settings, clock=clock, host=HostParts(embedder=minilm)) as after:
        status = await after.retrieval.status(MAYA)
        found = await after.retrieval.search(MAYA, "revoke")

    assert (status.serving, status.n_pending) == (NEW, 1)
    assert "former_model_unusable" in codes(status)
    assert (found.embedder, found.degraded) == (NEW, ())
    assert [(hit.article_id, hit.why.cosine) for hit in found.items] == [(article_id, None)]


async def test_the_last_missing_article_may_leave_instead(after: Engine, clock: FixedClock) -> None:
    keep, *others = [ArticleId(n) for n in range(1, 5)]
    await after.retrieval.rebuild(MAYA, article_ids=[keep])
    await index(after)
    for article_id in others:
        await after.knowledge.archive(MAYA, article_id)
    unasked = await serving(after)

    await duty(after, "let the new model answer")

    assert (unasked, await serving(after)) == (OLD, NEW)


async def test_processes_of_different_settings_do_not_take_turns(
    before: Engine, after: Engine, clock: FixedClock
) -> None:
    await embed_again(after, clock)
    answering = []
    for engine in (before, after, before, after):
        await duty(engine, "let the new model answer")
        answering.append(await serving(engine))

    assert answering == [OLD, NEW, NEW, NEW]


async def test_workspaces_change_over_one_by_one(
    before: Engine, after: Engine, clock: FixedClock
) -> None:
    other = Caller.operator("maya", "elsewhere")
    await publish(before, "Keys", "Press revoke", caller=other)
    await index(before)

    await after.retrieval.rebuild(other)
    await index(after)

    assert (await after.retrieval.status(other)).serving == NEW
    assert (await after.retrieval.status(MAYA)).serving == OLD


async def test_the_change_stands_in_the_trail(after: Engine, clock: FixedClock) -> None:
    await embed_again(after, clock)

    events = (await after.audit.events(MAYA)).items

    (switched,) = [event for event in events if event.action == "retrieval.model_switched"]
    assert (switched.facts["model"], switched.facts["replaced"]) == (NEW, OLD)
    assert switched.actor == "indexer"


WORKER = """
import asyncio, sys
from cairnloop_engine import Engine, Settings

async def main():
    settings = Settings.load(database_url=sys.argv[1], embedder=sys.argv[2])
    async with Engine(settings) as engine:
        await engine.run_worker(queues=["indexing"], drain=True)

asyncio.run(main())
"""


async def killed(url: str, embedder: str) -> int:
    """How a worker process ends that dies when it has made vectors and recorded none."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        url,
        embedder,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "CAIRNLOOP_CRASH_AT": "retrieval.vectors_made"},
    )
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.mark.slow
async def test_a_worker_killed_in_the_middle_of_a_change_leaves_the_old_model(
    own_database: str, home: Path, clock: FixedClock, minilm: Remembering
) -> None:
    settings = Settings.load(database_url=own_database, home=home, embedder="hashing")
    async with Engine(settings, clock=clock) as before:
        await stock(before)
        await index(before)
        await before.retrieval.rebuild(MAYA)
    async with Engine(settings, clock=clock, host=HostParts(embedder=minilm)) as after:
        assert await killed(own_database, "minilm") == -signal.SIGKILL
        found = await after.retrieval.search(MAYA, "How do I reset my API key?")
        left = await models(after)
        # The killed process had the time of the machine.
        clock.advance(LOST_AFTER)
        await embed_again(after, clock)

        assert (found.embedder, found.items[0].title) == (OLD, "Resetting your API key")
        assert found.items[0].why.cosine is not None
        assert left[NEW] == (0, 0)
        assert await serving(after) == NEW
        assert (await models(after))[NEW][0] == 4


async def test_many_jobs_that_end_together_let_the_model_answer(
    after: Engine, clock: FixedClock
) -> None:
    clock.advance(LOST_AFTER + timedelta(seconds=1))
    await duty(after, "index what is missing")

    await after.run_worker(queues=["indexing"], drain=True, concurrency=4)

    assert await serving(after) == NEW


async def test_a_publication_in_the_moment_of_the_change_is_never_overlooked(
    after: Engine, clock: FixedClock
) -> None:
    """Either it is counted as missing, or it comes after: then words find it until it is done."""
    saved = [
        await after.knowledge.create(MAYA, f"Report {n}", f"Press export number {n}")
        for n in range(6)
    ]
    await embed_again(after, clock)
    async with after.db.work(MAYA) as work:
        await work.session.execute(text("UPDATE cairnloop.search_corpora SET serving_model = NULL"))

    await asyncio.gather(
        *(after.knowledge.publish(MAYA, one.article_id) for one in saved),
        *(duty(after, "let the new model answer") for _ in range(6)),
    )
    found = await after.retrieval.search(MAYA, "export report", limit=50)
    await index(after)

    assert {hit.article_id for hit in found.items} >= {one.article_id for one in saved}
    assert await serving(after) == NEW
