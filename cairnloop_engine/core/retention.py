"""What the queue leaves behind goes by itself; what a person has not looked at never does."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql
from sqlalchemy import text

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.dead_letters import bury
from cairnloop_engine.core.jobs import driver_connection
from cairnloop_engine.core.verdicts import Failure, Reason, Trouble

log = logging.getLogger(__name__)

PRUNE_EVERY = timedelta(minutes=5)
# Rows in one statement, and rounds in one sweep.
BATCH = 1_000
MOST_ROUNDS = 10
# A worker that was not heard of for so long is gone, and so is what it said of itself.
WORKER_GONE_AFTER_S = 600.0

LEFT_FAILED = Failure(
    Trouble.ERROR, Reason.FAILED, "left_failed", "It was found marked as failed in the queue."
)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is settled stays readable."""

    finished: timedelta = timedelta(hours=24)
    dead_letters: timedelta = timedelta(days=90)


# Only these are ever taken away; each deletes at most one batch.
_FINISHED = (
    "DELETE FROM public.procrastinate_jobs WHERE id IN ("
    " SELECT job.id FROM public.procrastinate_jobs AS job"
    " WHERE job.status IN ('succeeded', 'cancelled', 'aborted') AND NOT EXISTS ("
    "  SELECT 1 FROM public.procrastinate_events AS event WHERE event.job_id = job.id"
    "  AND event.at > now() - make_interval(secs => :finished))"
    " ORDER BY job.id LIMIT :batch FOR UPDATE SKIP LOCKED)"
)
# Of a job that was tried often, the newest event of each kind tells enough.
_EVENTS = (
    "DELETE FROM public.procrastinate_events WHERE id IN ("
    " SELECT event.id FROM public.procrastinate_events AS event"
    " WHERE event.at < now() - make_interval(secs => :finished) AND EXISTS ("
    "  SELECT 1 FROM public.procrastinate_events AS later WHERE later.job_id = event.job_id"
    "  AND later.type = event.type AND later.id > event.id)"
    " ORDER BY event.id LIMIT :batch)"
)
_WORKERS = (
    "DELETE FROM public.procrastinate_workers WHERE id IN ("
    " SELECT id FROM public.procrastinate_workers"
    " WHERE last_heartbeat < now() - make_interval(secs => :worker_gone)"
    " ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED)"
)
_SAYINGS = (
    "DELETE FROM {workers} WHERE worker_id IN (SELECT said.worker_id FROM {workers} AS said"
    " WHERE NOT EXISTS (SELECT 1 FROM public.procrastinate_workers AS worker"
    "  WHERE worker.id = said.worker_id) ORDER BY said.worker_id LIMIT :batch)"
)
_TROUBLES = (
    "DELETE FROM {troubles} WHERE job_id IN (SELECT met.job_id FROM {troubles} AS met"
    " WHERE NOT EXISTS (SELECT 1 FROM public.procrastinate_jobs AS job"
    "  WHERE job.id = met.job_id) ORDER BY met.job_id LIMIT :batch)"
)
_LETTERS = (
    "DELETE FROM {letters} WHERE id IN (SELECT id FROM {letters}"
    " WHERE COALESCE(redriven_at, dropped_at) < now() - make_interval(secs => :dead_letters)"
    " ORDER BY id LIMIT :batch)"
)
_PRUNED = (_FINISHED, _EVENTS, _WORKERS, _SAYINGS, _TROUBLES, _LETTERS)

_FAILED = sql.SQL(
    "SELECT id FROM public.procrastinate_jobs WHERE status = 'failed'"
    " ORDER BY id LIMIT %(batch)s FOR UPDATE SKIP LOCKED"
)


async def prune(db: Database, retention: Retention) -> int:
    """Take away what is settled and old, in bounded steps; returns how many rows went.

    One worker at a time does it; the others pass.
    """
    pruned = 0
    for _ in range(MOST_ROUNDS):
        async with db.work(Caller.system("retention")) as work:
            if not await _is_our_turn(work):
                break
            await _put_failed_aside(work)
            gone = [await _delete(work, statement, retention) for statement in _PRUNED]
        pruned += sum(gone)
        if max(gone) < BATCH:
            break
    if pruned:
        log.info("pruned what the queue left behind", extra={"rows": pruned})
    return pruned


async def _is_our_turn(work: Work) -> bool:
    found = await work.session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtext('cairnloop.retention'))")
    )
    return bool(found)


async def _put_failed_aside(work: Work) -> None:
    """A row marked failed by somebody else's worker is a dead letter, not rubbish."""
    connection = await driver_connection(work.session)
    cursor = await connection.execute(_FAILED, {"batch": BATCH})
    failed = [int(row[0]) for row in await cursor.fetchall()]
    if failed:
        await bury(connection, failed, LEFT_FAILED.reason, LEFT_FAILED, schema=work.schema)


async def _delete(work: Work, statement: str, retention: Retention) -> int:
    named = statement.format(
        workers=work.qualified("job_workers"),
        troubles=work.qualified("job_troubles"),
        letters=work.qualified("dead_letters"),
    )
    limits = {
        ":finished": retention.finished.total_seconds(),
        ":dead_letters": retention.dead_letters.total_seconds(),
        ":worker_gone": WORKER_GONE_AFTER_S,
        ":batch": BATCH,
    }
    used = {name[1:]: value for name, value in limits.items() if name in named}
    found = await work.session.execute(text(named), used)
    return int(found.rowcount)  # type: ignore[attr-defined]
