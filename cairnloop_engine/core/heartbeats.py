"""What a worker says of itself: that it lives, what it serves, and that it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection, sql

Connection = AsyncConnection[Any]

_BEAT = (
    "UPDATE public.procrastinate_workers SET last_heartbeat = now()"
    " WHERE id = %(worker_id)s RETURNING id"
)
_REGISTER = "INSERT INTO public.procrastinate_workers DEFAULT VALUES RETURNING id"
_INTRODUCE = (
    "INSERT INTO {workers} (worker_id, queues, concurrency, started_at)"
    " VALUES (%(worker_id)s, %(queues)s, %(concurrency)s, now()) ON CONFLICT (worker_id) DO NOTHING"
)
_LEAVE = "DELETE FROM public.procrastinate_workers WHERE id = %(worker_id)s"
_FORGET = "DELETE FROM {workers} WHERE worker_id = %(worker_id)s"


async def beat(
    connection: Connection,
    worker_id: int,
    queues: Sequence[str] | None,
    concurrency: int,
    schema: str,
) -> int:
    """Say that this worker lives; returns its number.

    A worker whose row is gone was given up for dead. It gets a new number, so that nothing that
    it began under the old one can be taken for its own.
    """
    async with connection.transaction():
        cursor = await connection.execute(_BEAT, {"worker_id": worker_id})
        known = await cursor.fetchone()
        if known is None:
            cursor = await connection.execute(_REGISTER)
            known = await cursor.fetchone()
        mine = int(known[0])  # type: ignore[index]
        await connection.execute(
            _ours(_INTRODUCE, schema),
            {
                "worker_id": mine,
                "queues": None if queues is None else ",".join(queues),
                "concurrency": concurrency,
            },
        )
    return mine


async def sign_off(connection: Connection, worker_id: int, schema: str) -> None:
    """Leave; whatever still stands as running here goes back at the next sweep."""
    async with connection.transaction():
        await connection.execute(_LEAVE, {"worker_id": worker_id})
        await connection.execute(_ours(_FORGET, schema), {"worker_id": worker_id})


async def listen(connection: Connection, channels: Sequence[str]) -> None:
    """Hear of new jobs."""
    for channel in channels:
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))


def _ours(statement: str, schema: str) -> sql.Composed:
    workers = sql.Identifier(schema, "job_workers")
    return sql.SQL(statement).format(workers=workers)
