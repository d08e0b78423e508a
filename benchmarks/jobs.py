"""What our job layer costs and gains beside bare procrastinate, in one run.

Run it with ``python -m benchmarks.jobs [--out FILE]``; it takes about a minute. Both sides drain
the same number of jobs that do nothing, in turns, on one cluster, with the same connection
settings, the same concurrency and finished jobs deleted; the ratio is that of the medians.
"Enqueue to start" is the time from the call that enqueues a job, the commit of its transaction
included, to the first line of the task in another process; "whole transaction" begins where the
transaction does. Bare procrastinate has no transaction to wait for: it commits at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import procrastinate
import psycopg

from benchmarks.machine import SCRATCH_HOME, described
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.connections import Address
from cairnloop_engine.core.embedded import EmbeddedPostgres
from cairnloop_engine.core.jobs import Enqueuer, Job, JobContext, Queues, TaskSpec
from cairnloop_engine.core.supervisor import Supervisor, WorkerPlan

TASK = "benchmark.nothing"
QUEUE = Queues.MAINTENANCE
CONCURRENCY = 4
ROUNDS = 5
JOBS = 1_000
ENQUEUED = 300
# Idle enough that a worker has gone back to sleep between two jobs.
BETWEEN_S = 0.02
SYSTEM = Caller.system("benchmark")

FILL = (
    "INSERT INTO public.procrastinate_jobs (queue_name, task_name)"
    f" SELECT '{QUEUE.value}', '{TASK}' FROM generate_series(1, %s)"
)


async def nothing(_: object) -> None:
    """The task of the throughput measurement."""


def spec(run: Any = nothing) -> TaskSpec:
    return TaskSpec(TASK, QUEUE, run)


def arguments(url: str) -> dict[str, Any]:
    return Address.parse(url).driver_arguments(pgbouncer=False)


async def drain_ours(url: str) -> float:
    """Seconds in which our worker empties the queue."""
    plan = WorkerPlan(queues=(QUEUE,), concurrency=CONCURRENCY, drain=True)
    supervisor = Supervisor(connection=arguments(url), specs=[spec()], sweeps=(), plan=plan)
    began = time.perf_counter()
    report = await supervisor.run(asyncio.Event())
    taken = time.perf_counter() - began
    assert (report.ran, report.failed) == (JOBS, 0), report
    return taken


def bare_app(
    url: str, *, tell: Callable[[int], None] = lambda _: None
) -> tuple[procrastinate.App, list[int]]:
    """procrastinate as its manual shows it, and the jobs that it ran."""
    connector = procrastinate.PsycopgConnector(
        kwargs=arguments(url), min_size=1, max_size=CONCURRENCY + 4
    )
    app = procrastinate.App(connector=connector)
    ran: list[int] = []

    @app.task(name=TASK, queue=QUEUE.value, pass_context=True)
    async def task(context: procrastinate.JobContext) -> None:
        ran.append(context.job.id or 0)
        tell(context.job.id or 0)

    return app, ran


async def drain_bare(url: str) -> float:
    """Seconds in which procrastinate's own worker empties the queue."""
    app, ran = bare_app(url)
    async with app.open_async():
        began = time.perf_counter()
        await app.run_worker_async(
            queues=[QUEUE.value],
            concurrency=CONCURRENCY,
            wait=False,
            delete_jobs="successful",
            install_signal_handlers=False,
        )
        taken = time.perf_counter() - began
    assert len(ran) == JOBS, len(ran)
    return taken


def refill(url: str) -> None:
    """The same queue for either side: full, and swept of what the last round left."""
    with psycopg.connect(autocommit=True, **arguments(url)) as connection:
        connection.execute("TRUNCATE public.procrastinate_jobs CASCADE")
        connection.execute(FILL, (JOBS,))
        connection.execute("VACUUM ANALYZE public.procrastinate_jobs")
        connection.execute("CHECKPOINT")


async def throughput(url: str) -> dict[str, Any]:
    taken: dict[str, list[float]] = {"ours": [], "bare": []}
    for number in range(ROUNDS):
        sides = [("ours", drain_ours), ("bare", drain_bare)]
        for name, drain in sides if number % 2 == 0 else reversed(sides):
            refill(url)
            taken[name].append(JOBS / await drain(url))
    ours, bare = (statistics.median(taken[name]) for name in ("ours", "bare"))
    return {
        "jobs": JOBS,
        "rounds": ROUNDS,
        "concurrency": CONCURRENCY,
        "ours_per_second": round(ours),
        "bare_per_second": round(bare),
        "ratio": round(ours / bare, 2),
        "each_round": {name: [round(one) for one in values] for name, values in taken.items()},
    }


async def latency(engine: Engine, url: str) -> dict[str, Any]:
    """Milliseconds from enqueueing to the task's first line, in a worker of its own process."""
    enqueuer = Enqueuer()
    enqueuer.know({TASK: spec()})
    opened: dict[int, float] = {}

    async def ours() -> tuple[int, float]:
        began = time.monotonic()
        async with engine.db.work(SYSTEM) as work:
            asked = time.monotonic()
            job_id = await enqueuer.put(work.session, Job(TASK))
        opened[job_id] = began
        return job_id, asked

    app, _ = bare_app(url)
    async with app.open_async():
        deferrer = app.configure_task(TASK, allow_unknown=True, queue=QUEUE.value)

        async def bare() -> tuple[int, float]:
            asked = time.monotonic()
            return await deferrer.defer_async(), asked

        asked, started = await timed(url, "ours", ours)
        bare_asked, bare_started = await timed(url, "bare", bare)
    return {
        "jobs": ENQUEUED,
        "enqueue_to_start_ms": percentiles(started, asked),
        "whole_transaction_to_start_ms": percentiles(started, opened),
        "bare_enqueue_to_start_ms": percentiles(bare_started, bare_asked),
    }


async def timed(
    url: str, side: str, enqueue: Callable[[], Awaitable[tuple[int, float]]]
) -> tuple[dict[int, float], dict[int, float]]:
    """When each job was asked for, and when it started."""
    asked: dict[int, float] = {}
    started: dict[int, float] = {}
    async with worker_process(url, side) as said:
        for _ in range(ENQUEUED):
            job_id, moment = await enqueue()
            asked[job_id] = moment
            await asyncio.sleep(BETWEEN_S)
        async with asyncio.timeout(60):
            while len(started) < ENQUEUED:
                told, at = (await said.readline()).split()
                started[int(told)] = float(at)
    return asked, started


def percentiles(ends: dict[int, float], begins: dict[int, float]) -> dict[str, float]:
    taken = sorted((at - begins[one]) * 1000 for one, at in ends.items())
    return {f"p{at}": round(taken[int(len(taken) * at / 100)], 2) for at in (50, 95, 99)}


@asynccontextmanager
async def worker_process(url: str, side: str) -> AsyncIterator[asyncio.StreamReader]:
    """A worker in a process of its own; it tells the number and moment of each job it starts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.jobs",
        "--work",
        url,
        "--side",
        side,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert (await process.stdout.readline()).strip() == b"ready"
        # The listener has its connection a moment after the worker has its number.
        await asyncio.sleep(1.0)
        yield process.stdout
    finally:
        process.terminate()
        await process.wait()


async def work_ours(url: str) -> None:
    """The other end of :func:`worker_process`."""

    async def tell(job: JobContext) -> None:
        started(job.job_id)

    plan = WorkerPlan(queues=(QUEUE,), concurrency=CONCURRENCY)
    supervisor = Supervisor(connection=arguments(url), specs=[spec(tell)], sweeps=(), plan=plan)
    await supervisor.run(asyncio.Event(), ready=lambda: print("ready", flush=True))


async def work_bare(url: str) -> None:
    """The same with procrastinate's own worker."""
    app, _ = bare_app(url, tell=started)
    async with app.open_async():
        print("ready", flush=True)
        await app.run_worker_async(
            queues=[QUEUE.value],
            concurrency=CONCURRENCY,
            delete_jobs="successful",
            install_signal_handlers=False,
        )


def started(job_id: int) -> None:
    sys.stdout.write(f"{job_id} {time.monotonic()}\n")
    sys.stdout.flush()


async def measured() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="cairnloop-bench-") as home:
        server = EmbeddedPostgres(Path(home))
        url = server.start().url().render_as_string(hide_password=False)
        try:
            settings = Settings.load(database_url=url, home=SCRATCH_HOME, embedder="hashing")
            async with Engine(settings) as engine:
                await engine.migrate()
                return {
                    "throughput": await throughput(url),
                    "latency": await latency(engine, url),
                }
        finally:
            await asyncio.to_thread(server.stop)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=("ours", "bare"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    logging.basicConfig(level="ERROR")
    if chosen.work:
        asyncio.run((work_bare if chosen.side == "bare" else work_ours)(chosen.work))
        return
    result = {"machine": described(), **asyncio.run(measured())}
    through, latencies = result["throughput"], result["latency"]
    late, bare = latencies["enqueue_to_start_ms"], latencies["bare_enqueue_to_start_ms"]
    print(
        f"no-op jobs: ours {through['ours_per_second']}/s, bare {through['bare_per_second']}/s,"
        f" ratio {through['ratio']} (the promise is 0.9)"
    )
    print(
        f"enqueue to start: p50 {late['p50']} ms, p95 {late['p95']} ms (the promise is 10 and 25);"
        f" bare {bare['p50']} and {bare['p95']} ms"
    )
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
