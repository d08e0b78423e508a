"""Conversations, messages, resolutions, presence, the audit trail and debounced work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from cairnloop_engine.core.tables import SCHEMA, qualified

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_audit_events_conversation",
        "audit_events",
        ["conversation_id", "id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("conversation_id IS NOT NULL"),
    )
    op.create_index(
        "ix_audit_events_subject",
        "audit_events",
        ["workspace", "subject_kind", "subject_id", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_audit_events_workspace_id",
        "audit_events",
        ["workspace", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("customer_ref", sa.Text(), nullable=True),
        sa.Column("assignee", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("held_count", sa.Integer(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_customer_position", sa.BigInteger(), nullable=False),
        sa.Column("last_customer_sequence", sa.BigInteger(), nullable=False),
        sa.Column("has_agent_reply", sa.Boolean(), nullable=False),
        sa.Column("last_public_role", sa.Text(), nullable=True),
        sa.Column("last_excerpt", sa.Text(), nullable=False),
        sa.Column("last_message_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("waiting_since", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("draft_id", sa.BigInteger(), nullable=True),
        sa.Column("draft_type", sa.Text(), nullable=True),
        sa.Column("resolved_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("previous_id", sa.BigInteger(), nullable=True),
        sa.Column("inserted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            sa.Computed(
                "CASE WHEN status <> 'open' THEN status"
                " WHEN NOT has_agent_reply THEN 'new'"
                " WHEN last_public_role = 'user' THEN 'open'"
                " ELSE 'awaiting_customer' END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column(
            "queue_at",
            postgresql.TIMESTAMP(timezone=True),
            sa.Computed(
                "COALESCE(waiting_since, '9999-12-31 00:00:00+00'::timestamptz)", persisted=True
            ),
            nullable=False,
        ),
        sa.Column(
            "searchable",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('simple'::regconfig, coalesce(subject, '') || ' '"
                " || coalesce(customer_ref, '') || ' ' || last_excerpt)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status <> 'resolved' OR resolved_at IS NOT NULL",
            name=op.f("ck_conversations_resolved_has_date"),
        ),
        sa.CheckConstraint(
            "status IN ('open', 'resolved', 'archived')", name=op.f("ck_conversations_status_known")
        ),
        sa.CheckConstraint(
            "(draft_id IS NULL) = (draft_type IS NULL)",
            name=op.f("ck_conversations_draft_has_type"),
        ),
        sa.ForeignKeyConstraint(
            ["previous_id"],
            [f"{SCHEMA}.conversations.id"],
            name=op.f("fk_conversations_previous_id_conversations"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_conversations_assignee",
        "conversations",
        ["workspace", "assignee", "queue_at", "id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("assignee IS NOT NULL"),
    )
    op.create_index(
        "ix_conversations_customer",
        "conversations",
        ["workspace", "customer_ref", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_conversations_drafts",
        "conversations",
        ["workspace", "queue_at", "id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("draft_id IS NOT NULL"),
    )
    op.create_index(
        "ix_conversations_queue",
        "conversations",
        ["workspace", "queue_at", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_conversations_recent",
        "conversations",
        ["workspace", "last_message_at", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_conversations_searchable",
        "conversations",
        ["searchable"],
        unique=False,
        schema=SCHEMA,
        postgresql_using="gin",
    )
    op.create_index(
        "ix_conversations_state_queue",
        "conversations",
        ["workspace", "state", "queue_at", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_conversations_state_recent",
        "conversations",
        ["workspace", "state", "last_message_at", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "pending_work",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_work")),
        sa.UniqueConstraint(
            "workspace", "kind", "key", name=op.f("uq_pending_work_workspace_kind_key")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("customer_position", sa.BigInteger(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("author_kind", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Text(), nullable=False),
        sa.Column("customer_ref", sa.Text(), nullable=True),
        sa.Column("client_message_id", sa.Text(), nullable=True),
        sa.Column("run_key", sa.Text(), nullable=True),
        sa.Column("draft_id", sa.BigInteger(), nullable=True),
        sa.Column("draft_decision_id", sa.BigInteger(), nullable=True),
        sa.Column("citations", postgresql.JSONB(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("visible_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("released_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("inserted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(delivery IN ('received', 'sent')) = (customer_position IS NOT NULL)",
            name=op.f("ck_messages_position_when_visible"),
        ),
        sa.CheckConstraint(
            "delivery IN ('received', 'held', 'sent', 'retracted', 'internal')",
            name=op.f("ck_messages_delivery_known"),
        ),
        sa.CheckConstraint(
            "role <> 'internal_note' OR delivery = 'internal'",
            name=op.f("ck_messages_notes_stay_in"),
        ),
        sa.CheckConstraint(
            "role <> 'system_outbound' OR metadata ? 'template_id'",
            name=op.f("ck_messages_outbound_has_template"),
        ),
        sa.CheckConstraint(
            "role IN ('user', 'agent', 'system', 'internal_note', 'system_outbound')",
            name=op.f("ck_messages_role_known"),
        ),
        sa.CheckConstraint(
            "draft_id IS NULL OR draft_decision_id IS NOT NULL",
            name=op.f("ck_messages_draft_was_decided"),
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            [f"{SCHEMA}.conversations.id"],
            name=op.f("fk_messages_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "conversation_id", "sequence", name=op.f("uq_messages_conversation_id_sequence")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_messages_held",
        "messages",
        ["visible_at"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("delivery = 'held'"),
    )
    op.create_index(
        "uq_messages_client_id",
        "messages",
        ["workspace", "customer_ref", "client_message_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("client_message_id IS NOT NULL"),
    )
    op.create_index(
        "uq_messages_customer_position",
        "messages",
        ["conversation_id", "customer_position"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("customer_position IS NOT NULL"),
    )
    op.create_index(
        "uq_messages_run_key",
        "messages",
        ["run_key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("run_key IS NOT NULL"),
    )
    op.create_table(
        "presence",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("activity", sa.Text(), nullable=False),
        sa.Column("seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "activity IN ('viewing', 'replying')", name=op.f("ck_presence_activity_known")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            [f"{SCHEMA}.conversations.id"],
            name=op.f("fk_presence_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_presence")),
        sa.UniqueConstraint(
            "conversation_id", "operator", name=op.f("uq_presence_conversation_id_operator")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "resolutions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("resolved_by", sa.Text(), nullable=False),
        sa.Column("reopened_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reopened_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            [f"{SCHEMA}.conversations.id"],
            name=op.f("fk_resolutions_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolutions")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_resolutions_current",
        "resolutions",
        ["conversation_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("reopened_at IS NULL"),
    )
    _make_audit_append_only(context.config.attributes["schema"])


def _make_audit_append_only(schema: str) -> None:
    function = qualified(schema, "refuse_audit_change")
    op.execute(
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'restrict_violation';"
        " END $$"
    )
    table = qualified(schema, "audit_events")
    for name, moment in (("row", "UPDATE OR DELETE"), ("all", "TRUNCATE")):
        level = "ROW" if name == "row" else "STATEMENT"
        op.execute(
            f"CREATE TRIGGER audit_is_append_only_{name} BEFORE {moment} ON {table}"
            f" FOR EACH {level} EXECUTE FUNCTION {function}()"
        )
