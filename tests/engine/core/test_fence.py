"""The fence, run by run: who owns a job, who may end it, and what a run is told of itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cairnloop_engine import Caller, Engine, Misconfigured, Settings
from cairnloop_engine.core import fencing
from cairnloop_engine.core.connections import Address
from cairnloop_engine.core.fencing import Run
from cairnloop_engine.core.jobs import JobContext, Queues, TaskSpec
from cairnloop_engine.core.rescue import (
    DEAD_AFTER,
    HEARTBEAT,
    PRODUCTION,
    SWEEP_EVERY,
    Windows,
    check_windows,
    overdue_after,
)
from cairnloop_engine.core.verdicts import Failure
from tests.engine.core.crew import (
    QUICK,
    at_work,
    drained,
    enqueue,
    letters,
    queue,
    rescue,
    supervisor,
    write,
)
from tests.waiting import until

SYSTEM = Caller.system("test")
TASK = "test.task"


async def nothing(_: JobContext) -> None: ...


SPEC = TaskSpec(TASK, Queues.EFFECTS, nothing)


@asynccontextmanager
async def line(settings: Settings) -> AsyncIterator[psycopg.AsyncConnection[object]]:
    assert settings.database_url is not None
    where = Address.parse(settings.database_url.get_secret_value())
    async with await psycopg.AsyncConnection.connect(
        autocommit=True, **where.driver_arguments(pgbouncer=False)
    ) as connection:
        yield connection


async def taken(engine: Engine, connection: psycopg.AsyncConnection[object]) -> Run:
    """A job in the hands of a new worker."""
    worker_id = int(
        await write(engine, "INSERT INTO public.procrastinate_workers DEFAULT VALUES RETURNING id")
    )
    (fetched,) = await fencing.fetch(connection, queues=None, worker_id=worker_id, most=4)
    return fetched.run


async def lose(engine: Engine, run: Run) -> None:
    """What a rescue does to a worker that was believed dead."""
    await write(
        engine,
        "UPDATE public.procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"
        " WHERE id = :worker",
        worker=run.worker_id,
    )
    assert await rescue(engine, [SPEC]) == 1


def test_the_windows_of_production_are_those_that_were_promised() -> None:
    seconds = [one.total_seconds() for one in (HEARTBEAT, DEAD_AFTER, SWEEP_EVERY)]
    assert seconds == [10, 30, 10]
    assert (PRODUCTION.heartbeat, PRODUCTION.dead_after) == (HEARTBEAT, DEAD_AFTER)
    assert overdue_after(SPEC) == SPEC.hard_cap + 2 * HEARTBEAT


async def test_a_stale_run_can_neither_finish_nor_repeat_nor_bury_a_job_that_runs_elsewhere(
    engine: Engine, settings: Settings
) -> None:
    job_id = await enqueue(engine, TASK)
    async with line(settings) as ours, line(settings) as theirs:
        stale = await taken(engine, ours)
        await lose(engine, stale)
        live = await taken(engine, theirs)
        assert (stale.job_id, live.job_id) == (job_id, job_id)
        assert stale.token != live.token

        assert await fencing.finish(ours, [stale]) == set()
        assert await fencing.release(ours, stale) is None
        for retries in (0, 3):
            spec = TaskSpec(TASK, Queues.EFFECTS, nothing, retries=retries)
            failure = Failure.of(ZeroDivisionError())
            said = await fencing.give_up(
                ours, stale, failure, schema="cairnloop", spec=spec, jitter=1.0
            )
            assert said is None
        assert await queue(engine) == [(TASK, "doing", 1)]
        assert await letters(engine) == []

        assert await fencing.finish(theirs, [live]) == {live}
        assert await queue(engine) == []


async def test_runs_that_finish_together_are_judged_one_by_one(
    engine: Engine, settings: Settings
) -> None:
    async with line(settings) as connection:
        await enqueue(engine, TASK)
        stale = await taken(engine, connection)
        await lose(engine, stale)
        await enqueue(engine, TASK)
        worker_id = stale.worker_id
        fetched = await fencing.fetch(connection, queues=None, worker_id=worker_id, most=4)
        live = [one.run for one in fetched]
        assert len(live) == 2

        assert await fencing.finish(connection, [stale, *live]) == set(live)


async def test_the_same_worker_taking_its_job_again_is_another_run(
    engine: Engine, settings: Settings
) -> None:
    await enqueue(engine, TASK)
    async with line(settings) as connection:
        first = await taken(engine, connection)
        await lose(engine, first)
        (second,) = await fencing.fetch(connection, queues=None, worker_id=first.worker_id, most=1)
        assert second.run.token != first.token
        assert await fencing.finish(connection, [first]) == set()


async def test_a_run_that_asks_keeps_its_job_until_what_it_writes_is_committed(
    engine: Engine, settings: Settings
) -> None:
    await enqueue(engine, TASK)
    async with line(settings) as connection:
        run = await taken(engine, connection)
    mine = JobContext({}, run.job_id, run.attempts + 1, run.token, run.worker_id)
    async with engine.db.work(SYSTEM) as work:
        assert await fencing.still_mine(work, mine)
        await _grow_old(engine)
        # Another worker's sweep, in a transaction of its own.
        assert await _elsewhere(rescue(engine, [SPEC])) == 0
    assert await rescue(engine, [SPEC]) == 1
    async with engine.db.read(SYSTEM) as read:
        assert not await fencing.still_mine(read, mine)


async def _elsewhere(doing: Coroutine[Any, Any, int]) -> int:
    return await asyncio.create_task(doing, context=Context())


async def _grow_old(engine: Engine) -> None:
    await write(
        engine,
        "UPDATE public.procrastinate_workers SET last_heartbeat = now() - interval '1 hour'",
    )


async def test_each_run_is_told_a_token_of_its_own_and_the_number_of_its_job(
    engine: Engine,
) -> None:
    told: list[JobContext] = []

    async def fails_once(job: JobContext) -> None:
        told.append(job)
        if len(told) == 1:
            raise ZeroDivisionError

    spec = TaskSpec(TASK, Queues.EFFECTS, fails_once)
    job_id = await enqueue(engine, TASK, workspace="default")
    for _ in range(2):
        await write(engine, "UPDATE public.procrastinate_jobs SET scheduled_at = now()")
        await drained(engine, [spec])

    assert [(one.job_id, one.attempt) for one in told] == [(job_id, 1), (job_id, 2)]
    assert told[0].token != told[1].token
    assert told[0].worker_id != told[1].worker_id
    assert all(one.workspace == "default" for one in told)


async def test_a_job_that_stands_as_running_at_a_worker_that_does_not_run_it_comes_back(
    engine: Engine,
) -> None:
    ran = asyncio.Event()

    async def body(_: JobContext) -> None:
        ran.set()

    async with at_work(engine, [TaskSpec(TASK, Queues.EFFECTS, body)]):
        # What an error after the run leaves behind: its owner lives, and knows nothing of it.
        await write(
            engine,
            "INSERT INTO public.procrastinate_jobs (queue_name, task_name, status, worker_id)"
            " SELECT 'effects', :task, 'doing', max(id) FROM public.procrastinate_workers",
            task=TASK,
        )
        async with asyncio.timeout(20):
            await ran.wait()


async def test_a_run_that_was_taken_away_is_told_so_and_stands_down(engine: Engine) -> None:
    began, told = asyncio.Event(), asyncio.Event()

    async def body(_: JobContext) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.set()
            raise

    async with at_work(engine, [TaskSpec(TASK, Queues.EFFECTS, body)], concurrency=1):
        await enqueue(engine, TASK)
        async with asyncio.timeout(20):
            await began.wait()
            await write(
                engine,
                "UPDATE public.procrastinate_jobs SET status = 'todo', worker_id = NULL,"
                " attempts = attempts + 1, scheduled_at = now() + interval '1 hour'",
            )
            await told.wait()
    assert await queue(engine) == [(TASK, "todo", 1)]


async def test_cancelled_by_a_shutdown_is_not_an_attempt(engine: Engine) -> None:
    began = asyncio.Event()

    async def body(_: JobContext) -> None:
        began.set()
        await asyncio.Event().wait()

    spec = TaskSpec(TASK, Queues.EFFECTS, body, retries=0)
    async with at_work(engine, [spec], drain_timeout=timedelta(seconds=0.1)):
        await enqueue(engine, TASK)
        async with asyncio.timeout(20):
            await began.wait()

    assert await queue(engine) == [(TASK, "todo", 0)]
    assert await letters(engine) == []


async def test_a_stopping_worker_lets_its_runs_finish_and_its_heart_beats_meanwhile(
    engine: Engine,
) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def body(_: JobContext) -> None:
        began.set()
        await go.wait()

    heartbeat = "SELECT max(last_heartbeat) FROM public.procrastinate_workers"

    async def beats_and_goes() -> None:
        before = await write(engine, heartbeat)
        await until(lambda: _is_newer(engine, heartbeat, before), within=20)
        go.set()

    async with at_work(engine, [TaskSpec(TASK, Queues.EFFECTS, body)]):
        await enqueue(engine, TASK)
        async with asyncio.timeout(20):
            await began.wait()
        helper = asyncio.create_task(beats_and_goes())
    await helper
    assert await queue(engine) == []


async def _is_newer(engine: Engine, statement: str, than: object) -> bool:
    found = await write(engine, statement)
    return bool(found and found > than)


async def test_a_twin_that_waits_under_the_same_queueing_lock_supersedes_the_job_that_failed(
    engine: Engine,
) -> None:
    async def fails(_: JobContext) -> None:
        raise ZeroDivisionError

    await enqueue(engine, TASK)
    await write(
        engine, "UPDATE public.procrastinate_jobs SET status = 'doing', queueing_lock = 'one'"
    )
    await enqueue(engine, TASK)
    await write(
        engine,
        "UPDATE public.procrastinate_jobs SET queueing_lock = 'one' WHERE status = 'todo'",
    )

    assert await rescue(engine, [TaskSpec(TASK, Queues.EFFECTS, fails)]) == 1
    assert await queue(engine) == [(TASK, "cancelled", 1), (TASK, "todo", 0)]


async def test_of_two_stranded_jobs_under_one_queueing_lock_one_goes_back(engine: Engine) -> None:
    for _ in range(2):
        await enqueue(engine, TASK)
        await write(
            engine, "UPDATE public.procrastinate_jobs SET status = 'doing', queueing_lock = 'one'"
        )

    assert await rescue(engine, [SPEC]) == 2
    assert await queue(engine) == [(TASK, "todo", 1), (TASK, "cancelled", 1)]


async def test_a_window_in_which_a_healthy_run_could_lose_its_job_is_refused_at_start(
    engine: Engine, settings: Settings
) -> None:
    short = TaskSpec(
        TASK,
        Queues.EFFECTS,
        nothing,
        hard_cap=timedelta(seconds=60),
        overdue_after=timedelta(seconds=79),
    )
    with pytest.raises(Misconfigured) as refusal:
        check_windows([short])
    assert refusal.value.code == "overdue_window_short"
    assert TASK in refusal.value.message
    assert "80 s" in refusal.value.message

    with pytest.raises(Misconfigured) as refusal:
        await supervisor(engine, [short], windows=PRODUCTION).run(asyncio.Event())
    assert refusal.value.code == "overdue_window_short"

    hasty = Windows(heartbeat=timedelta(seconds=10), dead_after=timedelta(seconds=19))
    with pytest.raises(Misconfigured) as refusal:
        async with Engine(settings, windows=hasty):
            pass
    assert refusal.value.code == "dead_window_short"


async def test_nobody_is_believed_dead_while_postgres_has_only_just_come_back(
    engine: Engine, settings: Settings
) -> None:
    await enqueue(engine, TASK)
    async with line(settings) as connection:
        await taken(engine, connection)
    await _grow_old(engine)

    just_back = Windows(QUICK.heartbeat, QUICK.dead_after, QUICK.sweep_every, timedelta(days=1))
    assert await rescue(engine, [SPEC], just_back) == 0
    assert await rescue(engine, [SPEC]) == 1
