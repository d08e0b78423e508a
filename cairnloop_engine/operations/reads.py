"""The state of the site as front ends see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from cairnloop_engine.conversations.reads import Counts
from cairnloop_engine.core.clock import Clock
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.core.rescue import DEAD_AFTER
from cairnloop_engine.operations import queries
from cairnloop_engine.operations.model import QueueDepth, Server, Workers


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts and ages of one workspace, with the site's queues and workers."""

    conversations: Counts
    oldest_waiting_seconds: int | None
    queues: tuple[QueueDepth, ...]
    workers: Workers


@dataclass(frozen=True, slots=True)
class SiteNumbers:
    """What the metrics tell, over all workspaces."""

    conversations: dict[str, int]
    waiting_drafts: int
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
    return tuple(
        QueueDepth(
            queue=queue.value,
            ready=row.ready if row else 0,
            scheduled=row.scheduled if row else 0,
            running=row.running if row else 0,
            failed=row.failed if row else 0,
            oldest_seconds=row.oldest_seconds if row else None,
        )
        for queue in Queues
        for row in [found.get(queue.value)]
    )


async def workers(read: Read) -> Workers:
    row = await queries.workers(read, dead_after_seconds=DEAD_AFTER.total_seconds())
    return Workers(alive=row.alive, youngest_heartbeat_seconds=row.youngest)


async def site(read: Read) -> SiteNumbers:
    """The numbers behind the metrics, in one transaction."""
    return SiteNumbers(
        conversations=await queries.conversations_of_the_site(read),
        waiting_drafts=await queries.waiting_drafts_of_the_site(read),
        queues=await queues(read),
        workers=await workers(read),
    )
