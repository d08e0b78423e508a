"""The five disturbances of the published comparison, for ours and for bare procrastinate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.chaos.cluster import Cluster
from benchmarks.chaos.fleet import REPLICAS, Fleet, running
from benchmarks.chaos.judge import Balance, Judge
from benchmarks.chaos.load import Producer, produced
from benchmarks.chaos.sides import Side

IDLE_CONNECTIONS = 300
KILL_EVERY_S = 3.0
# A process that has run no job by then counts as back all the same.
BOOT_S = 15.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things last, in seconds.

    ``rest`` bounds the wait for the last job: the rescue window, a sweep and a margin. Bare
    procrastinate rescues nothing, so there ``hopeless`` seconds without a job end the wait.
    ``fast`` gives our workers short rescue windows, which the miniature has no time to wait for.
    """

    warm_up: float
    window: float
    disturbed: float
    outage: float
    rest: float
    hopeless: float
    fast: bool = False


LONG = Timing(warm_up=5, window=30, disturbed=30, outage=45, rest=75, hopeless=10)
SHORT = Timing(warm_up=1, window=2.5, disturbed=2, outage=1.5, rest=30, hopeless=30, fast=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a disturbance acts on."""

    cluster: Cluster
    database: str
    fleet: Fleet
    judge: Judge
    timing: Timing


Disturbance = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Played:
    """When a scene happened, and which jobs were acknowledged meanwhile."""

    scenario: str
    began: float
    struck: float
    ended: float
    over: float
    acknowledged: Sequence[range]
    fallen: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one side made of one scenario; rates are jobs per second.

    ``first_job_s`` is the time from the end of the disturbance to the next job; ``fallen`` counts
    worker processes that ended although nobody killed them.
    """

    scenario: str
    side: Side
    before: float
    during: float
    after: float
    first_job_s: float | None
    fallen: int
    balance: Balance

    @property
    def recovered(self) -> float:
        """The rate after the disturbance over the rate before it."""
        return self.after / self.before if self.before else 0.0


async def postgres_restart(stage: Stage) -> None:
    """Postgres is stopped under everybody, stays away, and is started."""
    await asyncio.to_thread(stage.cluster.stop)
    await asyncio.sleep(stage.timing.outage)
    await asyncio.to_thread(stage.cluster.start)


async def backend_kills(stage: Stage) -> None:
    """Twice a second every connection to the database is terminated."""
    until = time.monotonic() + stage.timing.disturbed
    async with await psycopg.AsyncConnection.connect(
        stage.cluster.url("postgres"), autocommit=True
    ) as connection:
        while time.monotonic() < until:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND pid <> pg_backend_pid()",
                (stage.database,),
            )
            await asyncio.sleep(0.5)


async def connections_held(stage: Stage) -> None:
    """Somebody holds 300 of the 400 connections, and does nothing with them."""
    url = stage.cluster.url(stage.database)
    async with AsyncExitStack() as held:
        for _ in range(IDLE_CONNECTIONS):
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
            held.push_async_callback(connection.close)
        await asyncio.sleep(stage.timing.disturbed)


async def one_replica_killed(stage: Stage) -> None:
    """One of two replicas is killed by SIGKILL; after a while it is started again.

    The disturbance is over when the new process has run a job: how long Python takes to start is
    the process manager's affair, and the same for both sides.
    """
    await stage.fleet.kill(0)
    await asyncio.sleep(stage.timing.disturbed / 3)
    await stage.fleet.replace(0)
    await _back(stage)


async def repeated_kills(stage: Stage) -> None:
    """The replicas are killed in turn, again and again, and started again each time."""
    until = time.monotonic() + stage.timing.disturbed
    turn = 0
    while time.monotonic() < until:
        await stage.fleet.kill(turn % REPLICAS)
        await stage.fleet.replace(turn % REPLICAS)
        turn += 1
        await asyncio.sleep(min(KILL_EVERY_S, stage.timing.disturbed / 2))
    await _back(stage)


SCENARIOS: dict[str, Disturbance] = {
    "Postgres stopped and started": postgres_restart,
    "stream of terminated backends": backend_kills,
    "300 idle connections held": connections_held,
    "one of two replicas killed": one_replica_killed,
    "repeated kills and restarts": repeated_kills,
}


async def play(
    names: Sequence[str], side: Side, cluster: Cluster, *, timing: Timing, log: Path
) -> list[Outcome]:
    """Scenes one after the other, with the same workers, on a database of their own."""
    database = f"{side}_{list(SCENARIOS).index(names[0])}"
    url = await asyncio.to_thread(cluster.fresh, database, side)
    judge = Judge(url)
    async with running(side, url, log, fast=timing.fast) as fleet, produced(url) as producer:
        stage = Stage(cluster, database, fleet, judge, timing)
        await _back(stage)
        await asyncio.sleep(timing.warm_up)
        played = [await _scene(name, stage, producer) for name in names]
        producer.stop()
        hopeless = timing.hopeless if side is Side.BARE else timing.rest
        await judge.at_rest(producer, within=timing.rest, hopeless_after=hopeless)
        outcomes = [await _judged(one, side, judge) for one in played]
    await asyncio.to_thread(cluster.drop, database)
    return outcomes


async def _scene(name: str, stage: Stage, producer: Producer) -> Played:
    window = stage.timing.window
    already = len(producer.acknowledged)
    began = time.time()
    await asyncio.sleep(window)
    struck = time.time()
    await SCENARIOS[name](stage)
    ended = time.time()
    await asyncio.sleep(window)
    over = time.time()
    acknowledged = producer.acknowledged[already:]
    return Played(name, began, struck, ended, over, acknowledged, stage.fleet.fallen)


async def _judged(played: Played, side: Side, judge: Judge) -> Outcome:
    return Outcome(
        scenario=played.scenario,
        side=side,
        before=await judge.rate(played.began, played.struck),
        during=await judge.rate(played.struck, played.ended),
        after=await judge.rate(played.ended, played.over),
        first_job_s=await judge.first_after(played.ended),
        fallen=played.fallen,
        balance=await judge.balance(played.acknowledged),
    )


async def _back(stage: Stage) -> None:
    """Every process of the fleet has run a job, or had time enough to."""
    try:
        async with asyncio.timeout(BOOT_S):
            while not stage.fleet.pids <= await stage.judge.workers():  # noqa: ASYNC110 - rows
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
