"""The kill cycles: a worker dies at a named point, a fresh one goes on, the books are balanced.

Each cycle forks a child from this preloaded process. The child puts one errand before a worker,
arms one crash point and works until it is killed there. Then the dead worker's heartbeat is made
old by SQL, as half a minute of silence would, and a fresh worker of this process rescues what was
left and carries on until nothing is due.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from sqlalchemy import text

from benchmarks.chaos.errands import ROUTES, Desk, Errand, Route, desk, run_errand
from benchmarks.chaos.forks import Child, fork
from cairnloop_engine import Caller
from cairnloop_engine.core.crashpoints import arm
from cairnloop_engine.core.rescue import rescue_stranded

SYSTEM = Caller.system("chaos")
# A child that lives longer than this did not pass its point.
CHILD_S = 30.0
# Rounds of work after which an errand that still has a job due does not come to rest.
MOST_ROUNDS = 40
# Cycles between two signs of life.
TELL_EVERY = 100

# What half a minute of silence does.
_SILENCE = "UPDATE public.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
_DUE_SOON = (
    "SELECT count(*) FROM public.procrastinate_jobs WHERE status = 'doing'"
    " OR status = 'todo' AND (scheduled_at IS NULL OR scheduled_at < now() + interval '1 minute')"
)


@dataclass(slots=True)
class Kills:
    """What was killed where, and what went wrong on the way to the next kill.

    ``in_window`` counts by errand the kills between "started" and the record of the outcome;
    ``relapses`` those of a worker that was carrying on after another kill.
    """

    by_point: Counter[str] = field(default_factory=Counter)
    by_errand: Counter[str] = field(default_factory=Counter)
    in_window: Counter[str] = field(default_factory=Counter)
    relapses: int = 0
    expected_unknown: int = 0
    missed: list[str] = field(default_factory=list)
    restless: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.by_point.total()

    def count(self, route: Route) -> None:
        self.by_point[route.point] += 1
        self.by_errand[route.errand.value] += 1
        if route.in_window:
            self.in_window[route.errand.value] += 1

    def as_json(self) -> dict[str, object]:
        counted = {name: dict(getattr(self, name)) for name in ("by_point", "by_errand")}
        return {
            "total": self.total,
            **counted,
            "in_window": dict(self.in_window),
            "relapses": self.relapses,
            "expected_unknown": self.expected_unknown,
            "missed": self.missed,
            "restless": self.restless,
        }


@dataclass(slots=True)
class Harness:
    """The preloaded parent: its desk is the fresh worker of every cycle.

    ``relapse`` is the share of cycles in which the worker that carries on may be killed as well.
    """

    url: str
    sink: str
    desk: Desk
    loop: asyncio.Runner
    chance: random.Random
    relapse: float = 0.0

    def run(
        self,
        routes: Iterable[Route],
        alive: list[Child],
        *,
        kills_wanted: int,
        say: Callable[[str], None],
    ) -> Kills:
        """Kill workers on these routes until there were enough kills."""
        kills = Kills()
        for number, route in enumerate(routes, 1):
            if kills.total >= kills_wanted:
                break
            self._cycle(kills, route, number, alive)
            if number % TELL_EVERY == 0:
                say(f"{kills.total} kills")
        return kills

    def _cycle(self, kills: Kills, route: Route, number: int, alive: list[Child]) -> None:
        died = [route]
        if not self._killed(lambda: self._begin(route, number), alive):
            kills.missed.append(f"{route.point} by {route.errand}")
            died = []
        self.loop.run(self._silence())
        if died and self.chance.random() < self.relapse:
            again = self.chance.choice([one for one in ROUTES if one.errand is route.errand])
            # Whether it still comes by that point depends on how far the first one got.
            if self._killed(lambda: self._go_on(again), alive):
                died.append(again)
                kills.relapses += 1
            self.loop.run(self._silence())
        for one in died:
            kills.count(one)
        kills.expected_unknown += any(one.becomes_unknown for one in died)
        if not self.loop.run(self._carry_on()):
            kills.restless.append(f"{route.point} by {route.errand}")

    def _killed(self, body: Callable[[], Coroutine[Any, Any, None]], alive: list[Child]) -> bool:
        """Whether a child that does this came to its end by SIGKILL."""
        child = fork(lambda: asyncio.run(body()))
        alive.append(child)
        code = child.wait(CHILD_S)
        child.kill()
        alive.remove(child)
        return code == -signal.SIGKILL

    async def _begin(self, route: Route, number: int) -> None:
        """The child: it is killed at the route's point, or returns because it never got there."""
        doomed = desk(self.url, self.sink)
        async with doomed.engine:
            await run_errand(doomed, route.errand, number)
            arm(route.point, passing=route.passing)
            await doomed.engine.run_worker(drain=True, concurrency=1)

    async def _go_on(self, route: Route) -> None:
        """A child that carries on what another left, and may be killed at it."""
        doomed = desk(self.url, self.sink)
        async with doomed.engine:
            await _rescue(doomed)
            arm(route.point)
            await doomed.engine.run_worker(drain=True, concurrency=1)

    async def _carry_on(self) -> bool:
        """Rescue and work until nothing is due; False when that does not come."""
        for _ in range(MOST_ROUNDS):
            await _rescue(self.desk)
            await self.desk.engine.run_worker(drain=True, concurrency=2)
            if not await self._left():
                return True
            await asyncio.sleep(0.1)
        return False

    async def _silence(self) -> None:
        async with self.desk.engine.db.work(SYSTEM) as work:
            await work.session.execute(text(_SILENCE))

    async def _left(self) -> int:
        async with self.desk.engine.db.read(SYSTEM) as read:
            return int(await read.session.scalar(text(_DUE_SOON)) or 0)


def each_point_once() -> tuple[Route, ...]:
    """One route for each point; the errands that may take it take turns."""
    points = list(dict.fromkeys(route.point for route in ROUTES))
    turns = {inside: cycle(range(len(Errand))) for inside in (True, False)}
    chosen = []
    for point in points:
        ways = [route for route in ROUTES if route.point == point]
        chosen.append(ways[next(turns[ways[0].in_window]) % len(ways)])
    return tuple(chosen)


@contextmanager
def harness(url: str, sink: str, *, relapse: float = 0.0, seed: int = 17) -> Iterator[Harness]:
    """An open desk on an event loop that stands still while a child is forked."""
    opened = desk(url, sink)
    with asyncio.Runner() as loop:
        loop.run(opened.engine.__aenter__())
        try:
            loop.run(_settle_in(opened))
            yield Harness(url, sink, opened, loop, random.Random(seed), relapse)
        finally:
            loop.run(opened.engine.__aexit__(None, None, None))


async def _settle_in(opened: Desk) -> None:
    """The conversation that the notes go to, with its draft made."""
    await run_errand(opened, Errand.DRAFT, 0)
    await opened.engine.run_worker(drain=True, concurrency=1)


async def _rescue(opened: Desk) -> None:
    """The rescue sweep, at once."""
    await rescue_stranded(opened.engine.db, opened.engine._wired.tasks)  # noqa: SLF001
