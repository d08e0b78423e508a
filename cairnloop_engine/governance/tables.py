"""The rows of proposals, of the approvals of each, and of every attempt to bring one about."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.tables import SCHEMA, Base, PrimaryKey, UtcTime, Words, one_of
from cairnloop_engine.governance.model import (
    ACTIVE,
    IN_FLIGHT,
    WAITING,
    ApprovalMode,
    ApprovalStatus,
    AttemptState,
    Origin,
    ProposalStatus,
    ResultState,
    RiskTier,
)


def _among(column: str, words: frozenset[ApprovalStatus] | frozenset[AttemptState]) -> str:
    listed = ", ".join(f"'{word.value}'" for word in sorted(words))
    return f"{column} IN ({listed})"


class ProposalRow(Base):
    """Somebody wanted this done, with what was true at that moment.

    ``live`` while the proposal may still lead to an effect; an equal wish then meets this row.
    """

    __tablename__ = "tool_proposals"
    __table_args__ = (
        CheckConstraint(one_of("status", ProposalStatus), name="status_known"),
        CheckConstraint(one_of("risk_tier", RiskTier), name="tier_known"),
        CheckConstraint(one_of("approval_mode", ApprovalMode), name="mode_known"),
        CheckConstraint(one_of("origin", Origin), name="origin_known"),
        CheckConstraint(one_of("result_state", ResultState), name="result_known"),
        CheckConstraint("btrim(actor_kind) <> '' AND btrim(actor_id) <> ''", name="has_actor"),
        CheckConstraint("(status = 'proposed') = (digest IS NOT NULL)", name="valid_has_digest"),
        CheckConstraint("NOT live OR status = 'proposed'", name="only_valid_lives"),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        CheckConstraint(
            "jsonb_typeof(input_snapshot) = 'object' AND jsonb_typeof(scope_snapshot) = 'object'"
            " AND jsonb_typeof(policy_snapshot) = 'object' AND jsonb_typeof(targets) = 'array'",
            name="snapshots_have_shape",
        ),
        Index(
            "uq_tool_proposals_live",
            "workspace",
            "idempotency_key",
            unique=True,
            postgresql_where=text("live"),
        ),
        Index(
            "uq_tool_proposals_business_key",
            "workspace",
            "tool_ref",
            "business_key",
            unique=True,
            postgresql_where=text("live AND business_key IS NOT NULL"),
        ),
        Index(
            "uq_tool_proposals_request_token",
            "workspace",
            "actor_kind",
            "actor_id",
            "request_token",
            unique=True,
            postgresql_where=text("request_token IS NOT NULL AND status = 'proposed'"),
        ),
        Index(
            "uq_tool_proposals_blocked",
            "workspace",
            "idempotency_key",
            "status",
            unique=True,
            postgresql_where=text("status <> 'proposed'"),
        ),
        Index("ix_tool_proposals_workspace_id", "workspace", "id"),
        Index("ix_tool_proposals_conversation", "conversation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    tool_ref: Mapped[str] = mapped_column(Text)
    tool_version: Mapped[str] = mapped_column(Text)
    status: Mapped[ProposalStatus] = mapped_column(Words(ProposalStatus))
    live: Mapped[bool]
    risk_tier: Mapped[RiskTier] = mapped_column(Words(RiskTier))
    approval_mode: Mapped[ApprovalMode] = mapped_column(Words(ApprovalMode))
    origin: Mapped[Origin] = mapped_column(Words(Origin))
    actor_kind: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[str] = mapped_column(Text)
    account_id: Mapped[str | None] = mapped_column(Text)
    conversation_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.conversations.id", ondelete="SET NULL")
    )
    idempotency_key: Mapped[str] = mapped_column(Text)
    request_token: Mapped[str | None] = mapped_column(Text)
    business_key: Mapped[str | None] = mapped_column(Text)
    # One kind of truth per column: what was asked, under which rights, under which rules, where.
    input_snapshot: Mapped[JsonObject] = mapped_column(JSONB)
    scope_snapshot: Mapped[JsonObject] = mapped_column(JSONB)
    policy_snapshot: Mapped[JsonObject] = mapped_column(JSONB)
    targets: Mapped[list[JsonObject]] = mapped_column(JSONB)
    digest: Mapped[str | None] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    rendered_consequence: Mapped[str | None] = mapped_column(Text)
    supersedes_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.tool_proposals.id", ondelete="RESTRICT")
    )
    attempts: Mapped[int] = mapped_column(Integer)
    result_state: Mapped[ResultState] = mapped_column(Words(ResultState))
    result_summary: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class ApprovalRow(Base):
    """One decision process over one proposal.

    ``call`` and ``digest`` are what the decision binds; ``changes`` tells what is different from
    what the approval before it had bound.
    """

    __tablename__ = "tool_approvals"
    __table_args__ = (
        CheckConstraint(one_of("status", ApprovalStatus), name="status_known"),
        CheckConstraint("number >= 1", name="numbered"),
        CheckConstraint(
            "(decided_at IS NULL) = (decided_by IS NULL)"
            " AND (decided_at IS NULL) = (decided_by_kind IS NULL)",
            name="decided_by_somebody",
        ),
        CheckConstraint(
            "status NOT IN ('approved', 'execution_pending', 'executed', 'execution_failed',"
            " 'execution_unknown', 'rejected', 'deferred', 'returned') OR decided_at IS NOT NULL",
            name="decision_recorded",
        ),
        CheckConstraint(
            "status NOT IN ('rejected', 'deferred', 'returned')"
            " OR coalesce(btrim(reason), '') <> ''",
            name="refusal_has_reason",
        ),
        # What was refused cannot be let through by changing one word.
        CheckConstraint(
            "CASE WHEN status IN ('approved', 'execution_pending', 'executed', 'execution_failed',"
            " 'execution_unknown') THEN last_decision IS NOT DISTINCT FROM 'approved'"
            " WHEN status IN ('rejected', 'deferred', 'returned')"
            " THEN last_decision IS NOT DISTINCT FROM status ELSE true END",
            name="decision_fits_status",
        ),
        CheckConstraint(
            "jsonb_typeof(call) = 'object' AND jsonb_typeof(changes) = 'array'",
            name="call_has_shape",
        ),
        Index(
            "uq_tool_approvals_active",
            "proposal_id",
            unique=True,
            postgresql_where=text(_among("status", ACTIVE)),
        ),
        Index("uq_tool_approvals_number", "proposal_id", "number", unique=True),
        Index(
            "ix_tool_approvals_waiting",
            "workspace",
            "expires_at",
            "id",
            postgresql_where=text(_among("status", WAITING)),
        ),
        Index("ix_tool_approvals_status", "status", "expires_at"),
        Index("ix_tool_approvals_decided", "workspace", "decided_by", "decided_at"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    proposal_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.tool_proposals.id", ondelete="RESTRICT")
    )
    number: Mapped[int] = mapped_column(Integer)
    status: Mapped[ApprovalStatus] = mapped_column(Words(ApprovalStatus))
    call: Mapped[JsonObject] = mapped_column(JSONB)
    digest: Mapped[str] = mapped_column(Text)
    changes: Mapped[list[JsonObject]] = mapped_column(JSONB)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    defer_until: Mapped[datetime | None] = mapped_column(UtcTime)
    last_decision: Mapped[str | None] = mapped_column(Text)
    decided_by_kind: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[str | None] = mapped_column(Text)
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
    # The person's words; what became of the action stands in ``outcome``.
    reason: Mapped[str | None] = mapped_column(Text)
    outcome_code: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    reconcile_tries: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class ExecutionRow(Base):
    """One attempt: the ledger that knows about an effect before and after it is tried.

    ``token`` belongs to the run that made the attempt; only that run may say how it went.
    """

    __tablename__ = "tool_executions"
    __table_args__ = (
        CheckConstraint(one_of("state", AttemptState), name="state_known"),
        CheckConstraint("attempt >= 1", name="counted_from_one"),
        CheckConstraint(
            "(state IN ('prepared', 'started')) = (finished_at IS NULL)", name="finished_has_date"
        ),
        CheckConstraint("state <> 'started' OR started_at IS NOT NULL", name="started_has_date"),
        Index("uq_tool_executions_attempt", "proposal_id", "attempt", unique=True),
        # One attempt at a time, and one confirmed effect, for each run key: for ever.
        Index(
            "uq_tool_executions_in_flight",
            "run_key",
            unique=True,
            postgresql_where=text(_among("state", IN_FLIGHT)),
        ),
        Index(
            "uq_tool_executions_confirmed",
            "run_key",
            unique=True,
            postgresql_where=text("state = 'confirmed'"),
        ),
        Index("ix_tool_executions_approval", "approval_id", "attempt"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    proposal_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.tool_proposals.id", ondelete="RESTRICT")
    )
    approval_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.tool_approvals.id", ondelete="RESTRICT")
    )
    attempt: Mapped[int] = mapped_column(Integer)
    run_key: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)
    state: Mapped[AttemptState] = mapped_column(Words(AttemptState))
    token: Mapped[str] = mapped_column(Text)
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    code: Mapped[str | None] = mapped_column(Text)
    summary: Mapped[str | None] = mapped_column(Text)
    facts: Mapped[JsonObject] = mapped_column(JSONB)
    prepared_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
