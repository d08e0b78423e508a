"""A worker process of the product: ``python -m benchmarks.chaos.ours URL [fast]``.

The engine and its worker with one more task: a short wait, then one row. ``fast`` shortens the
rescue windows.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta

from sqlalchemy import text

from benchmarks.chaos.sides import CONCURRENCY, QUEUE, TASK, WORK_S
from benchmarks.machine import SCRATCH_HOME
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.jobs import JobContext, Queues, TaskSpec
from cairnloop_engine.core.rescue import PRODUCTION, Windows

# Windows of production, twenty times as fast.
FAST = Windows(
    heartbeat=timedelta(seconds=0.5),
    dead_after=timedelta(seconds=1.5),
    sweep_every=timedelta(seconds=0.5),
    recovering=timedelta(seconds=0.5),
)
INSERT = text("INSERT INTO chaos_runs (n, job_id, pid) VALUES (:n, :job, :pid)")


async def work(url: str, windows: Windows) -> None:
    """Works until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings.load(database_url=url, home=SCRATCH_HOME, embedder="hashing")
    async with Engine(settings, windows=windows) as engine:

        async def one_row(job: JobContext) -> None:
            await asyncio.sleep(WORK_S)
            told = {"n": job.integer("n"), "job": job.job_id, "pid": os.getpid()}
            async with engine.db.work(Caller.system("chaos")) as unit:
                await unit.session.execute(INSERT, told)

        adopt(engine, TaskSpec(TASK, Queues(QUEUE), one_row, timedelta(seconds=10)))
        await engine.run_worker(concurrency=CONCURRENCY, stop=stop)


def adopt(engine: Engine, spec: TaskSpec) -> None:
    """Give the engine one task more than the product has; no host can, and no host needs to."""
    engine._wired.tasks[spec.name] = spec  # type: ignore[index]  # noqa: SLF001


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], FAST if "fast" in sys.argv else PRODUCTION))
