"""Words and tones of the states of a governed action: the single source for every front end.

Pure and total: an unknown or missing state has words, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from cairnloop_engine.core.text import humanise


class Tone(StrEnum):
    """How a label is meant; a front end gives it a sign and a colour."""

    SUCCESS = "success"
    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"
    AI = "ai"
    NEUTRAL = "neutral"


class Group(StrEnum):
    """Which pile an action lies in."""

    AWAITING = "awaiting"
    ACTIVE = "active"
    DONE = "done"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Label:
    """A state in words, with its tone and one sentence about what it means."""

    words: str
    tone: Tone = Tone.NEUTRAL
    meaning: str = ""


_PROPOSALS: Mapping[str, Label] = MappingProxyType(
    {
        "proposed": Label("Proposed", Tone.INFO, "It passed every check when it was proposed."),
        "needs_input": Label(
            "Needs input", Tone.WARNING, "Something it needs was missing or not understood."
        ),
        "scope_invalid": Label(
            "Not available here",
            Tone.DANGER,
            "Whoever asked does not hold the rights that this tool needs.",
        ),
        "policy_denied": Label(
            "Blocked by policy", Tone.DANGER, "A rule of this site says no, whoever would approve."
        ),
    }
)
_UNKNOWN_STATUS = Label("Unknown status", Tone.WARNING, "This state has no words here.")

_APPROVALS: Mapping[str, Label] = MappingProxyType(
    {
        "pending": Label("Waits for a decision", Tone.WARNING, "Nothing runs before a yes."),
        "approved": Label("Approved", Tone.INFO, "A worker takes it up and checks it again."),
        "execution_pending": Label("Ready to execute", Tone.INFO, "A worker runs it, once."),
        "rejected": Label("Rejected", Tone.NEUTRAL, "An operator said no."),
        "deferred": Label("Deferred", Tone.NEUTRAL, "An operator said not now."),
        "returned": Label("Returned with a question", Tone.WARNING, "It waits for an answer."),
        "expired": Label("Expired", Tone.NEUTRAL, "Nobody decided in time."),
        "invalidated": Label("Invalidated", Tone.WARNING, "Something changed after the yes."),
        "superseded": Label("Superseded", Tone.NEUTRAL, "An operator's own version replaced it."),
        "executed": Label("Executed", Tone.SUCCESS, "The effect happened."),
        "execution_failed": Label("Execution failed", Tone.DANGER, "The effect did not happen."),
        "execution_unknown": Label(
            "Unknown, needs a person", Tone.DANGER, "The effect may or may not have happened."
        ),
    }
)

_GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        **dict.fromkeys(
            ("proposed", "needs_input", "pending", "returned", "execution_unknown"), Group.AWAITING
        ),
        **dict.fromkeys(("approved", "execution_pending"), Group.ACTIVE),
        **dict.fromkeys(
            (
                "rejected",
                "deferred",
                "expired",
                "invalidated",
                "superseded",
                "executed",
                "execution_failed",
            ),
            Group.DONE,
        ),
    }
)

_RISKS: Mapping[str, Label] = MappingProxyType(
    {
        "read_only": Label("Read-only", Tone.INFO),
        "low_write": Label("Low write", Tone.WARNING),
        "high_write": Label("High write", Tone.DANGER),
        "destructive": Label("Destructive", Tone.DANGER),
    }
)

_MODES: Mapping[str, str] = MappingProxyType(
    {
        "auto": "Auto",
        "requires_approval": "Requires approval",
        "always_block": "Always blocked",
    }
)

_ATTEMPTS: Mapping[str, Label] = MappingProxyType(
    {
        "prepared": Label("Prepared", Tone.INFO, "claimed, the tool was not called yet"),
        "started": Label("Started", Tone.INFO, "the tool may have been called"),
        "confirmed": Label("Confirmed", Tone.SUCCESS, "the effect happened"),
        "failed": Label("Failed", Tone.DANGER, "it is known not to have happened"),
        "unknown": Label("Unknown", Tone.DANGER, "nobody knows whether it happened"),
    }
)

_ORIGINS: Mapping[str, str] = MappingProxyType(
    {"operator": "an operator", "ai": "the AI flow", "mcp": "an AI client"}
)


def word_of(value: object) -> str:
    """The stored word of a state, whether it came as an enum, as text or as nothing."""
    return value if isinstance(value, str) else ""


def proposal_label(status: object) -> Label:
    return _PROPOSALS.get(word_of(status), _UNKNOWN_STATUS)


def approval_label(status: object) -> Label:
    return _APPROVALS.get(word_of(status), _UNKNOWN_STATUS)


def chip(proposal: object, approval: object) -> Label:
    """One state for both axes: what became of the approval wins over what the gates said."""
    if approval is not None:
        return approval_label(approval)
    return proposal_label(proposal)


def group(status: object) -> Group:
    """The pile of a proposal's or an approval's state; an unknown one counts as blocked."""
    return _GROUPS.get(word_of(status), Group.BLOCKED)


def group_label(pile: object) -> str:
    try:
        return humanise(Group(word_of(pile)).value)
    except ValueError:
        return "Unknown"


def risk_label(tier: object) -> Label:
    return _RISKS.get(word_of(tier), Label("Unknown", Tone.INFO))


def mode_label(mode: object) -> str:
    return _MODES.get(word_of(mode), "Unknown")


def attempt_label(state: object) -> Label:
    return _ATTEMPTS.get(word_of(state), Label("Unknown state", Tone.WARNING))


def origin_words(origin: object) -> str:
    return _ORIGINS.get(word_of(origin), "somebody")
