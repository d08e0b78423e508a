"""Every SQL statement of the slice: numbers about the site, never content.

The queue's tables belong to procrastinate and stand in ``public``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, select, text

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.dead_letters import DeadLetterRow

WAITING = and_(DeadLetterRow.redriven_at.is_(None), DeadLetterRow.dropped_at.is_(None))

_SERVER = text(
    "SELECT current_setting('server_version_num')::int AS version_number,"
    " split_part(current_setting('server_version'), ' ', 1) AS version,"
    " clock_timestamp() AS now,"
    " (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,"
    " to_regclass('public.procrastinate_jobs') IS NOT NULL AS has_queue,"
    " (SELECT count(*) FROM pg_trigger"
    "   WHERE tgrelid IN (to_regclass(:audit_events), to_regclass(:audit_seals))"
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

_ROSTER = (
    "SELECT worker.id, said.queues, said.concurrency, said.started_at,"
    " extract(epoch FROM now() - worker.last_heartbeat)::float8 AS heartbeat_seconds,"
    " (SELECT count(*) FROM public.procrastinate_jobs AS job"
    "  WHERE job.worker_id = worker.id AND job.status = 'doing') AS running"
    " FROM public.procrastinate_workers AS worker LEFT JOIN {workers} AS said"
    " ON said.worker_id = worker.id"
    " WHERE worker.last_heartbeat > now() - make_interval(secs => :forgotten_after)"
    " ORDER BY worker.id"
)


async def server(read: Read) -> Row[Any]:
    """The database's word on its version, its clock and what is installed in it."""
    tables = {name: read.qualified(name) for name in ("audit_events", "audit_seals")}
    found = await read.session.execute(_SERVER, tables)
    return found.one()


async def queues(read: Read) -> list[Row[Any]]:
    """Jobs by queue; finished ones are not kept."""
    return list(await read.session.execute(_QUEUES))


async def workers(read: Read, *, dead_after_seconds: float) -> Row[Any]:
    """Living workers, and the age of the youngest heartbeat in seconds."""
    found = await read.session.execute(_WORKERS, {"dead_after": dead_after_seconds})
    return found.one()


async def dead_by_queue(read: Read) -> dict[str, int]:
    """Dead letters that wait for a person, by queue."""
    letter = DeadLetterRow
    found = await read.session.execute(
        select(letter.queue, func.count()).where(WAITING).group_by(letter.queue)
    )
    return {row[0]: row[1] for row in found}


async def roster(read: Read, *, forgotten_after_seconds: float) -> list[Row[Any]]:
    """Workers that were heard of lately, with what they say of themselves."""
    named = _ROSTER.format(workers=read.qualified("job_workers"))
    found = await read.session.execute(text(named), {"forgotten_after": forgotten_after_seconds})
    return list(found)


async def dead_letters(
    read: Read, *, before: int | None, limit: int, settled_too: bool
) -> list[DeadLetterRow]:
    """A page of dead letters of the whole site, newest first."""
    statement = select(DeadLetterRow).order_by(DeadLetterRow.id.desc()).limit(limit)
    if not settled_too:
        statement = statement.where(WAITING)
    if before is not None:
        statement = statement.where(DeadLetterRow.id < before)
    return list(await read.session.scalars(statement))


async def dead_letter(read: Read, letter_id: int) -> DeadLetterRow | None:
    return await read.session.get(DeadLetterRow, letter_id)


async def lock_dead_letter(work: Work, letter_id: int) -> DeadLetterRow | None:
    """The row, which nobody else can settle until this Work ends."""
    return await work.session.get(DeadLetterRow, letter_id, with_for_update=True)


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


async def actions_of_the_site(read: Read) -> dict[str, dict[str, int]]:
    """Proposals, approvals and attempts of all workspaces by their state, for metrics."""
    parts = (("proposals", "status"), ("approvals", "status"), ("executions", "state"))
    found = await read.session.execute(
        text(
            " UNION ALL ".join(
                f"SELECT '{what}' AS what, {column} AS word, count(*) AS rows"  # noqa: S608 - our own names
                f" FROM {read.qualified(f'tool_{what}')} GROUP BY {column}"
                for what, column in parts
            )
        )
    )
    counted: dict[str, dict[str, int]] = {what: {} for what, _ in parts}
    for row in found:
        counted[row.what][row.word] = row.rows
    return counted


async def oldest_pending_approval(read: Read) -> datetime | None:
    """Since when the oldest approval of the site waits for its decision."""
    table = read.qualified("tool_approvals")
    found: datetime | None = await read.session.scalar(
        text(f"SELECT min(created_at) FROM {table} WHERE status = 'pending'")  # noqa: S608 - our own name
    )
    return found


async def attempts_in_flight(read: Read) -> list[Row[Any]]:
    """Each tool with an attempt that was begun and not ended, and since when the oldest runs."""
    attempts, proposals = read.qualified("tool_executions"), read.qualified("tool_proposals")
    found = await read.session.execute(
        text(
            "SELECT p.tool_ref AS tool, min(coalesce(e.started_at, e.prepared_at)) AS since"  # noqa: S608 - our own names
            f" FROM {attempts} AS e JOIN {proposals} AS p ON p.id = e.proposal_id"
            " WHERE e.state IN ('prepared', 'started') GROUP BY p.tool_ref ORDER BY p.tool_ref"
        )
    )
    return list(found)


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
