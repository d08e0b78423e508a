"""The audit trail: a page of it, or all of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Table, listing
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.parameters import LARGEST_ID, Cursor, Limit
from cairnloop_cli.phrases import at, count
from cairnloop_cli.registry import plain_typer
from cairnloop_cli.values import view
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.core.errors import JsonObject

if TYPE_CHECKING:
    from cairnloop_engine.audit.reads import AuditEvent

PAGE = 500

Action = Annotated[
    str | None, typer.Option("--action", metavar="A", help="Such as conversations.resolved.")
]
By = Annotated[str | None, typer.Option("--by", metavar="ACTOR", help="Who did it.")]
In = Annotated[
    int | None,
    typer.Option("--conversation", metavar="ID", min=1, max=LARGEST_ID, help="In which one."),
]
Since = Annotated[
    datetime | None, typer.Option("--since", metavar="DATE", help="Not older; in UTC.")
]

audit = plain_typer("The audit trail: who did what, when.", group=True)


@audit.command("list")
def list_events(
    ctx: typer.Context,
    *,
    action: Action = None,
    by: By = None,
    conversation: In = None,
    since: Since = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """Events, newest first."""

    async def work(desk: Desk) -> Answer:
        wanted = _wanted(action, by, conversation, since)
        page = await desk.engine.audit.events(
            desk.caller, filter=wanted, cursor=cursor, limit=limit
        )
        table = Table(
            ("ID", "WHEN", "WHO", "ACTION", "SUBJECT", "FACTS"),
            [_row(event) for event in page.items],
            empty="Nothing was recorded.",
        )
        return listing([view(event) for event in page.items], table, following=page.next)

    serve(ctx, work)


@audit.command("export")
def export_events(
    ctx: typer.Context,
    *,
    action: Action = None,
    by: By = None,
    conversation: In = None,
    since: Since = None,
) -> None:
    """Every event, one JSON object a line, newest first; with --json as one document."""

    async def work(desk: Desk) -> Answer:
        wanted = _wanted(action, by, conversation, since)
        items: list[JsonObject] = []
        cursor: str | None = None
        total = 0
        while not desk.out.gone:
            page = await desk.engine.audit.events(
                desk.caller, filter=wanted, cursor=cursor, limit=PAGE
            )
            total += len(page.items)
            found = [view(event) for event in page.items]
            if desk.out.as_json:
                items += found
            else:
                desk.out.raw("".join(f"{json.dumps(one)}\n" for one in found))
            cursor = page.next
            if cursor is None:
                break
        made = listing(items, Table((), []))
        return Answer(made.data, (), [f"{count(total, 'event')} exported."])

    serve(ctx, work)


def _wanted(
    action: str | None, by: str | None, conversation: int | None, since: datetime | None
) -> AuditFilter:
    aware = since if since is None or since.tzinfo else since.replace(tzinfo=UTC)
    return AuditFilter(action=action, actor=by, conversation_id=conversation, since=aware)


def _row(event: AuditEvent) -> tuple[str, ...]:
    facts = ", ".join(f"{key}={value}" for key, value in event.facts.items())
    return (
        str(event.id),
        at(event.occurred_at),
        _one_line(f"{event.actor} ({event.actor_kind})"),
        event.action,
        f"{event.subject_kind} {event.subject_id}",
        _one_line(facts),
    )


def _one_line(text: str) -> str:
    """One row is one line: a name with a line break in it must not look like two rows."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "⏎")
