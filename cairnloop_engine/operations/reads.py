"""The state of the site as front ends see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import Row

from cairnloop_engine.conversations.reads import Counts
from cairnloop_engine.core.clock import Clock
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.dead_letters import DeadLetterRow
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.core.paging import Page, checked_limit, decode_number, encode_cursor
from cairnloop_engine.core.rescue import DEAD_AFTER
from cairnloop_engine.core.text import safe
from cairnloop_engine.core.verdicts import Reason
from cairnloop_engine.operations import queries
from cairnloop_engine.operations.governed import Actions
from cairnloop_engine.operations.model import QueueDepth, Server, Workers

# A worker that was not heard of for so long is of no interest any more.
GONE_AFTER_S = 600.0
# Of a job's words only those are shown that are made like an id, such as "12:3".
KEY = re.compile(r"[0-9][0-9:._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts and ages of one workspace, with the site's queues and workers."""

    conversations: Counts
    oldest_waiting_seconds: int | None
    queues: tuple[QueueDepth, ...]
    workers: Workers


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker process. Without its own words, of a release before this one, it says less."""

    worker_id: int
    alive: bool
    queues: tuple[str, ...]
    concurrency: int | None
    running: int
    heartbeat_seconds: float
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobsView:
    """The jobs of the whole site, in counts: a worker serves every workspace."""

    queues: tuple[QueueDepth, ...]
    workers: tuple[WorkerView, ...]
    dead_letters: int
    oldest_seconds: int | None


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    """A job that was put aside, why, and what became of it; ``ids`` are all that is shown of what
    it was about."""

    id: int
    job_id: int
    task: str
    queue: str
    workspace: str | None
    ids: dict[str, int | str]
    reason: Reason
    error_type: str
    error_text: str
    attempts: int
    rescues: int
    enqueued_at: datetime | None
    first_trouble_at: datetime
    died_at: datetime
    redrive_of: int | None
    redriven_at: datetime | None
    redriven_by: str | None
    new_job_id: int | None
    dropped_at: datetime | None
    dropped_by: str | None
    drop_reason: str | None
    # How often the same work died while nobody settled it.
    deaths: int = 1

    @property
    def status(self) -> str:
        """``waiting``, ``redriven`` or ``dropped``."""
        if self.redriven_at is not None:
            return "redriven"
        return "waiting" if self.dropped_at is None else "dropped"


@dataclass(frozen=True, slots=True)
class SiteNumbers:
    """What the metrics tell, over all workspaces."""

    conversations: dict[str, int]
    waiting_drafts: int
    actions: Actions
    queues: tuple[QueueDepth, ...]
    workers: Workers


async def server(read: Read, clock: Clock) -> Server:
    """What the database says of itself, and how long it took to say so."""
    asked, ticking = clock.now(), monotonic()
    row = await queries.server(read)
    took = timedelta(seconds=monotonic() - ticking)
    return Server(
        version_number=row.version_number,
        version=row.version,
        skew=row.now - (asked + took / 2),
        answered_in=took,
        vector=row.vector,
        has_queue=row.has_queue,
        audit_guards=row.audit_guards,
    )


async def queues(read: Read) -> tuple[QueueDepth, ...]:
    """Every queue, also the empty ones, in their fixed order."""
    found = {row.queue_name: row for row in await queries.queues(read)}
    dead = await queries.dead_by_queue(read)
    return tuple(
        QueueDepth(
            queue=queue.value,
            ready=row.ready if row else 0,
            scheduled=row.scheduled if row else 0,
            running=row.running if row else 0,
            failed=row.failed if row else 0,
            oldest_seconds=row.oldest_seconds if row else None,
            dead=dead.get(queue.value, 0),
        )
        for queue in Queues
        for row in [found.get(queue.value)]
    )


async def workers(read: Read) -> Workers:
    row = await queries.workers(read, dead_after_seconds=DEAD_AFTER.total_seconds())
    return Workers(alive=row.alive, youngest_heartbeat_seconds=row.youngest)


async def jobs(read: Read) -> JobsView:
    """Queues, workers and what was put aside: three statements."""
    depths = await queues(read)
    found = await queries.roster(read, forgotten_after_seconds=GONE_AFTER_S)
    ages = [depth.oldest_seconds for depth in depths if depth.oldest_seconds is not None]
    return JobsView(
        queues=depths,
        workers=tuple(_worker(row) for row in found),
        dead_letters=sum(depth.aside for depth in depths),
        oldest_seconds=max(ages, default=None),
    )


async def dead_letters(
    read: Read, *, cursor: str | None, limit: int, settled_too: bool
) -> Page[DeadLetterView]:
    limit = checked_limit(limit)
    before = None if cursor is None else decode_number(cursor)
    rows = await queries.dead_letters(read, before=before, limit=limit + 1, settled_too=settled_too)
    items = tuple(dead_letter(row) for row in rows[:limit])
    following = encode_cursor([items[-1].id]) if len(rows) > limit else None
    return Page(items, following)


def dead_letter(row: DeadLetterRow) -> DeadLetterView:
    return DeadLetterView(
        id=row.id,
        job_id=row.job_id,
        task=safe(row.task),
        queue=safe(row.queue),
        workspace=None if row.workspace is None else safe(row.workspace),
        ids=_ids(row.args),
        reason=row.reason,
        error_type=safe(row.error_type),
        error_text=safe(row.error_text),
        deaths=row.deaths,
        attempts=row.attempts,
        rescues=row.rescues,
        enqueued_at=row.enqueued_at,
        first_trouble_at=row.first_trouble_at,
        died_at=row.died_at,
        redrive_of=row.redrive_of,
        redriven_at=row.redriven_at,
        redriven_by=None if row.redriven_by is None else safe(row.redriven_by),
        new_job_id=row.new_job_id,
        dropped_at=row.dropped_at,
        dropped_by=None if row.dropped_by is None else safe(row.dropped_by),
        drop_reason=None if row.drop_reason is None else safe(row.drop_reason),
    )


def _ids(args: JsonObject) -> dict[str, int | str]:
    """What may be shown of a job's arguments: numbers, and keys that are made of such."""
    shown: dict[str, int | str] = {}
    for name, value in args.items():
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number or (isinstance(value, str) and KEY.fullmatch(value)):
            shown[safe(name)] = value  # type: ignore[assignment]
    return shown


def _worker(row: Row[Any]) -> WorkerView:
    named = tuple(row.queues.split(",")) if row.queues else tuple(one.value for one in Queues)
    return WorkerView(
        worker_id=row.id,
        alive=row.heartbeat_seconds < DEAD_AFTER.total_seconds(),
        queues=named,
        concurrency=row.concurrency,
        running=row.running,
        heartbeat_seconds=round(row.heartbeat_seconds, 1),
        started_at=row.started_at,
    )


async def actions(read: Read) -> Actions:
    """How the governed actions of the whole site stand."""
    counted = await queries.actions_of_the_site(read)
    pending = await queries.oldest_pending_approval(read)
    return Actions(
        proposals=counted["proposals"],
        approvals=counted["approvals"],
        executions=counted["executions"],
        oldest_pending_seconds=None if pending is None else (read.now - pending).total_seconds(),
        in_flight={
            row.tool: (read.now - row.since).total_seconds()
            for row in await queries.attempts_in_flight(read)
        },
    )


async def site(read: Read) -> SiteNumbers:
    """The numbers behind the metrics, in one transaction."""
    return SiteNumbers(
        conversations=await queries.conversations_of_the_site(read),
        waiting_drafts=await queries.waiting_drafts_of_the_site(read),
        actions=await actions(read),
        queues=await queues(read),
        workers=await workers(read),
    )
