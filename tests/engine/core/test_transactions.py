"""Transactions, their guards, and the feed of changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Forbidden, Settings, Unavailable
from cairnloop_engine.core.changes import FeedState
from cairnloop_engine.core.database import Contended, Work, assert_no_transaction
from cairnloop_engine.core.jobs import JobContext
from cairnloop_engine.core.pending import is_current, settle
from tests.postgres import TestCluster

SYSTEM = Caller.system("test")


async def test_a_read_cannot_write(engine: Engine) -> None:
    with pytest.raises(Exception, match="read-only transaction"):
        async with engine.db.read(SYSTEM) as read:
            await read.session.execute(text("DELETE FROM cairnloop.conversations"))


async def test_a_write_needs_somebody_who_acts(engine: Engine) -> None:
    with pytest.raises(Forbidden) as refusal:
        async with engine.db.work(Caller.operator("  ")):
            pass
    assert refusal.value.code == "operator_missing"


async def test_an_outside_call_inside_a_transaction_is_a_bug_that_shows(engine: Engine) -> None:
    assert_no_transaction("a call")
    async with engine.db.work(SYSTEM):
        with pytest.raises(RuntimeError, match="inside an open transaction"):
            assert_no_transaction("a call")
    assert_no_transaction("a call")


async def test_effects_run_after_the_commit_and_never_after_a_rollback(engine: Engine) -> None:
    ran: list[str] = []

    async def fail(work: Work) -> None:
        work.after_commit(lambda: ran.append("rolled back"))
        raise ZeroDivisionError

    async with engine.db.work(SYSTEM) as work:
        work.after_commit(lambda: ran.append("committed"))
        assert ran == []
    with pytest.raises(ZeroDivisionError):
        async with engine.db.work(SYSTEM) as work:
            await fail(work)

    assert ran == ["committed"]


async def test_a_failing_effect_does_not_undo_or_hide_the_commit(engine: Engine) -> None:
    def explode() -> None:
        raise ZeroDivisionError

    async with engine.db.work(SYSTEM) as work:
        work.after_commit(explode)


async def test_contention_is_retried_as_a_whole_and_bounded(engine: Engine) -> None:
    tries = 0

    async def lose_twice(_: Work) -> str:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Contended("database_busy", "busy")
        return "won"

    assert await engine.db.retrying(SYSTEM, lose_twice) == "won"
    assert tries == 3


async def test_only_the_newest_of_a_burst_of_requests_is_current(engine: Engine) -> None:
    async with engine.db.work(SYSTEM) as work:
        for _ in range(3):
            await work.debounce(kind=RELEASE, key="12", due_at=work.now)
    jobs = [
        JobContext({"workspace": "default", "key": "12", "generation": generation}, 1, 1)
        for generation in (1, 2, 3)
    ]

    async with engine.db.read(SYSTEM) as read:
        current = [await is_current(read, kind=RELEASE, job=job) for job in jobs]
    async with engine.db.work(SYSTEM) as work:
        settled = [await settle(work, kind=RELEASE, job=job) for job in jobs]
        again = await settle(work, kind=RELEASE, job=jobs[2])

    assert (current, settled, again) == ([False, False, True], [False, False, True], False)


RELEASE = "conversations.release"


async def test_the_feed_tells_of_a_commit_and_of_no_rollback(engine: Engine) -> None:
    async with engine.changes("default") as feed:
        assert (await anext(feed)).kind == "resync"
        assert feed.state is FeedState.LIVE
        with pytest.raises(ZeroDivisionError):
            async with engine.db.work(SYSTEM) as work:
                work.changed("conversation", 1)
                raise ZeroDivisionError
        async with engine.db.work(Caller.system("test", "second")) as work:
            work.changed("conversation", 2)
        async with engine.db.work(SYSTEM) as work:
            work.changed("conversation", 3)

        async with asyncio.timeout(5):
            assert (await anext(feed)).id == 3


async def test_a_thousand_changes_in_one_transaction_are_one_reload(engine: Engine) -> None:
    async with engine.changes("default") as feed:
        assert (await anext(feed)).kind == "resync"
        async with engine.db.work(SYSTEM) as work:
            for number in range(1000):
                work.changed("conversation", number)
        async with asyncio.timeout(5):
            assert (await anext(feed)).kind == "resync"


async def test_behind_a_pooler_the_feed_polls_and_says_so(database_url: str) -> None:
    settings = Settings.load(database_url=database_url, pgbouncer=True, poll_interval=0.05)
    async with Engine(settings) as engine, engine.changes("default") as feed:
        async with asyncio.timeout(5):
            assert [(await anext(feed)).kind for _ in range(2)] == ["resync", "resync"]
        assert feed.state is FeedState.POLLING


async def test_the_feed_comes_back_after_the_database_was_away(
    private_cluster: TestCluster, tmp_path: Path
) -> None:
    settings = Settings.load(database_url=private_cluster.copy_template("feed"), home=tmp_path)
    async with Engine(settings) as engine, engine.changes("default") as feed:
        assert (await anext(feed)).kind == "resync"
        await asyncio.to_thread(private_cluster.server.stop)
        async with asyncio.timeout(20):
            while feed.state is not FeedState.OFFLINE:
                await anext(feed)
        with pytest.raises(Unavailable):
            await engine.conversations.counts(SYSTEM)
        await asyncio.to_thread(private_cluster.server.start)
        async with asyncio.timeout(30):
            while feed.state is not FeedState.LIVE:
                await anext(feed)
            async with engine.db.work(SYSTEM) as work:
                work.changed("conversation", 7)
            while (await anext(feed)).id != 7:
                pass
