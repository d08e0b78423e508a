"""Every SQL statement that reads the audit trail."""

from __future__ import annotations

from sqlalchemy import select

from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.audit.tables import AuditEventRow
from cairnloop_engine.core.database import Read


async def events(
    read: Read, wanted: AuditFilter, *, before_id: int | None, limit: int
) -> list[AuditEventRow]:
    """Newest first, strictly older than ``before_id``."""
    statement = select(AuditEventRow).where(AuditEventRow.workspace == read.workspace)
    if wanted.action is not None:
        statement = statement.where(AuditEventRow.action == wanted.action)
    if wanted.actor is not None:
        statement = statement.where(AuditEventRow.actor_id == wanted.actor)
    if wanted.subject is not None:
        kind, subject_id = wanted.subject
        statement = statement.where(
            AuditEventRow.subject_kind == kind, AuditEventRow.subject_id == subject_id
        )
    if wanted.conversation_id is not None:
        statement = statement.where(AuditEventRow.conversation_id == wanted.conversation_id)
    if wanted.since is not None:
        statement = statement.where(AuditEventRow.occurred_at >= wanted.since)
    if before_id is not None:
        statement = statement.where(AuditEventRow.id < before_id)
    found = await read.session.scalars(statement.order_by(AuditEventRow.id.desc()).limit(limit))
    return list(found)
