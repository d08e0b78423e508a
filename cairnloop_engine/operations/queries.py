"""Every SQL statement of the slice: numbers about the site, never content.

The queue's tables belong to procrastinate and stand in ``public``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from cairnloop_engine.core.database import Read

_SERVER = text(
    "SELECT current_setting('server_version_num')::int AS version_number,"
    " split_part(current_setting('server_version'), ' ', 1) AS version,"
    " clock_timestamp() AS now,"
    " (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,"
    " to_regclass('public.procrastinate_jobs') IS NOT NULL AS has_queue,"
    " (SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(:audit_table)"
    "   AND tgenabled <> 'D' AND tgname LIKE 'audit\\_is\\_append\\_only%') AS audit_guards"
)

# The oldest due job: by its date, or, without one, by when it was put into the queue.
_QUEUES = text(
    "WITH counted AS ("
    " SELECT queue_name,"
    "  count(*) FILTER (WHERE status = 'todo'"
    "    AND (scheduled_at IS NULL OR scheduled_at <= now())) AS ready,"
    "  count(*) FILTER (WHERE status = 'todo' AND scheduled_at > now()) AS scheduled,"
    "  count(*) FILTER (WHERE status = 'doing') AS running,"
    "  count(*) FILTER (WHERE status = 'failed') AS failed,"
    "  min(scheduled_at) FILTER (WHERE status = 'todo' AND scheduled_at <= now()) AS due_since,"
    "  min(id) FILTER (WHERE status = 'todo' AND scheduled_at IS NULL) AS oldest_id"
    " FROM public.procrastinate_jobs WHERE status IN ('todo', 'doing', 'failed')"
    " GROUP BY queue_name)"
    " SELECT queue_name, ready, scheduled, running, failed,"
    "  floor(extract(epoch FROM now() - least(due_since, (SELECT min(at)"
    "    FROM public.procrastinate_events WHERE job_id = oldest_id AND type = 'deferred'))))::int"
    "  AS oldest_seconds"
    " FROM counted ORDER BY queue_name"
)

_WORKERS = text(
    "SELECT count(*) FILTER (WHERE last_heartbeat > now() - make_interval(secs => :dead_after))"
    "  AS alive,"
    " extract(epoch FROM now() - max(last_heartbeat))::float8 AS youngest"
    " FROM public.procrastinate_workers"
)


async def server(read: Read) -> Row[Any]:
    """The database's word on its version, its clock and what is installed in it."""
    found = await read.session.execute(_SERVER, {"audit_table": read.qualified("audit_events")})
    return found.one()


async def queues(read: Read) -> list[Row[Any]]:
    """Jobs by queue; finished ones are not kept."""
    return list(await read.session.execute(_QUEUES))


async def workers(read: Read, *, dead_after_seconds: float) -> Row[Any]:
    """Living workers, and the age of the youngest heartbeat in seconds."""
    found = await read.session.execute(_WORKERS, {"dead_after": dead_after_seconds})
    return found.one()


async def conversations_of_the_site(read: Read) -> dict[str, int]:
    """Conversations by state over all workspaces, for metrics; no row can be told from it."""
    table = read.qualified("conversations")
    found = await read.session.execute(
        text(f"SELECT state, count(*) AS rows FROM {table} GROUP BY state")  # noqa: S608 - our own name
    )
    return {row.state: row.rows for row in found}


async def waiting_drafts_of_the_site(read: Read) -> int:
    """Conversations of all workspaces in which a draft waits for a decision."""
    table = read.qualified("conversations")
    found = await read.session.scalar(
        text(f"SELECT count(*) FROM {table} WHERE draft_id IS NOT NULL")  # noqa: S608 - our own name
    )
    return int(found or 0)


async def oldest_waiting(read: Read) -> datetime | None:
    """Since when the customer waits who has waited longest in this workspace."""
    table = read.qualified("conversations")
    found: datetime | None = await read.session.scalar(
        text(
            f"SELECT waiting_since FROM {table}"  # noqa: S608 - our own name
            " WHERE workspace = :workspace AND state IN ('new', 'open')"
            " ORDER BY queue_at, id LIMIT 1"
        ),
        {"workspace": read.workspace},
    )
    return found
