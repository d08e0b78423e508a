"""The audit table; the database itself refuses to change its rows (see migration 0001)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.tables import Base, PrimaryKey, UtcTime


class AuditEventRow(Base):
    __tablename__ = "audit_events"

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    occurred_at: Mapped[datetime] = mapped_column(UtcTime)
    actor_kind: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[int] = mapped_column(BigInteger)
    conversation_id: Mapped[int | None] = mapped_column(BigInteger)
    facts: Mapped[JsonObject] = mapped_column(JSONB)


Index("ix_audit_events_workspace_id", AuditEventRow.workspace, AuditEventRow.id)
Index(
    "ix_audit_events_subject",
    AuditEventRow.workspace,
    AuditEventRow.subject_kind,
    AuditEventRow.subject_id,
    AuditEventRow.id,
)
Index(
    "ix_audit_events_conversation",
    AuditEventRow.conversation_id,
    AuditEventRow.id,
    postgresql_where=AuditEventRow.conversation_id.is_not(None),
)
