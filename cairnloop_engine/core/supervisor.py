"""The worker process: procrastinate inside a supervisor that outlives the database's absence.

procrastinate's own worker exits when its database is away for half a minute. Here each life of
it is one turn of a loop: pool and worker are rebuilt, with jittered pauses, until somebody asks
the process to stop. Beside it run the sweeps, each in a loop of its own.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import procrastinate
from procrastinate.worker import Worker
from psycopg_pool import AsyncConnectionPool

from cairnloop_engine.core.errors import Refused
from cairnloop_engine.core.jobs import Backoff, JobContext, Queues, Sweep, TaskSpec
from cairnloop_engine.core.rescue import DEAD_AFTER, HEARTBEAT

log = logging.getLogger(__name__)

SHORTEST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
# A job with a date is found by polling: this is how late it may start.
POLL_S = 0.5
# How long a connection may take: a stop request waits no longer than this.
PATIENCE_S = 3.0
# Connections a worker needs beside its jobs: fetch, heartbeat, listen.
SPARE_CONNECTIONS = 3


@dataclass(slots=True)
class WorkerReport:
    """What a worker did: ``ran`` finished runs, of which ``failed`` ended in an error."""

    ran: int = 0
    failed: int = 0
    lives: int = 0


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What a worker process is told to do. ``queues`` empty means all; ``drain`` stops when
    nothing is due."""

    queues: tuple[Queues, ...] = ()
    concurrency: int = 4
    drain: bool = False
    drain_timeout: timedelta = timedelta(seconds=30)


@dataclass(slots=True)
class Supervisor:
    """Keeps a procrastinate worker alive until asked to stop."""

    connection: dict[str, Any]
    specs: Sequence[TaskSpec]
    sweeps: Sequence[Sweep]
    plan: WorkerPlan
    listen: bool = True
    report: WorkerReport = field(default_factory=WorkerReport)

    async def run(
        self, stop: asyncio.Event, *, ready: Callable[[], None] | None = None
    ) -> WorkerReport:
        """Work until ``stop`` is set, or, draining, until nothing is due."""
        duties = [asyncio.create_task(self._sweep(one), name=one.name) for one in self.sweeps]
        pause = SHORTEST_PAUSE_S
        try:
            while not stop.is_set():
                lived = await self._live_once(stop, ready)
                if lived and self.plan.drain:
                    break
                if stop.is_set():
                    break
                pause = SHORTEST_PAUSE_S if lived else min(LONGEST_PAUSE_S, pause * 2)
                await _pause(stop, pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads restarts
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
        return self.report

    async def _live_once(self, stop: asyncio.Event, ready: Callable[[], None] | None) -> bool:
        """One life of a worker; False when it ended because something broke."""
        self.report.lives += 1
        app = self._app()
        try:
            async with self._pool() as pool, app.open_async(pool):
                if ready is not None:
                    ready()
                await _run_until(stop, self._worker(app))
        except Exception as error:
            log.warning("the worker lost its footing and starts again: %s", type(error).__name__)
            return False
        if not stop.is_set() and not self.plan.drain:
            log.warning("the worker stopped by itself and starts again")
            return False
        return True

    @asynccontextmanager
    async def _pool(self) -> AsyncIterator[AsyncConnectionPool]:
        """The worker's connections; gives up soon, because the loop comes back anyway."""
        pool = AsyncConnectionPool(
            kwargs=self.connection,
            min_size=1,
            max_size=self.plan.concurrency + SPARE_CONNECTIONS,
            timeout=PATIENCE_S,
            reconnect_timeout=PATIENCE_S,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        try:
            await pool.open(wait=True, timeout=PATIENCE_S)
            yield pool
        finally:
            await pool.close()

    def _app(self) -> procrastinate.App:
        app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        for spec in self.specs:
            app.task(
                name=spec.name,
                queue=spec.queue.value,
                retry=Backoff(spec.retries),
                pass_context=True,
            )(self._runner(spec))
        return app

    def _worker(self, app: procrastinate.App) -> Worker:
        return Worker(
            app,
            queues=[queue.value for queue in self.plan.queues] or None,
            name="cairnloop",
            concurrency=self.plan.concurrency,
            wait=not self.plan.drain,
            fetch_job_polling_interval=POLL_S,
            shutdown_graceful_timeout=self.plan.drain_timeout.total_seconds(),
            listen_notify=self.listen,
            delete_jobs="successful",
            install_signal_handlers=False,
            update_heartbeat_interval=HEARTBEAT.total_seconds(),
            stalled_worker_timeout=DEAD_AFTER.total_seconds(),
        )

    def _runner(self, spec: TaskSpec) -> Callable[..., Any]:
        async def run(context: procrastinate.JobContext, **args: Any) -> None:
            job = JobContext(args, context.job.id or 0, context.job.attempts + 1)
            self.report.ran += 1
            try:
                async with asyncio.timeout(spec.hard_cap.total_seconds()):
                    await spec.run(job)
            except Refused as refusal:
                # Trying again cannot help; the refusal itself is the outcome.
                log.info("job skipped: %s", refusal.code, extra={"task": spec.name})
            except Exception:
                self.report.failed += 1
                raise

        return run

    async def _sweep(self, sweep: Sweep) -> None:
        while True:
            try:
                await sweep.run()
            except Exception as error:
                # The next round tries again; a sweep must never take the worker down.
                log.warning("sweep failed: %s (%s)", sweep.name, type(error).__name__)
            await asyncio.sleep(sweep.every.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311


async def _run_until(stop: asyncio.Event, worker: Worker) -> None:
    async def stop_when_asked() -> None:
        await stop.wait()
        worker.stop()  # type: ignore[no-untyped-call]

    stopper = asyncio.create_task(stop_when_asked())
    try:
        await worker.run()  # type: ignore[no-untyped-call]
    finally:
        stopper.cancel()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
