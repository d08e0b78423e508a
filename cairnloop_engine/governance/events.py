"""What happens to governed actions that other slices act on, inside the same transaction."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.governance.model import (
    ApprovalMode,
    ApprovalStatus,
    ProposalStatus,
    ResultState,
    RiskTier,
)


@dataclass(frozen=True, slots=True)
class ActionMoved:
    """An action changed its state; ``conversation_id`` None when it belongs to no thread."""

    proposal_id: ProposalId
    conversation_id: ConversationId | None
    status: ApprovalStatus


@dataclass(frozen=True, slots=True)
class ActionTold:
    """Something was put on record about an action: ids, numbers and words of closed lists only.

    ``event`` is its name in the trail without the slice's; ``decided_by`` who let it run.
    """

    event: str
    proposal_id: ProposalId
    tool: str
    actor: str
    risk_tier: RiskTier
    approval_mode: ApprovalMode
    proposal_status: ProposalStatus
    approval_status: ApprovalStatus | None = None
    result_state: ResultState = ResultState.NOT_EXECUTED
    decided_by: str | None = None
    attempt: int | None = None
    milliseconds: int = 0
