"""The audit trail as front ends see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.audit import queries
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.audit.tables import AuditEventRow
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.paging import Page, checked_limit, decode_number, encode_cursor
from cairnloop_engine.core.text import safe


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to which row, when."""

    id: int
    occurred_at: datetime
    actor_kind: str
    actor: str
    action: str
    subject_kind: str
    subject_id: int
    conversation_id: int | None
    facts: JsonObject


async def events(
    read: Read, wanted: AuditFilter, *, cursor: str | None, limit: int
) -> Page[AuditEvent]:
    """A page of events, newest first."""
    before_id = decode_number(cursor) if cursor else None
    rows = await queries.events(read, wanted, before_id=before_id, limit=checked_limit(limit) + 1)
    shown = rows[:limit]
    following = encode_cursor([shown[-1].id]) if len(rows) > limit else None
    return Page(tuple(_event(row) for row in shown), following)


def _event(row: AuditEventRow) -> AuditEvent:
    return AuditEvent(
        id=row.id,
        occurred_at=row.occurred_at,
        actor_kind=row.actor_kind,
        actor=safe(row.actor_id, limit=120),
        action=row.action,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        conversation_id=row.conversation_id,
        facts=row.facts,
    )
