"""The judge: what happened, asked by SQL of the database that it happened in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks.chaos.load import Producer
from benchmarks.chaos.sides import TASK

_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Balance:
    """What became of the acknowledged jobs.

    ``waiting`` did not run and still stand in the queue, where a worker would find them; ``lost``
    did not run and never will; ``repeated`` ran more than once, as jobs may.
    """

    acknowledged: int
    waiting: int
    lost: int
    repeated: int

    @property
    def all_ran(self) -> bool:
        return not (self.waiting or self.lost)


@dataclass(frozen=True, slots=True)
class Judge:
    """Asks one database."""

    url: str

    async def rate(self, since: float, until: float) -> float:
        """Jobs per second that ran between two moments of the wall clock."""
        found = await self._one(
            "SELECT count(*) FROM chaos_runs"
            " WHERE at >= to_timestamp(%s) AND at < to_timestamp(%s)",
            since,
            until,
        )
        return int(found) / (until - since)

    async def first_after(self, moment: float) -> float | None:
        """Seconds from a moment to the next job that ran; None when none did."""
        found = await self._one(
            "SELECT extract(epoch FROM min(at)) FROM chaos_runs WHERE at >= to_timestamp(%s)",
            moment,
        )
        return None if found is None else float(found) - moment

    async def workers(self) -> set[int]:
        """The processes that ran a job so far."""
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            rows = await connection.execute("SELECT DISTINCT pid FROM chaos_runs")
            return {row[0] for row in await rows.fetchall()}

    async def balance(self, acknowledged: Sequence[range]) -> Balance:
        """Hold what was promised against what ran."""
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            await connection.execute("CREATE TEMP TABLE promised (n bigint PRIMARY KEY)")
            for batch in acknowledged:
                await connection.execute(
                    "INSERT INTO promised SELECT generate_series(%s::bigint, %s)",
                    (batch.start, batch.stop - 1),
                )
            row = await (
                await connection.execute(
                    "WITH ran AS (SELECT n, count(*) AS times FROM chaos_runs GROUP BY n),"
                    " queued AS (SELECT (args ->> 'n')::bigint AS n FROM procrastinate_jobs"
                    "  WHERE status = 'todo' AND task_name = %s)"
                    " SELECT count(*),"
                    "  count(*) FILTER (WHERE ran.n IS NULL AND queued.n IS NOT NULL),"
                    "  count(*) FILTER (WHERE ran.n IS NULL AND queued.n IS NULL),"
                    "  count(*) FILTER (WHERE ran.times > 1) FROM promised"
                    " LEFT JOIN ran USING (n) LEFT JOIN queued USING (n)",
                    (TASK,),
                )
            ).fetchone()
        assert row is not None
        return Balance(*row)

    async def at_rest(self, producer: Producer, *, within: float, hopeless_after: float) -> None:
        """Wait until every acknowledged job ran; gives up when time is over or nothing moves."""
        began = moved = time.monotonic()
        last = -1
        while time.monotonic() - began < within:
            ran = int(await self._one("SELECT count(DISTINCT n) FROM chaos_runs") or 0)
            if ran != last:
                last, moved = ran, time.monotonic()
            if ran >= producer.count and (await self.balance(producer.acknowledged)).all_ran:
                return
            if time.monotonic() - moved > hopeless_after:
                return
            await asyncio.sleep(_PAUSE_S)

    async def _one(self, statement: str, *values: object) -> Any:
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            row = await (await connection.execute(statement.encode(), values)).fetchone()
        return row[0] if row else None
