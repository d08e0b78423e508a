"""The worker through outages: it never exits, and goes on as soon as the database does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from cairnloop_engine import Engine, Settings
from cairnloop_engine.core.connections import Address
from cairnloop_engine.core.jobs import JobContext, Queues, TaskSpec
from cairnloop_engine.core.plan import LONGEST_PAUSE_S, Pauses
from tests.engine.core.crew import at_work, enqueue, queue, supervisor, write
from tests.postgres import TestCluster
from tests.waiting import until

TASK = "test.count"
KILLS = 15
# Everybody but whoever asks, and but the server's own.
OTHERS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    " AND datname = current_database()"
)


class Count:
    """A task that counts its runs."""

    def __init__(self) -> None:
        self.ran: dict[int, int] = {}
        self.spec = TaskSpec(TASK, Queues.EFFECTS, self._run)

    async def _run(self, job: JobContext) -> None:
        self.ran[job.job_id] = self.ran.get(job.job_id, 0) + 1


@asynccontextmanager
async def cluster_of_its_own(cluster: TestCluster, home: Path) -> AsyncIterator[Engine]:
    url = cluster.copy_template("outages")
    settings = Settings.load(database_url=url, home=home, embedder="hashing")
    async with Engine(settings) as engine:
        yield engine


async def connect(engine: Engine) -> psycopg.AsyncConnection[Any]:
    assert engine.settings.database_url is not None
    where = Address.parse(engine.settings.database_url.get_secret_value())
    return await psycopg.AsyncConnection.connect(
        autocommit=True, **where.driver_arguments(pgbouncer=False)
    )


@pytest.mark.slow
async def test_a_worker_lives_through_a_stopped_database_in_one_life(
    private_cluster: TestCluster, tmp_path: Path
) -> None:
    count = Count()
    async with (
        cluster_of_its_own(private_cluster, tmp_path) as engine,
        at_work(engine, [count.spec]) as crew,
    ):
        before = await enqueue(engine, TASK)
        await until(lambda: before in count.ran, within=20)
        await asyncio.to_thread(private_cluster.server.stop, "immediate")
        await asyncio.to_thread(private_cluster.server.start)

        after = await until(lambda: _enqueued(engine), within=20)
        back = time.monotonic()
        await until(lambda: after in count.ran, within=20)

        assert time.monotonic() - back < 10
        assert crew.report.lives == 1
        assert await _all_done(engine)


async def _enqueued(engine: Engine) -> int | None:
    try:
        return await enqueue(engine, TASK)
    except DBAPIError:
        return None


async def _all_done(engine: Engine) -> bool:
    await until(lambda: _is_empty(engine), within=20, what="every job is done")
    return True


async def _is_empty(engine: Engine) -> bool:
    return await queue(engine) == []


@pytest.mark.slow
async def test_a_worker_whose_connections_are_all_killed_again_and_again_loses_nothing(
    own_database: str, home: Path
) -> None:
    count = Count()
    settings = Settings.load(database_url=own_database, home=home, embedder="hashing")
    async with Engine(settings) as engine, at_work(engine, [count.spec], concurrency=4) as crew:
        async with await connect(engine) as killer:
            for _ in range(KILLS):
                begun = len(count.ran)
                await killer.execute(
                    "INSERT INTO public.procrastinate_jobs (queue_name, task_name)"
                    " SELECT 'effects', %s FROM generate_series(1, 20)",
                    (TASK,),
                )
                await killer.execute(OTHERS)
                await until(lambda: len(count.ran) > begun, within=20)  # noqa: B023 - used at once
                await killer.execute(OTHERS)
            await _all_done_on(killer)
        assert len(count.ran) == 20 * KILLS
        assert crew.report.lives == 1


async def _all_done_on(connection: psycopg.AsyncConnection[Any]) -> None:
    async def is_empty() -> bool:
        found = await connection.execute("SELECT count(*) FROM public.procrastinate_jobs")
        row = await found.fetchone()
        return row is not None and row[0] == 0

    await until(is_empty, within=30, what="every job is done")


@pytest.mark.slow
async def test_a_worker_works_on_while_no_connection_is_left_and_comes_back_without_its_own(
    private_cluster: TestCluster, tmp_path: Path
) -> None:
    count = Count()
    async with (
        cluster_of_its_own(private_cluster, tmp_path) as engine,
        at_work(engine, [count.spec]),
        AsyncExitStack() as held,
    ):
        ours = await held.enter_async_context(await connect(engine))
        with pytest.raises(psycopg.OperationalError, match="connection"):
            for _ in range(1_000):
                await held.enter_async_context(await connect(engine))
        first = await _insert(ours)
        await until(lambda: first in count.ran, within=20)

        # The worker's own connections go with those that were held.
        await ours.execute(OTHERS)
        second = await _insert(ours)
        await until(lambda: second in count.ran, within=20)


async def _insert(connection: psycopg.AsyncConnection[Any]) -> int:
    cursor = await connection.execute(
        "INSERT INTO public.procrastinate_jobs (queue_name, task_name)"
        " VALUES ('effects', %s) RETURNING id",
        (TASK,),
    )
    row = await cursor.fetchone()
    return int(row[0])  # type: ignore[index]


async def test_a_worker_whose_database_is_not_there_yet_waits_for_it(
    private_cluster: TestCluster, tmp_path: Path
) -> None:
    count = Count()
    stop, ready = asyncio.Event(), asyncio.Event()
    async with cluster_of_its_own(private_cluster, tmp_path) as engine:
        await asyncio.to_thread(private_cluster.server.stop)
        crew = supervisor(engine, [count.spec])
        running = asyncio.create_task(crew.run(stop, ready=ready.set))
        await until(lambda: crew.report.lives > 1, within=20)
        assert not ready.is_set()
        await asyncio.to_thread(private_cluster.server.start)
        async with asyncio.timeout(20):
            await ready.wait()
            stop.set()
            await running


async def test_pauses_grow_to_their_bound_and_begin_small_again() -> None:
    pauses = Pauses()
    waits = [pauses.take() for _ in range(12)]
    assert 0.1 <= waits[0] <= 0.3
    assert all(wait <= LONGEST_PAUSE_S * 1.5 for wait in waits)
    assert max(waits) > LONGEST_PAUSE_S / 2
    pauses.reset()
    assert pauses.take() <= 0.3


async def test_a_lost_notification_costs_half_a_second(engine: Engine) -> None:
    count = Count()
    crew = supervisor(engine, [count.spec])
    crew.listen = False
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(crew.run(stop, ready=ready.set))
    async with asyncio.timeout(20):
        await ready.wait()
        job_id = await enqueue(engine, TASK)
        await until(lambda: job_id in count.ran, within=5)
        stop.set()
        await running
    assert await write(engine, "SELECT count(*) FROM public.procrastinate_workers") == 0
