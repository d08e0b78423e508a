"""Governed actions: proposals, their approvals, and the ledger of every attempt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from cairnloop_engine.core.tables import SCHEMA, qualified

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("tool_proposals", *_proposal(), *_proposal_rules(), schema=SCHEMA)
    _index_proposals()
    op.create_table("tool_approvals", *_approval(), *_approval_rules(), schema=SCHEMA)
    _index_approvals()
    op.create_table("tool_executions", *_execution(), *_execution_rules(), schema=SCHEMA)
    _index_executions()
    _mark_conversations()


def _proposal() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("tool_ref", sa.Text(), nullable=False),
        sa.Column("tool_version", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("risk_tier", sa.Text(), nullable=False),
        sa.Column("approval_mode", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("conversation_id", sa.BigInteger(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_token", sa.Text(), nullable=True),
        sa.Column("business_key", sa.Text(), nullable=True),
        sa.Column("input_snapshot", postgresql.JSONB(), nullable=False),
        sa.Column("scope_snapshot", postgresql.JSONB(), nullable=False),
        sa.Column("policy_snapshot", postgresql.JSONB(), nullable=False),
        sa.Column("targets", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("rendered_consequence", sa.Text(), nullable=True),
        sa.Column("supersedes_id", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("result_state", sa.Text(), nullable=False),
        sa.Column("result_summary", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
    ]


def _proposal_rules() -> list[sa.Constraint]:
    return [
        sa.CheckConstraint(
            "(status = 'proposed') = (digest IS NOT NULL)",
            name=op.f("ck_tool_proposals_valid_has_digest"),
        ),
        sa.CheckConstraint(
            "NOT live OR status = 'proposed'", name=op.f("ck_tool_proposals_only_valid_lives")
        ),
        sa.CheckConstraint(
            "approval_mode IN ('auto', 'requires_approval', 'always_block')",
            name=op.f("ck_tool_proposals_mode_known"),
        ),
        sa.CheckConstraint(
            "btrim(actor_kind) <> '' AND btrim(actor_id) <> ''",
            name=op.f("ck_tool_proposals_has_actor"),
        ),
        sa.CheckConstraint(
            "origin IN ('operator', 'ai', 'mcp')", name=op.f("ck_tool_proposals_origin_known")
        ),
        sa.CheckConstraint(
            "result_state IN ('not_executed', 'succeeded', 'failed', 'unknown')",
            name=op.f("ck_tool_proposals_result_known"),
        ),
        sa.CheckConstraint(
            "risk_tier IN ('read_only', 'low_write', 'high_write', 'destructive')",
            name=op.f("ck_tool_proposals_tier_known"),
        ),
        sa.CheckConstraint(
            "status IN ('proposed', 'needs_input', 'scope_invalid', 'policy_denied')",
            name=op.f("ck_tool_proposals_status_known"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_tool_proposals_attempts_counted")),
        sa.CheckConstraint(
            "jsonb_typeof(input_snapshot) = 'object' AND jsonb_typeof(scope_snapshot) = 'object'"
            " AND jsonb_typeof(policy_snapshot) = 'object' AND jsonb_typeof(targets) = 'array'",
            name=op.f("ck_tool_proposals_snapshots_have_shape"),
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            [f"{SCHEMA}.conversations.id"],
            name=op.f("fk_tool_proposals_conversation_id_conversations"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["supersedes_id"],
            [f"{SCHEMA}.tool_proposals.id"],
            name=op.f("fk_tool_proposals_supersedes_id_tool_proposals"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tool_proposals")),
    ]


def _index_proposals() -> None:
    op.create_index(
        "ix_tool_proposals_conversation",
        "tool_proposals",
        ["conversation_id", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_tool_proposals_workspace_id",
        "tool_proposals",
        ["workspace", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "uq_tool_proposals_blocked",
        "tool_proposals",
        ["workspace", "idempotency_key", "status"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("status <> 'proposed'"),
    )
    op.create_index(
        "uq_tool_proposals_business_key",
        "tool_proposals",
        ["workspace", "tool_ref", "business_key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("live AND business_key IS NOT NULL"),
    )
    op.create_index(
        "uq_tool_proposals_live",
        "tool_proposals",
        ["workspace", "idempotency_key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("live"),
    )
    op.create_index(
        "uq_tool_proposals_request_token",
        "tool_proposals",
        ["workspace", "actor_kind", "actor_id", "request_token"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("request_token IS NOT NULL AND status = 'proposed'"),
    )


def _approval() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("proposal_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("call", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("defer_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_decision", sa.Text(), nullable=True),
        sa.Column("decided_by_kind", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("outcome_code", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reconcile_tries", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
    ]


def _approval_rules() -> list[sa.Constraint]:
    return [
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'execution_pending', 'rejected',"
            " 'deferred', 'returned', 'expired', 'invalidated', 'superseded',"
            " 'executed', 'execution_failed', 'execution_unknown')",
            name=op.f("ck_tool_approvals_status_known"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('approved', 'execution_pending', 'executed',"
            " 'execution_failed', 'execution_unknown', 'rejected', 'deferred',"
            " 'returned') OR decided_at IS NOT NULL",
            name=op.f("ck_tool_approvals_decision_recorded"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('rejected', 'deferred', 'returned')"
            " OR coalesce(btrim(reason), '') <> ''",
            name=op.f("ck_tool_approvals_refusal_has_reason"),
        ),
        sa.CheckConstraint(
            "CASE WHEN status IN ('approved', 'execution_pending', 'executed', 'execution_failed',"
            " 'execution_unknown') THEN last_decision IS NOT DISTINCT FROM 'approved'"
            " WHEN status IN ('rejected', 'deferred', 'returned')"
            " THEN last_decision IS NOT DISTINCT FROM status ELSE true END",
            name=op.f("ck_tool_approvals_decision_fits_status"),
        ),
        sa.CheckConstraint(
            "jsonb_typeof(call) = 'object' AND jsonb_typeof(changes) = 'array'",
            name=op.f("ck_tool_approvals_call_has_shape"),
        ),
        sa.CheckConstraint(
            "(decided_at IS NULL) = (decided_by IS NULL) AND (decided_at IS NULL)"
            " = (decided_by_kind IS NULL)",
            name=op.f("ck_tool_approvals_decided_by_somebody"),
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_tool_approvals_numbered")),
        sa.ForeignKeyConstraint(
            ["proposal_id"],
            [f"{SCHEMA}.tool_proposals.id"],
            name=op.f("fk_tool_approvals_proposal_id_tool_proposals"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tool_approvals")),
    ]


def _index_approvals() -> None:
    op.create_index(
        "ix_tool_approvals_decided",
        "tool_approvals",
        ["workspace", "decided_by", "decided_at"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_tool_approvals_status",
        "tool_approvals",
        ["status", "expires_at"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_tool_approvals_waiting",
        "tool_approvals",
        ["workspace", "expires_at", "id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("status IN ('execution_unknown', 'pending')"),
    )
    op.create_index(
        "uq_tool_approvals_active",
        "tool_approvals",
        ["proposal_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text(
            "status IN ('approved', 'execution_pending', 'execution_unknown', 'pending')"
        ),
    )
    op.create_index(
        "uq_tool_approvals_number",
        "tool_approvals",
        ["proposal_id", "number"],
        unique=True,
        schema=SCHEMA,
    )


def _execution() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("proposal_id", sa.BigInteger(), nullable=False),
        sa.Column("approval_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run_key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("prepared_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
    ]


def _execution_rules() -> list[sa.Constraint]:
    return [
        sa.CheckConstraint(
            "(state IN ('prepared', 'started')) = (finished_at IS NULL)",
            name=op.f("ck_tool_executions_finished_has_date"),
        ),
        sa.CheckConstraint(
            "state <> 'started' OR started_at IS NOT NULL",
            name=op.f("ck_tool_executions_started_has_date"),
        ),
        sa.CheckConstraint(
            "state IN ('prepared', 'started', 'confirmed', 'failed', 'unknown')",
            name=op.f("ck_tool_executions_state_known"),
        ),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_tool_executions_counted_from_one")),
        sa.ForeignKeyConstraint(
            ["approval_id"],
            [f"{SCHEMA}.tool_approvals.id"],
            name=op.f("fk_tool_executions_approval_id_tool_approvals"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["proposal_id"],
            [f"{SCHEMA}.tool_proposals.id"],
            name=op.f("fk_tool_executions_proposal_id_tool_proposals"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tool_executions")),
    ]


def _index_executions() -> None:
    op.create_index(
        "ix_tool_executions_approval",
        "tool_executions",
        ["approval_id", "attempt"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "uq_tool_executions_attempt",
        "tool_executions",
        ["proposal_id", "attempt"],
        unique=True,
        schema=SCHEMA,
    )
    op.create_index(
        "uq_tool_executions_confirmed",
        "tool_executions",
        ["run_key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'confirmed'"),
    )
    op.create_index(
        "uq_tool_executions_in_flight",
        "tool_executions",
        ["run_key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("state IN ('prepared', 'started')"),
    )


def _mark_conversations() -> None:
    """How many actions of a conversation wait, where the inbox can see it."""
    # Alembic's own ALTER statements would not follow the schema setting.
    conversations = qualified(context.config.attributes["schema"], "conversations")
    op.execute(f"ALTER TABLE {conversations} ADD actions_waiting integer NOT NULL DEFAULT 0")
    op.create_index(
        "ix_conversations_actions",
        "conversations",
        ["workspace", "queue_at", "id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("actions_waiting > 0"),
    )
