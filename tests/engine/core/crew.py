"""A worker on tasks of a test's own, and a look into the queue that it works on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.connections import Address
from cairnloop_engine.core.jobs import Queues, TaskSpec
from cairnloop_engine.core.rescue import Windows, rescue_stranded
from cairnloop_engine.core.supervisor import Supervisor, WorkerPlan, WorkerReport

SYSTEM = Caller.system("test")
# The production windows, some twenty times as fast.
QUICK = Windows(
    heartbeat=timedelta(seconds=0.4),
    dead_after=timedelta(seconds=1.5),
    sweep_every=timedelta(seconds=0.4),
    recovering=timedelta(0),
)


def supervisor(
    engine: Engine, specs: Sequence[TaskSpec], *, windows: Windows = QUICK, **plan: Any
) -> Supervisor:
    """A supervisor on the engine's database, without the engine's own tasks."""
    secret = engine.settings.database_url
    assert secret is not None
    return Supervisor(
        connection=Address.parse(secret.get_secret_value()).driver_arguments(pgbouncer=False),
        specs=specs,
        sweeps=(),
        plan=WorkerPlan(**plan),
        windows=windows,
    )


@asynccontextmanager
async def at_work(
    engine: Engine, specs: Sequence[TaskSpec], *, windows: Windows = QUICK, **plan: Any
) -> AsyncIterator[Supervisor]:
    """A worker that has begun; asked to stop when the block ends."""
    crew = supervisor(engine, specs, windows=windows, **plan)
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(crew.run(stop, ready=ready.set))
    async with asyncio.timeout(20):
        await ready.wait()
    try:
        yield crew
    finally:
        stop.set()
        await running


async def drained(engine: Engine, specs: Sequence[TaskSpec], **plan: Any) -> WorkerReport:
    """What a worker did that ran until nothing was due."""
    return await supervisor(engine, specs, drain=True, **plan).run(asyncio.Event())


async def enqueue(engine: Engine, task: str, queue: Queues = Queues.EFFECTS, **args: Any) -> int:
    """Put a job into the queue; its number."""
    return int(
        await write(
            engine,
            "INSERT INTO public.procrastinate_jobs (queue_name, task_name, args)"
            " VALUES (:queue, :task, CAST(:args AS jsonb)) RETURNING id",
            queue=queue.value,
            task=task,
            args=json.dumps(args),
        )
    )


async def write(engine: Engine, statement: str, **params: Any) -> Any:
    """Run one statement; the first value that it returns, if it returns any."""
    async with engine.db.engine.begin() as connection:
        done = await connection.execute(text(statement), params)
        return done.scalar() if done.returns_rows else None


async def rows(engine: Engine, statement: str, **params: Any) -> list[tuple[Any, ...]]:
    async with engine.db.engine.begin() as connection:
        return [tuple(row) for row in await connection.execute(text(statement), params)]


async def queue(engine: Engine) -> list[tuple[str, str, int]]:
    """Every job: task, state, attempts."""
    return await rows(
        engine,
        "SELECT task_name, status::text, attempts FROM public.procrastinate_jobs ORDER BY id",
    )


async def letters(engine: Engine) -> list[tuple[str, str, int]]:
    """Every dead letter: task, reason, attempts."""
    return await rows(
        engine, "SELECT task, reason, attempts FROM cairnloop.dead_letters ORDER BY id"
    )


async def due_now(engine: Engine) -> None:
    """Let no job wait for its next try."""
    await write(engine, "UPDATE public.procrastinate_jobs SET scheduled_at = now()")


async def rescue(engine: Engine, specs: Sequence[TaskSpec], windows: Windows = QUICK) -> int:
    return await rescue_stranded(engine.db, {one.name: one for one in specs}, windows=windows)
