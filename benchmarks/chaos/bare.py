"""A worker process of bare procrastinate: ``python -m benchmarks.chaos.bare URL``.

Its own worker, as its documentation starts it: no supervisor, no rescue, nothing set but the
number of jobs at a time; a job that fails is not tried again. It runs the same job as ours: a
short wait, then one row.
"""

from __future__ import annotations

import asyncio
import os
import sys

import procrastinate
from psycopg_pool import AsyncConnectionPool

from benchmarks.chaos.sides import CONCURRENCY, QUEUE, TASK, WORK_S

INSERT = "INSERT INTO chaos_runs (n, job_id, pid) VALUES (%s, %s, %s)"


async def work(url: str) -> None:
    """Returns or raises when procrastinate's worker gives up."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    pool = AsyncConnectionPool(url, min_size=1, max_size=CONCURRENCY, open=False)

    @app.task(name=TASK, queue=QUEUE, pass_context=True)
    async def one_row(context: procrastinate.JobContext, n: int) -> None:
        await asyncio.sleep(WORK_S)
        async with pool.connection() as connection:
            await connection.execute(INSERT, (n, context.job.id, os.getpid()))

    async with pool, app.open_async():
        await app.run_worker_async(concurrency=CONCURRENCY)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
