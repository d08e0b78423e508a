"""What the doctor concludes about governed actions. No IO in this module."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.governance.model import ApprovalStatus
from cairnloop_engine.operations.model import Check, look, ok

UNKNOWN = ApprovalStatus.EXECUTION_UNKNOWN.value


@dataclass(frozen=True, slots=True)
class Actions:
    """Governed actions of the whole site: how many are in which state, and what takes long.

    ``in_flight`` tells for each tool how long its oldest attempt has been under way.
    """

    proposals: dict[str, int]
    approvals: dict[str, int]
    executions: dict[str, int]
    oldest_pending_seconds: float | None
    in_flight: dict[str, float]


@dataclass(frozen=True, slots=True)
class ActionRules:
    """How this site governs: its tools, and how long an attempt of each may take at most.

    ``loosened`` names the tools that a setting lets through more easily than they ask for.
    """

    limits: dict[str, float]
    identity: str
    loosened: tuple[str, ...]
    approval_ttl: float


def judge_actions(actions: Actions, rules: ActionRules) -> Check:
    """What waits for a person comes first, then what is stuck, then what was made easier."""
    pending, unknown = actions.approvals.get("pending", 0), actions.approvals.get(UNKNOWN, 0)
    longest = max(rules.limits.values(), default=0)
    stuck = [
        tool
        for tool, seconds in actions.in_flight.items()
        if seconds > rules.limits.get(tool, longest)
    ]
    tools = f"{len(rules.limits)} tools" if len(rules.limits) != 1 else "one tool"
    said = f"{tools}, rights from {rules.identity}; {pending} pending"
    waited = actions.oldest_pending_seconds
    if waited is not None:
        said += f", the oldest for {waited:.0f} s"
    if unknown:
        return look(
            "governance",
            f"{unknown} with an unknown outcome; {said}.",
            "Look at the target of each, then `cairnloop settle` it: "
            "`cairnloop actions --status unknown`.",
            promise="P1",
        )
    if stuck:
        return look(
            "governance",
            f"an attempt of {', '.join(stuck)} never ended; {said}.",
            "Start a worker: it finds out what became of it. `cairnloop worker`.",
            promise="P1",
        )
    if rules.loosened:
        return look(
            "governance",
            f"approval_loosening makes these easier than they ask for: "
            f"{', '.join(rules.loosened)}; {said}.",
            "Take them out of approval_overrides, or unset approval_loosening.",
            promise="P5",
        )
    if waited is not None and waited > rules.approval_ttl / 2:
        return look(
            "governance",
            f"{said}, and it expires when nobody decides.",
            "Decide: `cairnloop actions --status waiting`.",
            promise="P2",
        )
    return ok("governance", f"{said}; nothing is stuck.", promise="P1")
