"""The load: a producer that keeps a backlog, survives outages, and remembers what was promised.

The loop is closed. There is always a backlog, and never a growing one, so jobs per second are
what the workers can do, before and after alike: an outage can neither be hidden by spare capacity
nor made up for by a queue that piled up meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg

from benchmarks.chaos.sides import QUEUE, TASK

BACKLOG = 400
LOOK_EVERY_S = 0.1

# The insert that procrastinate's own function makes, for many jobs; its triggers fire as ever.
ENQUEUE = """
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args)
SELECT %s, %s, 0, jsonb_build_object('n', n) FROM generate_series(%s::bigint, %s) AS n
"""
_WAITING = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'"


@dataclass(slots=True)
class Producer:
    """``acknowledged`` holds the numbers of jobs whose commit was answered, as ranges."""

    url: str
    acknowledged: list[range] = field(default_factory=list)
    away: int = 0
    _next: int = 1
    _stopped: bool = False

    @property
    def count(self) -> int:
        return sum(map(len, self.acknowledged))

    def stop(self) -> None:
        """No further jobs."""
        self._stopped = True

    async def run(self) -> None:
        while not self._stopped:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self.url, autocommit=True, connect_timeout=3
                ) as connection:
                    await self._fill(connection)
            except psycopg.Error:
                self.away += 1
                await asyncio.sleep(LOOK_EVERY_S)

    async def _fill(self, connection: psycopg.AsyncConnection) -> None:
        while not self._stopped:
            row = await (await connection.execute(_WAITING)).fetchone()
            missing = BACKLOG - (row[0] if row else 0)
            if missing > 0:
                fresh = range(self._next, self._next + missing)
                # Numbers of a batch whose answer was lost are never used again.
                self._next = fresh.stop
                await connection.execute(ENQUEUE, (QUEUE, TASK, fresh.start, fresh.stop - 1))
                self.acknowledged.append(fresh)
            await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def produced(url: str) -> AsyncIterator[Producer]:
    """A producer at work while the block runs."""
    producer = Producer(url)
    task = asyncio.create_task(producer.run())
    try:
        yield producer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
