"""The rows of conversations, messages, resolutions and presence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from cairnloop_engine.conversations.model import Activity, Delivery, Role, State, Status
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.tables import SCHEMA, Base, PrimaryKey, UtcTime, Words, one_of

# Computed by Postgres from the stored columns, so that it can be indexed and can never be stale.
STATE = (
    "CASE WHEN status <> 'open' THEN status"
    " WHEN NOT has_agent_reply THEN 'new'"
    " WHEN last_public_role = 'user' THEN 'open'"
    " ELSE 'awaiting_customer' END"
)
# Those who wait come first, oldest first; everybody else stands at the end of time.
QUEUE_AT = "COALESCE(waiting_since, '9999-12-31 00:00:00+00'::timestamptz)"
SEARCHABLE = (
    "to_tsvector('simple'::regconfig, coalesce(subject, '') || ' ' || coalesce(customer_ref, '')"
    " || ' ' || last_excerpt)"
)


class ConversationRow(Base):
    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint(one_of("status", Status), name="status_known"),
        CheckConstraint(
            "status <> 'resolved' OR resolved_at IS NOT NULL", name="resolved_has_date"
        ),
        CheckConstraint("(draft_id IS NULL) = (draft_type IS NULL)", name="draft_has_type"),
        Index("ix_conversations_queue", "workspace", "queue_at", "id"),
        Index("ix_conversations_recent", "workspace", "last_message_at", "id"),
        Index("ix_conversations_state_queue", "workspace", "state", "queue_at", "id"),
        Index("ix_conversations_state_recent", "workspace", "state", "last_message_at", "id"),
        Index("ix_conversations_customer", "workspace", "customer_ref", "id"),
        Index(
            "ix_conversations_assignee",
            "workspace",
            "assignee",
            "queue_at",
            "id",
            postgresql_where=text("assignee IS NOT NULL"),
        ),
        Index(
            "ix_conversations_drafts",
            "workspace",
            "queue_at",
            "id",
            postgresql_where=text("draft_id IS NOT NULL"),
        ),
        Index(
            "ix_conversations_actions",
            "workspace",
            "queue_at",
            "id",
            postgresql_where=text("actions_waiting > 0"),
        ),
        Index("ix_conversations_searchable", "searchable", postgresql_using="gin"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    status: Mapped[Status] = mapped_column(Words(Status))
    subject: Mapped[str | None] = mapped_column(Text)
    customer_ref: Mapped[str | None] = mapped_column(Text)
    assignee: Mapped[str | None] = mapped_column(Text)
    # Grows with every public message and every change of status: what a decision was based on.
    revision: Mapped[int] = mapped_column(BigInteger)
    message_count: Mapped[int] = mapped_column(Integer)
    held_count: Mapped[int] = mapped_column(Integer)
    last_sequence: Mapped[int] = mapped_column(BigInteger)
    last_customer_position: Mapped[int] = mapped_column(BigInteger)
    last_customer_sequence: Mapped[int] = mapped_column(BigInteger)
    has_agent_reply: Mapped[bool]
    last_public_role: Mapped[Role | None] = mapped_column(Words(Role))
    last_excerpt: Mapped[str] = mapped_column(Text)
    last_message_at: Mapped[datetime] = mapped_column(UtcTime)
    waiting_since: Mapped[datetime | None] = mapped_column(UtcTime)
    draft_id: Mapped[int | None] = mapped_column(BigInteger)
    draft_type: Mapped[str | None] = mapped_column(Text)
    actions_waiting: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    resolved_at: Mapped[datetime | None] = mapped_column(UtcTime)
    resolved_by: Mapped[str | None] = mapped_column(Text)
    previous_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.conversations.id", ondelete="SET NULL")
    )
    inserted_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    state: Mapped[State] = mapped_column(Words(State), Computed(STATE, persisted=True))
    queue_at: Mapped[datetime] = mapped_column(UtcTime, Computed(QUEUE_AT, persisted=True))
    searchable: Mapped[Any] = mapped_column(
        TSVECTOR, Computed(SEARCHABLE, persisted=True), deferred=True
    )


class MessageRow(Base):
    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint(one_of("role", Role), name="role_known"),
        CheckConstraint(one_of("delivery", Delivery), name="delivery_known"),
        CheckConstraint(
            "draft_id IS NULL OR draft_decision_id IS NOT NULL", name="draft_was_decided"
        ),
        CheckConstraint(
            "(delivery IN ('received', 'sent')) = (customer_position IS NOT NULL)",
            name="position_when_visible",
        ),
        CheckConstraint("role <> 'internal_note' OR delivery = 'internal'", name="notes_stay_in"),
        CheckConstraint(
            "role <> 'system_outbound' OR metadata ? 'template_id'", name="outbound_has_template"
        ),
        UniqueConstraint("conversation_id", "sequence"),
        Index(
            "uq_messages_customer_position",
            "conversation_id",
            "customer_position",
            unique=True,
            postgresql_where=text("customer_position IS NOT NULL"),
        ),
        Index(
            "uq_messages_client_id",
            "workspace",
            "customer_ref",
            "client_message_id",
            unique=True,
            postgresql_where=text("client_message_id IS NOT NULL"),
        ),
        Index(
            "uq_messages_run_key",
            "run_key",
            unique=True,
            postgresql_where=text("run_key IS NOT NULL"),
        ),
        Index("ix_messages_held", "visible_at", postgresql_where=text("delivery = 'held'")),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    conversation_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.conversations.id", ondelete="CASCADE")
    )
    sequence: Mapped[int] = mapped_column(BigInteger)
    customer_position: Mapped[int | None] = mapped_column(BigInteger)
    role: Mapped[Role] = mapped_column(Words(Role))
    delivery: Mapped[Delivery] = mapped_column(Words(Delivery))
    content: Mapped[str] = mapped_column(Text)
    author_kind: Mapped[str] = mapped_column(Text)
    author_id: Mapped[str] = mapped_column(Text)
    customer_ref: Mapped[str | None] = mapped_column(Text)
    client_message_id: Mapped[str | None] = mapped_column(Text)
    run_key: Mapped[str | None] = mapped_column(Text)
    draft_id: Mapped[int | None] = mapped_column(BigInteger)
    draft_decision_id: Mapped[int | None] = mapped_column(BigInteger)
    citations: Mapped[list[JsonObject]] = mapped_column(JSONB)
    # "metadata" is taken on the class by SQLAlchemy.
    facts: Mapped[JsonObject] = mapped_column("metadata", JSONB)
    visible_at: Mapped[datetime | None] = mapped_column(UtcTime)
    released_at: Mapped[datetime | None] = mapped_column(UtcTime)
    inserted_at: Mapped[datetime] = mapped_column(UtcTime)


class ResolutionRow(Base):
    """One closing of a conversation; what follows a closing refers to it, not to the thread."""

    __tablename__ = "resolutions"
    __table_args__ = (
        Index(
            "uq_resolutions_current",
            "conversation_id",
            unique=True,
            postgresql_where=text("reopened_at IS NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    conversation_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.conversations.id", ondelete="CASCADE")
    )
    resolved_at: Mapped[datetime] = mapped_column(UtcTime)
    resolved_by: Mapped[str] = mapped_column(Text)
    reopened_at: Mapped[datetime | None] = mapped_column(UtcTime)
    reopened_by: Mapped[str | None] = mapped_column(Text)


class PresenceRow(Base):
    __tablename__ = "presence"
    __table_args__ = (
        CheckConstraint(one_of("activity", Activity), name="activity_known"),
        UniqueConstraint("conversation_id", "operator"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    conversation_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.conversations.id", ondelete="CASCADE")
    )
    operator: Mapped[str] = mapped_column(Text)
    activity: Mapped[Activity] = mapped_column(Words(Activity))
    seen_at: Mapped[datetime] = mapped_column(UtcTime)
