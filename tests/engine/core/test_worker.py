"""The worker: runs what was committed, outlives the database's absence, rescues the stranded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Settings, Unavailable
from cairnloop_engine.conversations.release import RELEASE_TASK
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.jobs import Job, JobContext, Queues, TaskSpec
from cairnloop_engine.core.rescue import Windows, rescue_stranded
from cairnloop_engine.core.verdicts import MOST_RESCUES
from tests.postgres import TestCluster
from tests.waiting import until

SYSTEM = Caller.system("test")
ACME = Caller.customer("acme")


@asynccontextmanager
async def working(engine: Engine, **more: object) -> AsyncIterator[asyncio.Event]:
    stop, ready = asyncio.Event(), asyncio.Event()
    worker = asyncio.create_task(
        engine.run_worker(stop=stop, ready=ready.set, **more)  # type: ignore[arg-type]
    )
    async with asyncio.timeout(20):
        await ready.wait()
    try:
        yield stop
    finally:
        stop.set()
        await worker


async def jobs(engine: Engine) -> list[tuple[str, str, int]]:
    async with engine.db.read(SYSTEM) as read:
        rows = await read.session.execute(
            text("SELECT task_name, status::text, attempts FROM public.procrastinate_jobs")
        )
        return [tuple(row) for row in rows]


async def seen(engine: Engine, conversation_id: int) -> int:
    _, messages = await engine.conversations.customer_messages(
        ACME,
        conversation_id=conversation_id,  # type: ignore[arg-type]
    )
    return len(messages)


async def test_a_job_exists_if_and_only_if_its_transaction_commits(engine: Engine) -> None:
    async def enqueue_and_fail(work: Work) -> None:
        await work.enqueue(Job(RELEASE_TASK, {"workspace": "default", "message_id": 1}))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with engine.db.work(SYSTEM) as work:
            await enqueue_and_fail(work)
    assert await jobs(engine) == []

    async with engine.db.work(SYSTEM) as work:
        await work.enqueue(Job(RELEASE_TASK, {"workspace": "default", "message_id": 1}))
    assert await jobs(engine) == [(RELEASE_TASK, "todo", 0)]


async def test_a_refused_job_is_finished_not_repeated(engine: Engine) -> None:
    async with engine.db.work(SYSTEM) as work:
        await work.enqueue(Job(RELEASE_TASK, {"workspace": "default", "message_id": 404}))

    report = await engine.run_worker(drain=True)

    assert (report.ran, report.failed) == (1, 0)
    assert await jobs(engine) == []


async def test_a_held_reply_reaches_the_customer_through_the_worker(
    settings: Settings,
) -> None:
    async with Engine(settings) as engine, working(engine):
        received = await engine.conversations.ingest(ACME, customer_ref="acme", text="hi")
        await engine.conversations.reply(
            Caller.operator("maya"), received.conversation_id, "hello", hold=0.3
        )

        async def both() -> bool:
            return await seen(engine, received.conversation_id) == 2

        await until(both, within=30)


@pytest.mark.slow
async def test_the_worker_outlives_a_stopped_database_and_loses_nothing(
    private_cluster: TestCluster, tmp_path: Path
) -> None:
    url = private_cluster.copy_template("outage")
    settings = Settings.load(database_url=url, home=tmp_path)
    maya = Caller.operator("maya")
    async with Engine(settings) as engine, working(engine):
        received = await engine.conversations.ingest(ACME, customer_ref="acme", text="hi")
        await engine.conversations.reply(maya, received.conversation_id, "one", hold=1.5)
        await asyncio.to_thread(private_cluster.server.stop)

        with pytest.raises(Unavailable) as away:
            await engine.conversations.counts(maya)
        assert away.value.code == "database_unavailable"

        await asyncio.to_thread(private_cluster.server.start)

        async def released() -> bool:
            return await seen(engine, received.conversation_id) == 2

        await until(released, within=60)
        await engine.conversations.reply(maya, received.conversation_id, "two", hold=0.2)

        async def working_again() -> bool:
            return await seen(engine, received.conversation_id) == 3

        await until(working_again, within=60)


# The cluster of a test run may have started a moment ago.
SETTLED = Windows(recovering=timedelta(0))


async def strand(engine: Engine, *, heartbeat_age_s: float | None, rescues: int = 0) -> None:
    """A job in the state that a killed worker leaves behind."""
    async with engine.db.work(SYSTEM) as work:
        await work.enqueue(Job(RELEASE_TASK, {"workspace": "default", "message_id": 1}))
        worker_id = None
        if heartbeat_age_s is not None:
            worker_id = await work.session.scalar(
                text(
                    "INSERT INTO public.procrastinate_workers (last_heartbeat)"
                    " VALUES (now() - make_interval(secs => :age)) RETURNING id"
                ),
                {"age": heartbeat_age_s},
            )
        await work.session.execute(
            text(
                "UPDATE public.procrastinate_jobs SET status = 'doing', worker_id = :worker,"
                " attempts = :rescues"
            ),
            {"worker": worker_id, "rescues": rescues},
        )
        await work.session.execute(
            text(
                "INSERT INTO cairnloop.job_troubles"
                " SELECT id, 0, 0, :rescues, now(), now() FROM public.procrastinate_jobs"
            ),
            {"rescues": rescues},
        )


def spec(hard_cap: timedelta = timedelta(minutes=5)) -> dict[str, TaskSpec]:
    async def nothing(_: JobContext) -> None: ...

    return {RELEASE_TASK: TaskSpec(RELEASE_TASK, Queues.DELIVERY, nothing, hard_cap)}


@pytest.mark.parametrize("age", [None, 31.0])
async def test_a_dead_workers_job_goes_back_into_the_queue_with_one_more_attempt(
    engine: Engine, age: float | None
) -> None:
    await strand(engine, heartbeat_age_s=age)

    assert await rescue_stranded(engine.db, spec(), windows=SETTLED) == 1
    assert await jobs(engine) == [(RELEASE_TASK, "todo", 1)]


async def test_a_living_workers_job_is_left_alone_until_it_is_overdue(engine: Engine) -> None:
    await strand(engine, heartbeat_age_s=5.0)
    assert await rescue_stranded(engine.db, spec()) == 0

    async with engine.db.work(SYSTEM) as work:
        await work.session.execute(
            text("UPDATE public.procrastinate_events SET at = at - interval '10 minutes'")
        )
    assert await rescue_stranded(engine.db, spec()) == 1


async def test_a_job_that_keeps_killing_its_worker_is_put_aside_visibly(engine: Engine) -> None:
    await strand(engine, heartbeat_age_s=None, rescues=MOST_RESCUES - 2)
    assert await rescue_stranded(engine.db, spec()) == 1
    assert await jobs(engine) == [(RELEASE_TASK, "todo", MOST_RESCUES - 1)]

    async with engine.db.work(SYSTEM) as work:
        await work.session.execute(text("UPDATE public.procrastinate_jobs SET status = 'doing'"))
    assert await rescue_stranded(engine.db, spec()) == 1
    assert await jobs(engine) == []
    async with engine.db.read(SYSTEM) as read:
        letter = (
            await read.session.execute(
                text("SELECT task, reason, rescues, attempts FROM cairnloop.dead_letters")
            )
        ).one()
    assert tuple(letter) == (RELEASE_TASK, "stranded", MOST_RESCUES, MOST_RESCUES)
