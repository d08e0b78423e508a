"""What a worker is told to do, what it works with, and what it reports."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cairnloop_engine.core.jobs import Queues, TaskSpec
from cairnloop_engine.core.rescue import Windows
from cairnloop_engine.core.tables import SCHEMA

SHORTEST_PAUSE_S = 0.2
# An outage is over for a worker this much later than for Postgres; asking costs little.
LONGEST_PAUSE_S = 1.5


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

    @property
    def queue_names(self) -> list[str] | None:
        return [queue.value for queue in self.queues] or None


@dataclass(frozen=True, slots=True)
class Bench:
    """What a worker works with."""

    connection: dict[str, Any]
    specs: Mapping[str, TaskSpec]
    plan: WorkerPlan
    report: WorkerReport
    listen: bool = True
    schema: str = SCHEMA
    windows: Windows = field(default_factory=Windows)
    ready: Callable[[], None] | None = None


class Pauses:
    """Jittered waits that grow while things go wrong."""

    def __init__(self) -> None:
        self._next = SHORTEST_PAUSE_S

    def reset(self) -> None:
        self._next = SHORTEST_PAUSE_S

    def take(self) -> float:
        """Seconds to wait now; the next time it is up to twice as long."""
        wait, self._next = self._next, min(LONGEST_PAUSE_S, self._next * 2)
        return wait * random.uniform(0.5, 1.5)  # noqa: S311 - spreads a herd
