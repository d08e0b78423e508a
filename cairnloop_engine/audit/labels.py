"""How the trail reads: every action has words, and odd input never breaks a screen.

Pure and total: whatever a row holds, each of these gives something that can be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cairnloop_engine.core.text import humanise, is_blank, safe

NOTHING = "—"
UNKNOWN_ACTION = "Unknown action"
SYSTEM = "System"
ERASED = "Erased"
LONGEST_VALUE = 500

KNOWN: Mapping[str, str] = {
    "conversations.message_received": "Message received",
    "conversations.replied": "Reply written",
    "conversations.released": "Reply sent",
    "conversations.retracted": "Reply taken back",
    "conversations.noted": "Note added",
    "conversations.assigned": "Conversation assigned",
    "conversations.resolved": "Conversation resolved",
    "conversations.reopened": "Conversation reopened",
    "conversations.archived": "Conversation archived",
    "drafting.requested": "Draft requested",
    "drafting.created": "Draft created",
    "drafting.edited": "Draft edited",
    "drafting.approved": "Draft approved",
    "drafting.discarded": "Draft discarded",
    "drafting.retracted": "Draft taken back",
    "drafting.denied": "Draft denied by policy",
    "drafting.auto_send_refused": "Automatic send refused",
    "drafting.action_suggested": "Draft suggests an action",
    "drafting.action_settled": "Suggested action handed over",
    "knowledge.draft_saved": "Article draft saved",
    "knowledge.published": "Article published",
    "knowledge.archived": "Article archived",
    "retrieval.rebuild_requested": "Index rebuild requested",
    "retrieval.replay_requested": "Failed vectors asked for again",
    "retrieval.vector_index_requested": "Vector index requested",
    "retrieval.model_switched": "Sentence model switched",
    "retrieval.calibrated": "Grounding calibrated",
    "retrieval.calibration_withdrawn": "Calibration withdrawn",
    "governance.proposed": "Action proposed",
    "governance.asked_again": "Proposed again elsewhere",
    "governance.blocked": "Action blocked",
    "governance.approval_requested": "Approval requested",
    "governance.approved": "Approved",
    "governance.rejected": "Rejected",
    "governance.deferred": "Deferred",
    "governance.returned": "Returned with a question",
    "governance.answered": "Question answered",
    "governance.expired": "Expired",
    "governance.invalidated": "Invalidated",
    "governance.reopened": "Reopened",
    "governance.superseded": "Superseded",
    "governance.revalidation_passed": "Re-validation passed",
    "governance.revalidation_failed": "Re-validation failed",
    "governance.digest_mismatch": "Changed since approval",
    "governance.execution_started": "Execution started",
    "governance.execution_succeeded": "Executed",
    "governance.execution_attempt_failed": "Execution attempt failed",
    "governance.execution_failed": "Execution failed",
    "governance.execution_unknown": "Outcome unknown",
    "governance.reconciled": "Outcome reconciled",
    "governance.settled": "Outcome settled",
    "governance.late_outcome": "Late outcome",
    "governance.override_loosened": "Policy loosened",
    "audit.forgotten": "Personal values forgotten",
    "operations.job_redriven": "Job redriven",
    "operations.job_dropped": "Job dropped",
    "demo.loaded": "Demo loaded",
}


@dataclass(frozen=True, slots=True)
class ActionOption:
    """One choice of an action filter: the name to filter by, and the words to show."""

    value: str
    label: str


def known_actions() -> tuple[ActionOption, ...]:
    """Every action that Cairnloop records, by its label."""
    options = (ActionOption(name, label) for name, label in KNOWN.items())
    return tuple(sorted(options, key=lambda option: (option.label, option.value)))


def action_label(action: object) -> str:
    """The words for an action; never its raw name."""
    if not isinstance(action, str) or is_blank(action):
        return UNKNOWN_ACTION
    if action in KNOWN:
        return KNOWN[action]
    return humanise(safe(action.rpartition(".")[2], limit=80)) or UNKNOWN_ACTION


def actions_meant(word: str) -> tuple[str, ...]:
    """The actions that a filter word stands for: a name, or a label in any case."""
    meant = word.strip().casefold()
    found = tuple(name for name, label in KNOWN.items() if label.casefold() == meant)
    return found or (word.strip(),)


def actions_matching(text: str) -> tuple[str, ...]:
    """The known actions whose label holds this text."""
    part = text.strip().casefold()
    return tuple(name for name, label in KNOWN.items() if part in label.casefold())


def actor_label(actor: object, *, erased: bool = False) -> str:
    """Who acted; nobody named means the system."""
    if isinstance(actor, str) and not is_blank(actor):
        return safe(actor, limit=120)
    return ERASED if erased else SYSTEM


def time_label(when: object) -> str:
    """A moment in UTC, to the second."""
    if not isinstance(when, datetime):
        return NOTHING
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def reason_label(reason: object) -> str:
    """Why it was done, in the words of whoever did it."""
    if not isinstance(reason, str) or is_blank(reason):
        return NOTHING
    return safe(reason, limit=LONGEST_VALUE)


def conversation_number(conversation_id: object) -> int | None:
    """A conversation that a link can lead to, or None."""
    if isinstance(conversation_id, bool) or not isinstance(conversation_id, int):
        return None
    return conversation_id if conversation_id > 0 else None


def detail_rows(details: object) -> tuple[tuple[str, str], ...]:
    """Label and value of each detail, in the order of the labels; nested ones are summarised."""
    if not isinstance(details, Mapping):
        return ()
    rows = ((_name(name), _value(value)) for name, value in details.items())
    return tuple(sorted(rows))


def _name(name: object) -> str:
    shown = humanise(safe(str(name), limit=80))
    return shown or NOTHING


def _value(value: object) -> str:
    match value:
        case bool():
            return "Yes" if value else "No"
        case None:
            return NOTHING
        case str():
            return NOTHING if is_blank(value) else safe(value, limit=LONGEST_VALUE)
        case int() | float():
            return str(value)
    return "(structured value)"
