"""Bringing back jobs whose worker died, was cut off, or never finished them.

Two windows (architecture, "job engine"): a job whose owner's heartbeat is older than
``DEAD_AFTER`` is taken from it; a job that runs longer than its task's hard cap allows is taken
even from a worker that still breathes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import text

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.jobs import TaskSpec

log = logging.getLogger(__name__)

HEARTBEAT = timedelta(seconds=10)
DEAD_AFTER = timedelta(seconds=30)
SWEEP_EVERY = timedelta(seconds=10)
# A job that keeps killing its worker is put aside, visibly, after this many runs.
MOST_RUNS = 8

_RESCUE = text(
    "UPDATE public.procrastinate_jobs AS job"
    " SET status = (CASE WHEN job.attempts + 1 >= :most_runs THEN 'failed' ELSE 'todo' END)"
    "::public.procrastinate_job_status,"
    "     attempts = job.attempts + 1, worker_id = NULL, scheduled_at = now()"
    " FROM (SELECT j.id, j.task_name, (SELECT max(e.at) FROM public.procrastinate_events AS e"
    "         WHERE e.job_id = j.id AND e.type = 'started') AS started_at"
    "       FROM public.procrastinate_jobs AS j"
    "       WHERE j.status = 'doing'"
    "       FOR UPDATE OF j SKIP LOCKED) AS running"
    " WHERE job.id = running.id AND job.status = 'doing' AND ("
    "   NOT EXISTS (SELECT 1 FROM public.procrastinate_workers AS worker"
    "     WHERE worker.id = job.worker_id"
    "     AND worker.last_heartbeat > now() - make_interval(secs => :dead_after))"
    "   OR running.started_at < now() - make_interval(secs => COALESCE("
    "     (CAST(:overdue_after AS jsonb) ->> running.task_name)::float8, :longest)))"
    " RETURNING job.id, job.task_name, job.status::text"
)


def overdue_after(spec: TaskSpec) -> timedelta:
    """How long a run may take before it is taken away: hard cap and two heartbeats."""
    return spec.hard_cap + 2 * HEARTBEAT


async def rescue_stranded(db: Database, specs: Mapping[str, TaskSpec]) -> int:
    """Put stranded jobs back in the queue, or aside when they ran too often; returns how many."""
    windows = {name: overdue_after(spec).total_seconds() for name, spec in specs.items()}
    async with db.work(Caller.system("rescuer")) as work:
        rows = await work.session.execute(
            _RESCUE,
            {
                "most_runs": MOST_RUNS,
                "dead_after": DEAD_AFTER.total_seconds(),
                "overdue_after": json.dumps(windows),
                "longest": max(windows.values(), default=3600.0),
            },
        )
        rescued = rows.all()
    for job_id, task, status in rescued:
        log.warning("rescued a stranded job", extra={"job": job_id, "task": task, "to": status})
    return len(rescued)
