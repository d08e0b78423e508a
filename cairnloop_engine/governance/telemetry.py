"""What monitoring hears of governed actions: bounded metrics, and spans; never their content.

Everything goes out after the commit, on two ways that never mix: metrics under
``cairnloop.governance.<event>`` and spans under ``cairnloop.governance.trace.<event>``. What is not
on the lists here is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from cairnloop_engine.core import telemetry
from cairnloop_engine.core.database import EventHandler, Work
from cairnloop_engine.governance.events import ActionTold
from cairnloop_engine.governance.model import (
    ApprovalMode,
    ApprovalStatus,
    ProposalStatus,
    ResultState,
    RiskTier,
)
from cairnloop_engine.governance.registry import Registry

METRICS = "cairnloop.governance"
SPANS = "cairnloop.governance.trace"
UNKNOWN = "unknown"
UNSUPPORTED = "unsupported"

# The trail's word, and the one that monitoring knows it by.
PROPOSALS: Mapping[str, str] = {
    "proposed": "proposal_created",
    "blocked": "proposal_blocked",
    "asked_again": "proposal_duplicate",
}
OUTCOMES: Mapping[str, str] = {
    "execution_succeeded": "action_executed",
    "execution_failed": "action_failed",
    "execution_unknown": "action_unknown",
}
TRANSITIONS = frozenset(
    {"approval_requested", "approved", "rejected", "deferred", "returned", "expired"}
    | {"superseded", "digest_mismatch", "revalidation_passed", "revalidation_failed"}
    | {"execution_succeeded", "execution_failed", "execution_unknown", "settled"}
)
TRACED: Mapping[str, str] = {
    **{event: event for event in TRANSITIONS},
    **{event: event for event in ("execution_started", "execution_attempt_failed")},
    "proposed": "proposal_created",
    "blocked": "proposal_blocked",
}
_OUTCOME_WORDS = frozenset(ProposalStatus) | {UNSUPPORTED, "duplicate"}


def handlers(registry: Registry) -> dict[type, Sequence[EventHandler]]:
    """Listens to what is put on record; monitoring hears of it if and only if it is committed."""
    known = frozenset(tool.spec.name for tool in registry)

    async def told(work: Work, event: object) -> None:
        assert isinstance(event, ActionTold)
        work.after_commit(partial(tell, event, known))

    return {ActionTold: [told]}


def tell(event: ActionTold, known: Collection[str]) -> None:
    """Count it and trace it, if it is on the lists. ``known`` are the registered tools."""
    _count(event, known)
    _trace(event)


def unsupported() -> None:
    """Somebody asked for a tool that is not here; there is no row that could tell it."""
    labels = _proposal_labels(UNSUPPORTED, UNKNOWN, UNKNOWN)
    telemetry.count(f"{METRICS}.proposal_blocked", 1, labels)


def listed(value: object, words: Collection[str], otherwise: str = UNKNOWN) -> str:
    """The value if it is one of the words; labels never come from anywhere else."""
    return str(value) if isinstance(value, str) and value in words else otherwise


def _count(event: ActionTold, known: Collection[str]) -> None:
    proposal = PROPOSALS.get(event.event)
    if proposal is not None:
        said = "duplicate" if event.event == "asked_again" else event.proposal_status
        labels = _proposal_labels(said, event.risk_tier, event.approval_mode)
        telemetry.count(f"{METRICS}.{proposal}", 1, labels)
    outcome = OUTCOMES.get(event.event)
    if outcome is not None:
        labels = {
            "risk_tier": listed(event.risk_tier, frozenset(RiskTier)),
            "approval_mode": listed(event.approval_mode, frozenset(ApprovalMode)),
            "result_state": listed(event.result_state, frozenset(ResultState)),
            "tool_ref": listed(event.tool, known),
        }
        telemetry.count(f"{METRICS}.{outcome}", 1, labels)
        telemetry.took(f"{METRICS}.{outcome}.duration_ms", max(0, event.milliseconds), labels)
    if event.event in TRANSITIONS:
        labels = {
            "event_type": event.event,
            "new_status": listed(event.approval_status, frozenset(ApprovalStatus)),
        }
        telemetry.count(f"{METRICS}.approval_transition", 1, labels)


def _proposal_labels(outcome: str, risk: str, mode: str) -> dict[str, str]:
    return {
        "outcome": listed(outcome, _OUTCOME_WORDS, UNSUPPORTED),
        "risk_tier": listed(risk, frozenset(RiskTier)),
        "approval_mode": listed(mode, frozenset(ApprovalMode)),
    }


def _trace(event: ActionTold) -> None:
    name = TRACED.get(event.event)
    if name is None:
        return
    kind = "TOOL" if name.startswith("execution_") else "GUARDRAIL"
    telemetry.mark(
        f"{SPANS}.{name}",
        {
            "openinference.span.kind": kind,
            "tool_proposal_id": event.proposal_id,
            "actor_id": event.actor,
            # A pointer to the row; what the policy said never leaves the database.
            "policy_snapshot_ref": event.proposal_id,
            "decided_by": event.decided_by or "",
            "attempt": event.attempt or 0,
        },
    )
