"""The audit trail and the seals of its chain.

The database itself refuses to change their rows (see migrations 0001 and 0005), but for one
thing: a personal value may be dropped together with its salt, never replaced.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, Text, text
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
    actor_id: Mapped[str | None] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[int] = mapped_column(BigInteger)
    conversation_id: Mapped[int | None] = mapped_column(BigInteger)
    facts: Mapped[JsonObject] = mapped_column(JSONB)
    personal: Mapped[JsonObject] = mapped_column(JSONB, server_default=text("'{}'"))
    salts: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    digests: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    # What only this installation can write; empty on the events of older releases.
    mark: Mapped[bytes | None] = mapped_column(LargeBinary)


class AuditSealRow(Base):
    """One event's place in the chain; number 0 opens it and seals no event."""

    __tablename__ = "audit_seals"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    row_hash: Mapped[bytes] = mapped_column(LargeBinary)
    chain_hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime] = mapped_column(UtcTime)


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
Index("ix_audit_events_actor", AuditEventRow.workspace, AuditEventRow.actor_id, AuditEventRow.id)
Index("ix_audit_events_action", AuditEventRow.workspace, AuditEventRow.action, AuditEventRow.id)
