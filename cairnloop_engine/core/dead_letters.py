"""Jobs put aside with their reason, and the notes that lead there.

A dead letter is written in the transaction that takes the job out of the queue: a job is in the
queue, or here, or done; never nowhere. The functions take the driver's own connection, because
the worker writes them without a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, sql
from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from cairnloop_engine.core.tables import Base, Json, PrimaryKey, UtcTime, Words, one_of
from cairnloop_engine.core.verdicts import Failure, History, Reason

Connection = AsyncConnection[Any]


class DeadLetterRow(Base):
    """One job put aside; its arguments hold ids and short words, as every job's."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        CheckConstraint(one_of("reason", Reason), name="reason_known"),
        CheckConstraint("redriven_at IS NULL OR dropped_at IS NULL", name="settled_once"),
        CheckConstraint(
            "(redriven_at IS NULL) = (new_job_id IS NULL)"
            " AND (redriven_at IS NULL) = (redriven_by IS NULL)",
            name="redriven_whole",
        ),
        CheckConstraint(
            "(dropped_at IS NULL) = (dropped_by IS NULL)"
            " AND (dropped_at IS NULL) = (drop_reason IS NULL)",
            name="dropped_whole",
        ),
        Index(
            "uq_dead_letters_same_work",
            "task",
            "fingerprint",
            unique=True,
            postgresql_where=text("redriven_at IS NULL AND dropped_at IS NULL"),
        ),
        Index(
            "ix_dead_letters_waiting",
            "queue",
            "id",
            postgresql_where=text("redriven_at IS NULL AND dropped_at IS NULL"),
        ),
        Index(
            "ix_dead_letters_new_job_id",
            "new_job_id",
            postgresql_where=text("new_job_id IS NOT NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str | None] = mapped_column(Text)
    job_id: Mapped[int] = mapped_column(BigInteger)
    task: Mapped[str] = mapped_column(Text)
    queue: Mapped[str] = mapped_column(Text)
    args: Mapped[Json]
    reason: Mapped[Reason] = mapped_column(Words(Reason))
    error_type: Mapped[str] = mapped_column(Text)
    error_text: Mapped[str] = mapped_column(Text)
    # Of the arguments: the same work that is asked for again and dies again is one letter.
    fingerprint: Mapped[str] = mapped_column(Text)
    deaths: Mapped[int] = mapped_column(Integer)
    attempts: Mapped[int] = mapped_column(Integer)
    rescues: Mapped[int] = mapped_column(Integer)
    enqueued_at: Mapped[datetime | None] = mapped_column(UtcTime)
    first_trouble_at: Mapped[datetime] = mapped_column(UtcTime)
    died_at: Mapped[datetime] = mapped_column(UtcTime)
    # The dead letter whose redrive made this job.
    redrive_of: Mapped[int | None] = mapped_column(BigInteger)
    redriven_at: Mapped[datetime | None] = mapped_column(UtcTime)
    redriven_by: Mapped[str | None] = mapped_column(Text)
    new_job_id: Mapped[int | None] = mapped_column(BigInteger)
    dropped_at: Mapped[datetime | None] = mapped_column(UtcTime)
    dropped_by: Mapped[str | None] = mapped_column(Text)
    drop_reason: Mapped[str | None] = mapped_column(Text)


class JobTroubleRow(Base):
    """What a job that is still in the queue met so far; the queue counts all of it as one."""

    __tablename__ = "job_troubles"

    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    errors: Mapped[int] = mapped_column(Integer)
    outages: Mapped[int] = mapped_column(Integer)
    rescues: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[datetime] = mapped_column(UtcTime)
    last_at: Mapped[datetime] = mapped_column(UtcTime)


class JobWorkerRow(Base):
    """What a worker says of itself; its heartbeat stands in the queue's own table."""

    __tablename__ = "job_workers"

    worker_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # None serves every queue.
    queues: Mapped[str | None] = mapped_column(Text)
    concurrency: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(UtcTime)


_NOTE = (
    "INSERT INTO {troubles} AS known (job_id, errors, outages, rescues, first_at, last_at)"
    " SELECT job_id, (kind = 'error')::int, (kind = 'outage')::int, (kind = 'rescue')::int,"
    "  now(), now() FROM unnest(%(jobs)s::bigint[], %(kinds)s::text[]) AS met(job_id, kind)"
    " ON CONFLICT (job_id) DO UPDATE SET errors = known.errors + excluded.errors,"
    "  outages = known.outages + excluded.outages, rescues = known.rescues + excluded.rescues,"
    "  last_at = excluded.last_at"
    " RETURNING job_id, errors, outages, rescues"
)

_BURY = (
    "WITH gone AS (DELETE FROM public.procrastinate_jobs AS job WHERE job.id = %(job)s"
    "  RETURNING job.id, job.task_name, job.queue_name, job.args, job.attempts),"
    " told AS (DELETE FROM {troubles} WHERE job_id IN (SELECT id FROM gone)"
    "  RETURNING job_id, rescues, first_at)"
    " INSERT INTO {letters} AS known (workspace, job_id, task, queue, args, reason, error_type,"
    "  error_text, fingerprint, deaths, attempts, rescues, enqueued_at, first_trouble_at,"
    "  died_at, redrive_of)"
    " SELECT gone.args ->> 'workspace', gone.id, gone.task_name, gone.queue_name, gone.args,"
    "  %(reason)s, %(error_type)s, %(error_text)s, md5(gone.args::text), 1, gone.attempts + 1,"
    "  COALESCE(told.rescues, 0),"
    "  (SELECT min(event.at) FROM public.procrastinate_events AS event"
    "   WHERE event.job_id = gone.id AND event.type = 'deferred'),"
    "  COALESCE(told.first_at, now()), now(),"
    "  (SELECT earlier.id FROM {letters} AS earlier WHERE earlier.new_job_id = gone.id)"
    " FROM gone LEFT JOIN told ON told.job_id = gone.id"
    " ON CONFLICT (task, fingerprint) WHERE redriven_at IS NULL AND dropped_at IS NULL"
    " DO UPDATE SET job_id = excluded.job_id, reason = excluded.reason,"
    "  error_type = excluded.error_type, error_text = excluded.error_text,"
    "  deaths = known.deaths + 1, attempts = known.attempts + excluded.attempts,"
    "  rescues = known.rescues + excluded.rescues, died_at = excluded.died_at,"
    "  redrive_of = COALESCE(known.redrive_of, excluded.redrive_of)"
)


@dataclass(frozen=True, slots=True)
class Note:
    """One more trouble of one job."""

    job_id: int
    failure: Failure


async def note(connection: Connection, notes: Sequence[Note], *, schema: str) -> dict[int, History]:
    """Count troubles; returns how often each job met each kind. Inside a transaction."""
    cursor = await connection.execute(
        _composed(_NOTE, schema),
        {
            "jobs": [one.job_id for one in notes],
            "kinds": [one.failure.trouble.value for one in notes],
        },
    )
    return {
        job_id: History(errors, outages, rescues)
        for job_id, errors, outages, rescues in await cursor.fetchall()
    }


async def bury(
    connection: Connection, job_ids: Sequence[int], reason: Reason, failure: Failure, *, schema: str
) -> None:
    """Put jobs aside whose rows the transaction holds.

    A sweep that finds work undone asks for it again, and again when it dies again: as long as
    nobody settled it, that is one letter whose ``deaths`` are counted.
    """
    for job_id in job_ids:
        await connection.execute(
            _composed(_BURY, schema),
            {
                "job": job_id,
                "reason": reason.value,
                "error_type": failure.error_type,
                "error_text": failure.error_text,
            },
        )


def _composed(statement: str, schema: str) -> sql.Composed:
    return sql.SQL(statement).format(
        troubles=sql.Identifier(schema, "job_troubles"),
        letters=sql.Identifier(schema, "dead_letters"),
    )
