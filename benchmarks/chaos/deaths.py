"""How long a dead worker's job waits until it runs elsewhere, with the windows of production."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from sqlalchemy import text

from benchmarks.chaos.forks import Child, children, fork
from benchmarks.chaos.load import ENQUEUE
from benchmarks.chaos.ours import INSERT, adopt
from benchmarks.machine import SCRATCH_HOME
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.jobs import JobContext, Queues, TaskSpec

HOLD = "chaos.hold"
RAN_BEFORE = text("SELECT 1 FROM chaos_runs WHERE n = :n")
STANDBYS = 2
LONGEST_S = 120.0
# Victims that start together, and how long these may take.
AT_ONCE = 8
PATIENCE_S = 60.0
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Deaths:
    """Seconds from each kill to the moment at which the job ran elsewhere, sorted."""

    waits: tuple[float, ...]
    killed: int

    @property
    def median(self) -> float:
        return self.waits[len(self.waits) // 2]

    @property
    def p95(self) -> float:
        """The wait that 95 of 100 do not exceed; of fewer than twenty the longest."""
        return self.waits[min(len(self.waits) - 1, int(len(self.waits) * 0.95))]


class DeathWatch:
    """Victims that hold one job each, killed over some seconds; then the wait for the others.

    :meth:`strike` and :meth:`waits` are apart, because half a minute lies between them in which
    something else can be measured.
    """

    def __init__(self, url: str, *, victims: int, spread: float) -> None:
        self._url, self._victims, self._spread = url, victims, spread
        self._killed: dict[int, float] = {}

    def strike(self, alive: list[Child]) -> None:
        """Start the victims, let each begin its job, start the standbys, kill the victims."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(ENQUEUE, (Queues.MAIL, HOLD, 1, self._victims))
            holders: list[Child] = []
            while len(holders) < self._victims:
                some = min(AT_ONCE, self._victims - len(holders))
                more = [fork(lambda: asyncio.run(_work(self._url, 1))) for _ in range(some)]
                alive += more
                holders += more
                _until(lambda: len(_rows(connection)) >= len(holders), PATIENCE_S)  # noqa: B023
            held = {pid: n for n, pid, _ in _rows(connection)}
            if not held:
                raise TimeoutError("no victim began its job")
            alive += [fork(lambda: asyncio.run(_work(self._url, 4))) for _ in range(STANDBYS)]
            # At any moment between two heartbeats and between two sweeps.
            for child in holders:
                time.sleep(random.uniform(0.5, 1.5) * self._spread / self._victims)
                child.kill()
                if child.pid in held:
                    self._killed[held[child.pid]] = time.time()

    def waits(self) -> Deaths:
        """Wait until every victim's job ran elsewhere, or for longer than anybody would."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            _until(lambda: len(self._again(connection)) == len(self._killed), LONGEST_S)
            again = self._again(connection)
        waits = sorted(at - self._killed[n] for n, at in again.items())
        return Deaths(tuple(waits), len(self._killed))

    def _again(self, connection: psycopg.Connection) -> dict[int, float]:
        """When each job first ran after its worker was killed."""
        later = [(n, at) for n, _, at in _rows(connection) if at > self._killed.get(n, at)]
        return {n: min(at for other, at in later if other == n) for n, _ in later}


def watch(url: str, *, victims: int, spread: float) -> Deaths:
    """The whole measurement at once."""
    with children() as alive:
        deaths = DeathWatch(url, victims=victims, spread=spread)
        deaths.strike(alive)
        return deaths.waits()


async def _work(url: str, concurrency: int) -> None:
    """A worker whose jobs hang the first time they run, and end at once the second time."""
    async with Engine(
        Settings.load(database_url=url, home=SCRATCH_HOME, embedder="hashing")
    ) as engine:

        async def hold(job: JobContext) -> None:
            told = {"n": job.integer("n"), "job": job.job_id, "pid": os.getpid()}
            async with engine.db.work(Caller.system("chaos")) as work:
                first = not await work.session.scalar(RAN_BEFORE, {"n": told["n"]})
                await work.session.execute(INSERT, told)
            if first:
                await asyncio.Event().wait()

        adopt(engine, TaskSpec(HOLD, Queues.MAIL, hold, timedelta(minutes=10)))
        await engine.run_worker(queues=[Queues.MAIL], concurrency=concurrency)


def _rows(connection: psycopg.Connection) -> list[tuple[int, int, float]]:
    """Every run so far: job, process, moment."""
    found = connection.execute("SELECT n, pid, extract(epoch FROM at)::float8 FROM chaos_runs")
    return [(int(n), int(pid), float(at)) for n, pid, at in found.fetchall()]


def _until(condition: Callable[[], bool], within: float) -> None:
    """Wait, but not for ever; who asks looks at what came of it."""
    until = time.monotonic() + within
    while not condition() and time.monotonic() < until:
        time.sleep(_PAUSE_S)
