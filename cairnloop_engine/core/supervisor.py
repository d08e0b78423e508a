"""The worker process: a worker inside a supervisor that outlives the database's absence.

A worker survives most of what a database does; when it could not even begin, or broke, the
supervisor builds another, with jittered pauses, until somebody asks the process to stop. Beside
it run the sweeps, each in a loop of its own.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cairnloop_engine.core.jobs import Sweep, TaskSpec
from cairnloop_engine.core.plan import Bench, Pauses, WorkerPlan, WorkerReport
from cairnloop_engine.core.rescue import Windows, check_windows
from cairnloop_engine.core.tables import SCHEMA
from cairnloop_engine.core.worker import FencedWorker

log = logging.getLogger(__name__)

# A sweep that does not come back must not be the last.
SWEEP_PATIENCE_S = 300.0


@dataclass(slots=True)
class Supervisor:
    """Keeps a worker alive until asked to stop."""

    connection: dict[str, Any]
    specs: Sequence[TaskSpec]
    sweeps: Sequence[Sweep]
    plan: WorkerPlan
    listen: bool = True
    report: WorkerReport = field(default_factory=WorkerReport)
    schema: str = SCHEMA
    windows: Windows = field(default_factory=Windows)

    async def run(
        self, stop: asyncio.Event, *, ready: Callable[[], None] | None = None
    ) -> WorkerReport:
        """Work until ``stop`` is set, or, draining, until nothing is due.

        Raises:
            Misconfigured: a window in which a job could be taken from a healthy run.
        """
        check_windows(self.specs, self.windows)
        duties = [asyncio.create_task(_sweeping(one), name=one.name) for one in self.sweeps]
        pauses = Pauses()
        try:
            while not stop.is_set():
                lived = await self._live_once(stop, ready)
                if lived and self.plan.drain:
                    break
                if lived:
                    pauses.reset()
                await _pause(stop, pauses.take())
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
        if self.plan.drain and not stop.is_set():
            await asyncio.gather(*(_sweep_once(one) for one in self.sweeps if one.after_drain))
        return self.report

    async def _live_once(self, stop: asyncio.Event, ready: Callable[[], None] | None) -> bool:
        """One life of a worker; False when it ended because something broke."""
        self.report.lives += 1
        worker = FencedWorker(
            Bench(
                connection=self.connection,
                specs={spec.name: spec for spec in self.specs},
                plan=self.plan,
                report=self.report,
                listen=self.listen,
                schema=self.schema,
                windows=self.windows,
                ready=ready,
            )
        )
        try:
            await _run_until(stop, worker)
        except Exception as error:
            log.warning("the worker lost its footing and starts again: %s", type(error).__name__)
            return False
        finally:
            await worker.close()
        if not stop.is_set() and not self.plan.drain:
            log.warning("the worker stopped by itself and starts again")
            return False
        return True


async def _run_until(stop: asyncio.Event, worker: FencedWorker) -> None:
    async def stop_when_asked() -> None:
        await stop.wait()
        worker.stop()

    stopper = asyncio.create_task(stop_when_asked())
    try:
        await worker.run()  # type: ignore[no-untyped-call]
    finally:
        stopper.cancel()


async def _sweeping(sweep: Sweep) -> None:
    while True:
        await _sweep_once(sweep)
        await asyncio.sleep(sweep.every.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311


async def _sweep_once(sweep: Sweep) -> None:
    try:
        async with asyncio.timeout(SWEEP_PATIENCE_S):
            await sweep.run()
    except Exception as error:
        # The next round tries again; a sweep must never take the worker down.
        log.warning("sweep failed: %s (%s)", sweep.name, type(error).__name__)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


__all__ = ["Supervisor", "WorkerPlan", "WorkerReport"]
