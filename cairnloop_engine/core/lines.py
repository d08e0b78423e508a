"""The worker's own connections: few, kept open, thrown away at the first fault.

A pool makes callers wait for a connection and gives up on them after a while, which is how a
worker dies of an outage. Each of these serves one purpose, is opened when it is next needed and
never waits for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import psycopg
from procrastinate.connector import BaseAsyncConnector
from psycopg import AsyncConnection
from psycopg.rows import dict_row

T = TypeVar("T")
Connection = AsyncConnection[Any]

# What a database does that is away, full, restarting or cut off.
FAULTS = (psycopg.Error, OSError, TimeoutError)
# How long opening and one exchange may take: the caller comes back anyway.
PATIENCE_S = 3.0
# A peer that vanished without a word is noticed by the system, not by waiting.
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class Answers:
    """Where the lines of one worker tell each other that the database answers again.

    Each waits out a fault for itself, up to seconds; the first that gets through ends the waits
    of the others, so that a worker is back as a whole when its database is.
    """

    def __init__(self) -> None:
        self._again = asyncio.Event()

    def tell(self) -> None:
        """End every wait that goes on now."""
        self._again.set()
        self._again = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait, but no longer than until somebody tells."""
        try:
            async with asyncio.timeout(seconds):
                await self._again.wait()
        except TimeoutError:
            return


class Line:
    """One connection, used by one caller at a time."""

    def __init__(self, arguments: dict[str, Any], answers: Answers) -> None:
        self._arguments = {**_KEEPALIVE, **arguments, "autocommit": True}
        self._answers = answers
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._failing = False

    async def run(self, call: Callable[[Connection], Awaitable[T]]) -> T:
        """Do one exchange. One of ``FAULTS`` says that it is not known to have happened."""
        async with self._turn:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    answer = await call(await self._open())
            except BaseException as error:
                self._failing = True
                # An exchange that was cut short leaves the connection in the middle of it.
                if not isinstance(error, psycopg.Error) or self._is_broken():
                    await self.close()
                raise
            # Only after a fault of its own: the waits of a line that alone is in trouble stand.
            if self._failing:
                self._failing = False
                self._answers.tell()
            return answer

    async def pause(self, seconds: float) -> None:
        """Wait before trying again, but no longer than until another line gets through."""
        await self._answers.wait(seconds)

    async def opened(self) -> Connection:
        """The connection itself, for whoever listens on it."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._open()

    async def close(self) -> None:
        """Throw the connection away; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await AsyncConnection.connect(**self._arguments)
        return self._connection

    def _is_broken(self) -> bool:
        return self._connection is None or self._connection.closed or self._connection.broken


class LineConnector(BaseAsyncConnector):
    """Lets procrastinate's own statements run on a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def open_async(self, pool: Any = None) -> None:
        """Nothing to do: a line opens itself."""

    async def close_async(self) -> None:
        await self._line.close()

    async def execute_query_async(self, query: str, **arguments: Any) -> None:
        await self._line.run(lambda connection: connection.execute(query, arguments))

    async def execute_query_one_async(self, query: str, **arguments: Any) -> dict[str, Any]:
        rows = await self.execute_query_all_async(query, **arguments)
        return rows[0]

    async def execute_query_all_async(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        async def ask(connection: Connection) -> list[dict[str, Any]]:
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(query, arguments)
                return await cursor.fetchall()

        return await self._line.run(ask)


async def close_all(lines: Iterable[Line]) -> None:
    """Throw every connection away."""
    for line in lines:
        await line.close()
