"""How the history of a governed action reads: one sentence for each event; pure and total."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from cairnloop_engine.core.text import humanise
from cairnloop_engine.governance.presenter import listed, words
from cairnloop_engine.governance.views import HistoryEvent

NO_HISTORY = "No history yet"


def history_line(event: HistoryEvent) -> str:
    """What happened, who did it and why, in one sentence; never a raw name or structure."""
    name = event.event.removeprefix("governance.") if isinstance(event.event, str) else ""
    said = _EVENTS.get(name)
    return said(event) if said else "Workflow updated"


def _who(event: HistoryEvent) -> str:
    named = words(event.actor)
    if event.actor_kind == "operator":
        return named or "an operator"
    if event.facts.get("by_policy"):
        return "the site's policy"
    return named if event.actor_kind == "token" and named else "the system"


def _why(event: HistoryEvent, *names: str) -> str:
    for name in names or ("reason",):
        if said := words(event.words.get(name)):
            return f": {said}"
    return ""


def _attempt(event: HistoryEvent) -> int:
    found = event.facts.get("attempt")
    return found if isinstance(found, int) and not isinstance(found, bool) else 1


def _failed_attempt(event: HistoryEvent) -> str:
    effect = "its effect is unknown" if event.facts.get("effect") == "unknown" else "no effect"
    return f"Attempt {_attempt(event)} failed, {effect}{_why(event)}"


def _settled(event: HistoryEvent) -> str:
    happened = event.facts.get("outcome") == "confirmed"
    return f"Settled by {_who(event)}: it {'happened' if happened else 'did not happen'}" + (
        f" ({said})" if (said := words(event.words.get("reason"))) else ""
    )


def _reconciled(event: HistoryEvent) -> str:
    found = {
        "confirmed": "the effect happened",
        "absent": "the target knows of no effect",
        "absent_so_far": "the target knows of no effect so far",
    }.get(str(event.facts.get("found")), "the target could not tell")
    return f"Asked the target about attempt {_attempt(event)}: {found}"


def _changed(event: HistoryEvent) -> str:
    fields = event.facts.get("changed")
    named = listed(fields) if isinstance(fields, list) else ""
    return f"Changed after the approval{f': {named}' if named else ''}"


def _requested(event: HistoryEvent) -> str:
    fields = event.facts.get("changed")
    named = listed(fields) if isinstance(fields, list) else ""
    return "Approval requested" + (f" again, because of {named}" if named else "")


_EVENTS: Mapping[str, Callable[[HistoryEvent], str]] = MappingProxyType(
    {
        "proposed": lambda event: f"Proposed by {_who(event)}",
        "blocked": lambda event: f"Blocked{_why(event)}",
        "asked_again": lambda event: f"Asked for again by {_who(event)}",
        "approval_requested": _requested,
        "approved": lambda event: f"Approved by {_who(event)}{_why(event)}",
        "rejected": lambda event: f"Rejected by {_who(event)}{_why(event)}",
        "deferred": lambda event: f"Deferred by {_who(event)}{_why(event)}",
        "returned": lambda event: f"Returned by {_who(event)} with a question{_why(event)}",
        "answered": lambda event: f"Answered by {_who(event)}{_why(event, 'answer', 'reason')}",
        "reopened": lambda event: f"Opened again by {_who(event)}",
        "superseded": lambda event: f"Replaced by {_who(event)} with another version",
        "expired": lambda event: "Expired: nobody decided in time",
        "invalidated": lambda event: f"Invalidated{_why(event)}",
        "digest_mismatch": _changed,
        "revalidation_passed": lambda event: "Checked again and passed",
        "revalidation_failed": lambda event: f"Checked again and stopped{_why(event)}",
        "execution_started": lambda event: f"Attempt {_attempt(event)} started",
        "execution_succeeded": lambda event: (
            f"Attempt {_attempt(event)} completed{_why(event, 'summary', 'reason')}"
        ),
        "execution_attempt_failed": _failed_attempt,
        "execution_failed": lambda event: f"Failed after attempt {_attempt(event)}{_why(event)}",
        "execution_unknown": lambda event: (
            f"Nobody knows what became of attempt {_attempt(event)}; a person has to settle it"
        ),
        "reconciled": _reconciled,
        "settled": _settled,
        "late_outcome": lambda event: (
            f"A late report about attempt {_attempt(event)}: "
            f"{humanise(str(event.facts.get('outcome') or 'unknown')).lower()}"
        ),
    }
)
