"""The audit trail: a page of it, all of it, and whether it can be believed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Shown, Table, listing
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.parameters import LARGEST_ID, Cursor, Limit
from cairnloop_cli.phrases import at, count, or_dash
from cairnloop_cli.registry import plain_typer
from cairnloop_cli.values import to_json, view
from cairnloop_engine.audit.model import AuditFilter, OutsideHead, Verification
from cairnloop_engine.core.errors import Invalid, JsonObject
from cairnloop_engine.core.text import safe

if TYPE_CHECKING:
    from cairnloop_engine.audit.reads import AuditEvent, ExportedEvent

CHUNK = 500
# What a spreadsheet would run instead of show.
FORMULA = ("=", "+", "-", "@")
COLUMNS = (
    "id",
    "occurred_at",
    "actor_kind",
    "actor",
    "action",
    "subject_kind",
    "subject_id",
    "conversation_id",
    "facts",
    "personal",
    "number",
    "chain_hash",
)
OUTSIDE = {
    OutsideHead.AGREES: "The head written down outside the database agrees.",
    OutsideHead.DISAGREES: "The head written down outside the database disagrees.",
    OutsideHead.UNKNOWN_HERE: "No head of this chain is written down on this host.",
}

Action = Annotated[
    str | None,
    typer.Option("--action", metavar="A", help="Such as conversations.resolved, or its label."),
]
By = Annotated[str | None, typer.Option("--by", metavar="ACTOR", help="Who did it.")]
About = Annotated[
    str | None, typer.Option("--subject", metavar="KIND[:ID]", help="What it was done to.")
]
In = Annotated[
    int | None,
    typer.Option("--conversation", metavar="ID", min=1, max=LARGEST_ID, help="In which one."),
]
Since = Annotated[
    datetime | None, typer.Option("--since", metavar="DATE", help="Not older; in UTC.")
]
Until = Annotated[datetime | None, typer.Option("--until", metavar="DATE", help="Older; in UTC.")]
Search = Annotated[
    str | None,
    typer.Option("--search", metavar="TEXT", help="Somewhere in action, actor, reason or facts."),
]

audit = plain_typer("The audit trail: who did what, when.", group=True)


@audit.command("list")
def list_events(
    ctx: typer.Context,
    *,
    action: Action = None,
    by: By = None,
    subject: About = None,
    conversation: In = None,
    since: Since = None,
    until: Until = None,
    search: Search = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """Events, newest first."""

    async def work(desk: Desk) -> Answer:
        asked = Asked(action, by, subject, conversation, since, until, search)
        page = await desk.engine.audit.events(
            desk.caller, filter=asked.wanted(), cursor=cursor, limit=limit
        )
        table = Table(
            ("ID", "WHEN", "WHO", "ACTION", "SUBJECT", "DETAILS"),
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
    subject: About = None,
    conversation: In = None,
    since: Since = None,
    until: Until = None,
    search: Search = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="A table for a spreadsheet instead, without all hashes.")
    ] = False,
) -> None:
    """Every event with its hashes, one JSON object a line, newest first; --json: one document."""

    async def work(desk: Desk) -> Answer:
        asked = Asked(action, by, subject, conversation, since, until, search)
        if as_csv and desk.out.as_json:
            raise Invalid("format_twice", "Choose --csv or --json, not both.")
        written = _csv if as_csv else _lines
        items: list[JsonObject] = []
        waiting: list[ExportedEvent] = []
        total = 0
        if as_csv:
            desk.out.raw(_comma_separated([COLUMNS]))
        async for event in desk.engine.audit.export(desk.caller, filter=asked.wanted()):
            total += 1
            if desk.out.as_json:
                items.append(view(event))
                continue
            waiting.append(event)
            if len(waiting) == CHUNK:
                _flush(desk, waiting, written)
            if desk.out.gone:
                break
        _flush(desk, waiting, written)
        made = listing(items, Table((), []))
        return Answer(made.data, (), [f"{count(total, 'event')} exported."])

    serve(ctx, work)


@audit.command("verify")
def verify_trail(ctx: typer.Context) -> None:
    """Check every event against the chain; exits with 1 and names the first bad row."""

    async def work(desk: Desk) -> Answer:
        found = await desk.engine.audit.verify(desk.caller)
        data = {**view(found), "first_bad": to_json(found.first_bad)}
        return Answer(data, _told(found), ok=found.ok)

    serve(ctx, work)


@dataclass(frozen=True, slots=True)
class Asked:
    """The filter options of one command line."""

    action: str | None
    by: str | None
    subject: str | None
    conversation: int | None
    since: datetime | None
    until: datetime | None
    search: str | None

    def wanted(self) -> AuditFilter:
        """The filter they stand for.

        Raises:
            Invalid: ``subject_invalid``.
        """
        kind, _, number = (self.subject or "").partition(":")
        if number and not (number.isascii() and number.isdigit() and int(number) <= LARGEST_ID):
            raise Invalid("subject_invalid", "A subject is a kind or a kind and id: draft:12.")
        return AuditFilter(
            action=self.action,
            actor=self.by,
            subject=(kind, int(number)) if number else None,
            subject_kind=kind or None,
            conversation_id=self.conversation,
            since=_aware(self.since),
            until=_aware(self.until),
            text=self.search,
        )


def _aware(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(found: Verification) -> list[Shown]:
    shown: list[Shown] = []
    if found.first_bad is None:
        shown.append(f"The trail holds: {count(found.sealed, 'sealed event')}, none changed.")
    else:
        bad = found.first_bad
        shown.append(f"The trail does not hold. First bad row: event {bad.event_id}, {bad.what}.")
        shown.append(f"Of it: {bad.detail}.")
    shown.append(f"{count(found.unsealed, 'event')} not sealed yet.")
    if found.forgotten:
        shown.append(f"{count(found.forgotten, 'event')} lost personal values to an erasure.")
    if found.chain is not None:
        shown.append(OUTSIDE[found.outside_head])
        shown.append(f"Head: {found.sealed} {or_dash(found.head)}")
    if found.seconds >= 1:
        pace = round(found.sealed / found.seconds)
        shown.append(f"{found.seconds:.1f} s, {pace} events a second.")
    return shown


def _flush(
    desk: Desk, waiting: list[ExportedEvent], written: Callable[[list[ExportedEvent]], str]
) -> None:
    if waiting:
        desk.out.raw(written(waiting))
        waiting.clear()


def _lines(events: list[ExportedEvent]) -> str:
    return "".join(f"{json.dumps(view(event))}\n" for event in events)


def _csv(events: list[ExportedEvent]) -> str:
    return _comma_separated([_cell(row[name]) for name in COLUMNS] for row in map(view, events))


def _comma_separated(rows: Iterable[Sequence[str]]) -> str:
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerows(rows)
    return made.getvalue()


def _cell(value: object) -> str:
    """One cell, which no spreadsheet takes for a formula and no terminal for a command."""
    if value is None:
        return ""
    text = safe(value if isinstance(value, str) else json.dumps(value))
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def _row(event: AuditEvent) -> tuple[str, ...]:
    details = ", ".join(f"{label}: {value}" for label, value in event.details)
    return (
        str(event.id),
        at(event.occurred_at),
        _one_line(f"{event.actor_label} ({event.actor_kind})"),
        event.label,
        f"{event.subject_kind} {event.subject_id}",
        _one_line(details),
    )


def _one_line(text: str) -> str:
    """One row is one line: a name with a line break in it must not look like two rows."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "⏎")
