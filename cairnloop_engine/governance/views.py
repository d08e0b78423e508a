"""What front ends see of governed actions. No IO in this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.ids import ApprovalId, ConversationId, DraftId, ProposalId
from cairnloop_engine.governance.masking import InputRow
from cairnloop_engine.governance.model import (
    WAITING,
    ApprovalMode,
    ApprovalStatus,
    AttemptState,
    Origin,
    ProposalStatus,
    ResultState,
    RiskTier,
)


@dataclass(frozen=True, slots=True)
class ToolView:
    """A registered tool. ``available`` says whether the asking actor holds its scopes and the
    mode lets anything through; the gates decide for good."""

    name: str
    version: str
    title: str
    description: str
    risk_tier: RiskTier
    approval_mode: ApprovalMode
    scopes: tuple[str, ...]
    idempotent: bool
    schema: JsonObject
    available: bool
    loosened: bool


@dataclass(frozen=True, slots=True)
class ActionRow:
    """One action in a list. ``approval_status`` is None for a blocked attempt."""

    id: ProposalId
    tool: str
    title: str
    consequence: str | None
    status: ProposalStatus
    approval_id: ApprovalId | None
    approval_status: ApprovalStatus | None
    risk_tier: RiskTier
    approval_mode: ApprovalMode
    origin: Origin
    proposed_by_kind: str
    proposed_by: str
    conversation_id: ConversationId | None
    digest: str | None
    changed: bool
    expires_at: datetime | None
    defer_until: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    blocked_code: str | None
    blocked_reason: str | None
    outcome_code: str | None
    outcome: str | None
    attempts: int
    result_state: ResultState
    created_at: datetime
    updated_at: datetime

    @property
    def waits(self) -> bool:
        """Whether a person has to decide or to settle something."""
        return self.approval_status in WAITING


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A field that differs from what was approved before."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """One decision process of an action."""

    id: ApprovalId
    number: int
    status: ApprovalStatus
    digest: str
    changes: tuple[ChangeRow, ...]
    expires_at: datetime
    defer_until: datetime | None
    decision: str | None
    decided_by_kind: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    outcome_code: str | None
    outcome: str | None
    created_at: datetime
    finished_at: datetime | None
    # Whether the call that is kept still has the digest that was approved.
    intact: bool = True


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One line of the ledger."""

    id: int
    approval_id: ApprovalId
    attempt: int
    state: AttemptState
    run_key: str
    code: str | None
    summary: str | None
    facts: JsonObject
    prepared_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One event of the trail about this action. ``words`` are what people wrote."""

    id: int
    at: datetime
    actor_kind: str
    actor: str
    event: str
    words: Mapping[str, str]
    facts: JsonObject


@dataclass(frozen=True, slots=True)
class PolicyView:
    """Which rules held when the gates last judged it."""

    outcome: str
    mode: str | None
    declared: str | None
    source: str | None
    revision: str | None
    code: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ActionView:
    """One action with everything about it; secrets in its input are masked everywhere."""

    row: ActionRow
    version: str
    account_id: str | None
    inputs: tuple[InputRow, ...]
    raw_input: JsonValue
    scopes: tuple[str, ...]
    required_scopes: tuple[str, ...]
    policy: PolicyView
    targets: tuple[tuple[str, str, str], ...]
    idempotency_key: str
    supersedes_id: ProposalId | None
    approvals: tuple[ApprovalView, ...]
    attempts: tuple[AttemptView, ...]
    history: tuple[HistoryEvent, ...]
    superseded_by_id: ProposalId | None = None
    # The draft beside which the AI flow proposed it.
    draft_id: DraftId | None = None

    @property
    def changes(self) -> tuple[ChangeRow, ...]:
        """What is different from what was approved before; empty when nothing is."""
        return self.approvals[-1].changes if self.approvals else ()


@dataclass(frozen=True, slots=True)
class ActionCounts:
    """How many actions wait for a person."""

    pending: int
    unknown: int


@dataclass(frozen=True, slots=True)
class ApproverLoad:
    """How an operator decides. ``busiest_minute`` is the most decisions within any 60 seconds."""

    operator: str
    decisions: int
    approved: int
    rejected: int
    median_seconds: float
    fastest_seconds: float
    busiest_minute: int
