"""The fence: what a run writes about its job counts only while the run owns it.

A run is one worker's life, one job, one number of attempts so far. Whatever takes a job from a
worker changes one of the last two, so a stale run's statement meets no row, and stands down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, errors, sql
from sqlalchemy import text

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.dead_letters import Note, bury, note
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.jobs import JobContext, TaskSpec
from cairnloop_engine.core.verdicts import Dead, Failure, budgets, judge

Connection = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one job."""

    job_id: int
    worker_id: int
    attempts: int

    @property
    def token(self) -> str:
        return f"{self.job_id}.{self.worker_id}.{self.attempts + 1}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A job that was just taken from the queue."""

    run: Run
    task: str
    args: JsonObject


# In a select list each call looks for itself, so that one statement takes several jobs.
_FETCH = sql.SQL(
    "SELECT (taken.job).id, (taken.job).task_name, (taken.job).args, (taken.job).attempts FROM ("
    " SELECT public.procrastinate_fetch_job_v2(%(queues)s::varchar[], %(worker_id)s) AS job"
    " FROM generate_series(1, %(most)s) OFFSET 0) AS taken"
    " WHERE (taken.job).id IS NOT NULL"
)

_MINE = sql.SQL(
    "job.id = %(job_id)s AND job.status = 'doing' AND job.worker_id = %(worker_id)s"
    " AND job.attempts = %(attempts)s"
)

_FINISH = sql.SQL(
    "DELETE FROM public.procrastinate_jobs AS job"
    " USING unnest(%(jobs)s::bigint[], %(workers)s::bigint[], %(attempts)s::int[])"
    "  AS run(id, worker_id, attempts)"
    " WHERE job.id = run.id AND job.status = 'doing' AND job.worker_id = run.worker_id"
    " AND job.attempts = run.attempts RETURNING run.id, run.worker_id, run.attempts"
)

_HOLD = sql.SQL("SELECT 1 FROM public.procrastinate_jobs AS job WHERE {} FOR UPDATE").format(_MINE)

# A twin that waits with the same queueing lock will do the work: this one is superseded.
_PUT_BACK = sql.SQL(
    "UPDATE public.procrastinate_jobs AS job SET status = (CASE"
    "  WHEN job.queueing_lock IS NOT NULL AND EXISTS ("
    "   SELECT 1 FROM public.procrastinate_jobs AS twin"
    "   WHERE twin.queueing_lock = job.queueing_lock AND twin.status = 'todo')"
    "  THEN 'cancelled' ELSE 'todo' END)::public.procrastinate_job_status,"
    " attempts = job.attempts + %(counts)s, worker_id = NULL, abort_requested = false,"
    " scheduled_at = CASE WHEN %(after_s)s::float8 > 0"
    "  THEN now() + make_interval(secs => %(after_s)s) ELSE job.scheduled_at END"
    " WHERE {} RETURNING job.status::text"
).format(_MINE)

_RUNNING = sql.SQL(
    "SELECT id, attempts FROM public.procrastinate_jobs"
    " WHERE worker_id = %(worker_id)s AND status = 'doing'"
)

_OWNED = (
    "SELECT id FROM public.procrastinate_jobs WHERE id = :job_id AND status = 'doing'"
    " AND worker_id = :worker_id AND attempts = :attempts"
)
_STILL_MINE = text(_OWNED)
_STILL_MINE_LOCKED = text(_OWNED + " FOR SHARE")

# How often a statement is repeated that lost a race for a queueing lock: the next try sees it.
TRIES = 3


async def fetch(
    connection: Connection, *, queues: Sequence[str] | None, worker_id: int, most: int
) -> list[Fetched]:
    """Take up to ``most`` due jobs; from this moment they are this worker's."""
    named = None if queues is None else list(queues)
    cursor = await connection.execute(
        _FETCH, {"queues": named, "worker_id": worker_id, "most": most}
    )
    return [
        Fetched(Run(job_id, worker_id, attempts), task, args)
        for job_id, task, args, attempts in await cursor.fetchall()
    ]


async def finish(connection: Connection, runs: Sequence[Run]) -> set[Run]:
    """Take finished jobs off the queue; returns the runs that still owned theirs."""
    cursor = await connection.execute(
        _FINISH,
        {
            "jobs": [run.job_id for run in runs],
            "workers": [run.worker_id for run in runs],
            "attempts": [run.attempts for run in runs],
        },
    )
    return {Run(*row) for row in await cursor.fetchall()}


async def release(connection: Connection, run: Run) -> str | None:
    """Give a job back untouched, because its worker stops: that is not an attempt.

    Returns the job's status, None when the run no longer owned it.
    """
    return await _put_back(connection, run, after_s=0.0, counts=0)


async def give_up(
    connection: Connection,
    run: Run,
    failure: Failure,
    *,
    schema: str,
    spec: TaskSpec | None,
    jitter: float,
) -> str | None:
    """Record what went wrong and put the job back, or aside, in one transaction.

    Returns the job's status (``todo``, ``cancelled`` when superseded, ``dead``), None when the
    run no longer owned it.
    """
    for _ in range(TRIES - 1):
        try:
            return await _give_up(connection, run, failure, schema=schema, spec=spec, jitter=jitter)
        except errors.UniqueViolation:
            continue
    return await _give_up(connection, run, failure, schema=schema, spec=spec, jitter=jitter)


async def _give_up(
    connection: Connection,
    run: Run,
    failure: Failure,
    *,
    schema: str,
    spec: TaskSpec | None,
    jitter: float,
) -> str | None:
    async with connection.transaction():
        held = await connection.execute(_HOLD, _params(run))
        if await held.fetchone() is None:
            return None
        history = (await note(connection, [Note(run.job_id, failure)], schema=schema))[run.job_id]
        retries, outage_retries = budgets(spec)
        verdict = judge(
            failure, history, retries=retries, outage_retries=outage_retries, jitter=jitter
        )
        if isinstance(verdict, Dead):
            await bury(connection, [run.job_id], verdict.reason, failure, schema=schema)
            return "dead"
        return await _put_back(connection, run, after_s=verdict.after_s, counts=1)


async def running(connection: Connection, worker_id: int) -> set[Run]:
    """The runs that the database believes this worker to be at."""
    cursor = await connection.execute(_RUNNING, {"worker_id": worker_id})
    return {Run(job_id, worker_id, attempts) for job_id, attempts in await cursor.fetchall()}


async def still_mine(read: Read, job: JobContext) -> bool:
    """Whether this run still owns its job.

    In a :class:`Work` the answer holds until the commit: the job's row is locked, so nobody can
    take the job away before what this Work writes is there.
    """
    found = await read.session.scalar(
        _STILL_MINE_LOCKED if isinstance(read, Work) else _STILL_MINE,
        {"job_id": job.job_id, "worker_id": job.worker_id, "attempts": job.attempt - 1},
    )
    return found is not None


async def _put_back(connection: Connection, run: Run, *, after_s: float, counts: int) -> str | None:
    cursor = await connection.execute(
        _PUT_BACK, {**_params(run), "after_s": after_s, "counts": counts}
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


def _params(run: Run) -> dict[str, int]:
    return {"job_id": run.job_id, "worker_id": run.worker_id, "attempts": run.attempts}
