"""Drafts, the decisions about them, and the tie between a message and its decision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from cairnloop_engine.core.tables import SCHEMA, qualified

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_drafts()
    _create_decisions()
    _tie_messages()
    _make_decisions_final(context.config.attributes["schema"])


def _create_drafts() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("source_message_id", sa.BigInteger(), nullable=False),
        sa.Column("source_sequence", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("conversation_revision", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("proposal_type", sa.Text(), nullable=False),
        sa.Column("operator_summary", sa.Text(), nullable=False),
        sa.Column("customer_reply", sa.Text(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("evidence_snapshot", postgresql.JSONB(), nullable=False),
        sa.Column("grounding_metadata", postgresql.JSONB(), nullable=False),
        sa.Column("clarification_attempts", sa.Integer(), nullable=False),
        sa.Column("generator", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("fallback_reason", sa.Text(), nullable=True),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("final_content", sa.Text(), nullable=True),
        sa.Column("edited_by", sa.Text(), nullable=True),
        sa.Column("discard_reason", sa.Text(), nullable=True),
        sa.Column("discard_note", sa.Text(), nullable=True),
        sa.Column("decided_by_kind", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("sent_message_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        *_draft_rules(),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            [f"{SCHEMA}.conversations.id"],
            name=op.f("fk_drafts_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["source_message_id"],
            [f"{SCHEMA}.messages.id"],
            name=op.f("fk_drafts_source_message_id_messages"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["sent_message_id"],
            [f"{SCHEMA}.messages.id"],
            name=op.f("fk_drafts_sent_message_id_messages"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
        sa.UniqueConstraint(
            "conversation_id",
            "source_message_id",
            "attempt",
            name=op.f("uq_drafts_conversation_id_source_message_id_attempt"),
        ),
        sa.UniqueConstraint("sent_message_id", name=op.f("uq_drafts_sent_message_id")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_drafts_waiting",
        "drafts",
        ["conversation_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("status IN ('pending', 'edited')"),
    )
    op.create_index(
        "ix_drafts_workspace_id", "drafts", ["workspace", "id"], unique=False, schema=SCHEMA
    )
    op.create_index(
        "ix_drafts_workspace_status_id",
        "drafts",
        ["workspace", "status", "id"],
        unique=False,
        schema=SCHEMA,
    )


def _draft_rules() -> list[sa.CheckConstraint]:
    """What no code path may bring about, whatever it believes."""
    rules = {
        "status_known": "status IN ('pending', 'edited', 'approved', 'discarded')",
        "type_known": "proposal_type IN ('reply', 'clarification', 'escalation')",
        "policy_known": "policy IN ('allow', 'draft_only', 'require_approval', 'deny')",
        "reason_known": "discard_reason IS NULL OR discard_reason IN ('discarded_by_operator',"
        " 'superseded', 'answered_by_operator', 'conversation_closed')",
        "denied_is_no_draft": "policy <> 'deny'",
        "has_content": "btrim(content) <> ''",
        "counts_positive": "attempt >= 1 AND clarification_attempts >= 0",
        "escalation_sends_nothing": "(proposal_type = 'escalation') = (customer_reply IS NULL)",
        "approved_has_message": "(status = 'approved') = (sent_message_id IS NOT NULL)",
        "approved_has_words": "status <> 'approved' OR (proposal_type <> 'escalation'"
        " AND final_content IS NOT NULL)",
        "discarded_has_reason": "(status = 'discarded') = (discard_reason IS NOT NULL)",
        "decided_by_somebody": "(status IN ('approved', 'discarded')) = (decided_at IS NOT NULL)"
        " AND (decided_at IS NULL) = (decided_by IS NULL)"
        " AND (decided_at IS NULL) = (decided_by_kind IS NULL)",
    }
    return [
        sa.CheckConstraint(rule, name=op.f(f"ck_drafts_{name}")) for name, rule in rules.items()
    ]


def _create_decisions() -> None:
    op.create_table(
        "draft_decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("draft_id", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("draft_version", sa.Integer(), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "decision IN ('approved', 'edited', 'auto_allowed', 'discarded', 'superseded',"
            " 'retracted')",
            name=op.f("ck_draft_decisions_decision_known"),
        ),
        sa.CheckConstraint(
            "(decision IN ('approved', 'edited', 'auto_allowed')) = (content_digest IS NOT NULL)",
            name=op.f("ck_draft_decisions_sending_names_the_text"),
        ),
        sa.CheckConstraint(
            "btrim(actor_kind) <> '' AND btrim(actor_id) <> ''",
            name=op.f("ck_draft_decisions_decided_by_somebody"),
        ),
        sa.ForeignKeyConstraint(
            ["draft_id"],
            [f"{SCHEMA}.drafts.id"],
            name=op.f("fk_draft_decisions_draft_id_drafts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft_decisions")),
        sa.UniqueConstraint("draft_id", "id", name=op.f("uq_draft_decisions_draft_id_id")),
        schema=SCHEMA,
    )


def _tie_messages() -> None:
    """A message from a draft needs a decision about that draft, and nobody else shares it."""
    op.create_foreign_key(
        "fk_messages_draft_decision",
        "messages",
        "draft_decisions",
        ["draft_id", "draft_decision_id"],
        ["draft_id", "id"],
        source_schema=SCHEMA,
        referent_schema=SCHEMA,
    )
    op.create_index(
        "uq_messages_draft_decision",
        "messages",
        ["draft_decision_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("draft_decision_id IS NOT NULL"),
    )
    op.create_index(
        "uq_messages_live_draft",
        "messages",
        ["draft_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("draft_id IS NOT NULL AND delivery <> 'retracted'"),
    )


def _make_decisions_final(schema: str) -> None:
    function = qualified(schema, "refuse_draft_decision_change")
    op.execute(
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'draft decisions are final' USING ERRCODE = 'restrict_violation';"
        " END $$"
    )
    # Deleting stays possible: it happens only together with the conversation.
    op.execute(
        "CREATE TRIGGER draft_decisions_are_final BEFORE UPDATE ON"
        f" {qualified(schema, 'draft_decisions')}"
        f" FOR EACH ROW EXECUTE FUNCTION {function}()"
    )
