"""Bringing back jobs whose worker died, was cut off, or never finished them.

Two windows (architecture, "job engine"): a job whose owner's heartbeat is older than
``dead_after`` is taken from it; a job that runs longer than its task's hard cap allows is taken
even from a worker that still breathes. The third case, an owner that lives and does not know the
job, only the owner can tell: it compares with every heartbeat (:mod:`core.worker`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import AsyncConnection, sql

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.dead_letters import Note, bury, note
from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.core.jobs import TaskSpec, driver_connection
from cairnloop_engine.core.verdicts import MOST_RESCUES, STRANDED, Dead, judge

log = logging.getLogger(__name__)

HEARTBEAT = timedelta(seconds=10)
DEAD_AFTER = timedelta(seconds=30)
SWEEP_EVERY = timedelta(seconds=10)
# Workers get this long to be heard again after Postgres started.
RECOVERING = timedelta(seconds=5)
# Jobs in one transaction, and transactions in one sweep.
BATCH = 100
MOST_BATCHES = 10


@dataclass(frozen=True, slots=True)
class Windows:
    """How often a worker says that it lives, and when it is believed dead.

    Nobody could be heard while Postgres was down, so nobody is believed dead during the first
    ``recovering`` of its time.
    """

    heartbeat: timedelta = HEARTBEAT
    dead_after: timedelta = DEAD_AFTER
    sweep_every: timedelta = SWEEP_EVERY
    recovering: timedelta = RECOVERING


PRODUCTION = Windows()


_FIND = sql.SQL(
    "SELECT job.id, job.task_name FROM public.procrastinate_jobs AS job"
    " WHERE job.status = 'doing' AND ("
    "  NOT EXISTS (SELECT 1 FROM public.procrastinate_workers AS worker"
    "   WHERE worker.id = job.worker_id AND ("
    "    worker.last_heartbeat > now() - make_interval(secs => %(dead_after)s)"
    "    OR pg_postmaster_start_time() > now() - make_interval(secs => %(recovering)s)))"
    "  OR (SELECT max(event.at) FROM public.procrastinate_events AS event"
    "    WHERE event.job_id = job.id AND event.type = 'started')"
    "   < now() - make_interval(secs => COALESCE("
    "    (%(overdue_after)s::jsonb ->> job.task_name)::float8, %(longest)s)))"
    " ORDER BY job.id LIMIT %(batch)s FOR UPDATE OF job SKIP LOCKED"
)

# Only one of several jobs with the same queueing lock may wait: the others are superseded by it.
_PUT_BACK = sql.SQL(
    "UPDATE public.procrastinate_jobs AS job SET status = (CASE"
    "  WHEN job.queueing_lock IS NOT NULL AND EXISTS ("
    "   SELECT 1 FROM public.procrastinate_jobs AS twin"
    "   WHERE twin.queueing_lock = job.queueing_lock AND twin.id <> job.id"
    "   AND (twin.status = 'todo' OR twin.id = ANY(%(jobs)s) AND twin.id < job.id))"
    "  THEN 'cancelled' ELSE 'todo' END)::public.procrastinate_job_status,"
    " attempts = job.attempts + 1, worker_id = NULL, abort_requested = false"
    " WHERE job.id = ANY(%(jobs)s) RETURNING job.id, job.task_name, job.status::text"
)


def overdue_after(spec: TaskSpec, windows: Windows = PRODUCTION) -> timedelta:
    """How long a run may take before it is taken away: hard cap and two heartbeats, or more."""
    return spec.overdue_after or spec.hard_cap + 2 * windows.heartbeat


def check_windows(specs: Iterable[TaskSpec], windows: Windows = PRODUCTION) -> None:
    """Refuse windows in which a job could be taken from a worker that runs it well.

    Raises:
        Misconfigured: ``dead_window_short`` or ``overdue_window_short``, naming the task.
    """
    if windows.dead_after < 2 * windows.heartbeat:
        raise Misconfigured(
            "dead_window_short",
            "A worker would be believed dead before it could miss two heartbeats.",
            heartbeat_seconds=windows.heartbeat.total_seconds(),
            dead_after_seconds=windows.dead_after.total_seconds(),
        )
    for spec in specs:
        least = spec.hard_cap + 2 * windows.heartbeat
        if overdue_after(spec, windows) < least:
            raise Misconfigured(
                "overdue_window_short",
                f"The task {spec.name} would be taken from its worker while it may still run:"
                f" its window has to be {least.total_seconds():g} s or more.",
                task=spec.name,
                least_seconds=least.total_seconds(),
            )


async def rescue_stranded(
    db: Database,
    specs: Mapping[str, TaskSpec],
    *,
    windows: Windows = PRODUCTION,
) -> int:
    """Put stranded jobs back in the queue, or aside when they ran too often; returns how many."""
    rescued = 0
    for _ in range(MOST_BATCHES):
        taken = await _rescue_some(db, specs, windows)
        rescued += taken
        if taken < BATCH:
            break
    return rescued


async def _rescue_some(db: Database, specs: Mapping[str, TaskSpec], windows: Windows) -> int:
    caps = {name: overdue_after(spec, windows).total_seconds() for name, spec in specs.items()}
    async with db.work(Caller.system("rescuer")) as work:
        connection = await driver_connection(work.session)
        stranded = await _find(connection, caps, windows)
        if not stranded:
            return 0
        notes = [Note(job_id, STRANDED) for job_id in stranded]
        histories = await note(connection, notes, schema=work.schema)
        dead = [
            job_id
            for job_id, history in histories.items()
            if isinstance(judge(STRANDED, history, retries=0, outage_retries=0, jitter=1.0), Dead)
        ]
        await bury(connection, dead, STRANDED.reason, STRANDED, schema=work.schema)
        back = [job_id for job_id in stranded if job_id not in dead]
        cursor = await connection.execute(_PUT_BACK, {"jobs": back})
        returned = await cursor.fetchall()
    for job_id, task, status in returned:
        log.warning("rescued a stranded job", extra={"job": job_id, "task": task, "to": status})
    for job_id in dead:
        log.error(
            "job put aside: it was rescued %d times",
            MOST_RESCUES,
            extra={"job": job_id, "task": stranded[job_id]},
        )
    return len(stranded)


async def _find(
    connection: AsyncConnection[Any], caps: Mapping[str, float], windows: Windows
) -> dict[int, str]:
    cursor = await connection.execute(
        _FIND,
        {
            "dead_after": windows.dead_after.total_seconds(),
            "recovering": windows.recovering.total_seconds(),
            "overdue_after": json.dumps(caps),
            "longest": max(caps.values(), default=3600.0),
            "batch": BATCH,
        },
    )
    return {int(job_id): str(task) for job_id, task in await cursor.fetchall()}
