"""How a governed action reads: what it is, where it stands, what follows, what identifies it.

Pure and total: whatever a row holds, each of these gives something that can be shown. Everything
comes from what was stored when it happened, never from what a tool would say today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from cairnloop_engine.core.text import humanise, is_blank, safe
from cairnloop_engine.governance.labels import (
    Label,
    attempt_label,
    chip,
    origin_words,
    proposal_label,
    word_of,
)
from cairnloop_engine.governance.model import ApprovalStatus, ProposalStatus
from cairnloop_engine.governance.views import ActionRow, ActionView, AttemptView

NOTHING = "—"
UNKNOWN_TOOL = "Unknown tool"
NO_REASON = "no reason was given"
LONGEST_WORDS = 500
SHORT_KEY = 8
_BLOCKED = frozenset(ProposalStatus) - {ProposalStatus.PROPOSED}

_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "denied": "Denied by policy",
        "no_policy_defined": "No policy defined",
        "policy_error": "The tool's policy gave no clear answer",
        "scope_mismatch": "Scope mismatch",
        "unknown_tool": "Tool not available",
        "always_blocked": "Always blocked here",
        "input_invalid": "The input was not understood",
    }
)


def words(value: object) -> str:
    """Somebody's words on one line, harmless; nothing for what is no text."""
    return safe(value, limit=LONGEST_WORDS) if isinstance(value, str) and value.strip() else ""


# What it is and what follows


def tool_title(tool: object) -> str:
    """Words for a tool of which only the name is known."""
    last = word_of(tool).rpartition(".")[2]
    return humanise(safe(last, limit=80)) if not is_blank(last) else UNKNOWN_TOOL


def headline(title: object, consequence: object, tool: object) -> str:
    """What an action is called: the title that was kept, its consequence, the tool's name."""
    for kept in (title, consequence):
        if isinstance(kept, str) and not is_blank(kept):
            return safe(kept, limit=LONGEST_WORDS)
    return tool_title(tool)


def outlook_of_mode(mode: object) -> str | None:
    """What will stand between a valid proposal and its execution; nothing when it runs alone."""
    match word_of(mode):
        case "requires_approval":
            return "An operator's approval will be needed before this runs."
        case "always_block":
            return "Actions of this kind cannot be approved, and cannot run."
    return None


def outlook(
    mode: object,
    approval: object,
    *,
    reason: object = None,
    outcome: object = None,
    until: object = None,
) -> str | None:
    """Where an action stands and what follows: present tense once there is an approval."""
    if approval is None:
        return outlook_of_mode(mode)
    said = _APPROVAL_OUTLOOKS.get(word_of(approval))
    return said(_Said(reason, outcome, until)) if said else None


@dataclass(frozen=True, slots=True)
class _Said:
    """What people and tools said about an approval; anything may be missing."""

    reason: object
    outcome: object
    until: object

    def because(self) -> str:
        return words(self.reason) or NO_REASON

    def came_of_it(self, otherwise: str) -> str:
        return words(self.outcome) or otherwise

    def back(self) -> str:
        if not isinstance(self.until, datetime):
            return ""
        return f" It comes back at {moment(self.until)}."


_APPROVAL_OUTLOOKS: Mapping[str, Callable[[_Said], str]] = MappingProxyType(
    {
        "pending": lambda said: "Pending approval: an operator must decide. Nothing runs before.",
        "approved": lambda said: "Approved, resuming with a check against the current policy.",
        "execution_pending": lambda said: "Approved and checked again: ready to execute.",
        "rejected": lambda said: f"Rejected: {said.because()}",
        "deferred": lambda said: f"Deferred: {said.because()}{said.back()}",
        "returned": lambda said: f"Returned with a question: {said.because()}",
        "expired": lambda said: "Expired: nobody decided in time. It can be opened again.",
        "invalidated": lambda said: (
            f"Invalidated: {said.came_of_it('policy or rights changed since it was approved.')}"
        ),
        "superseded": lambda said: "Superseded: an operator's own version took its place.",
        "executed": lambda said: f"Action completed: {said.came_of_it('Done.')}",
        "execution_failed": lambda said: (
            f"Action failed: {said.came_of_it('it did not take effect.')}"
        ),
        "execution_unknown": lambda said: (
            "Unknown, needs a person: the effect may or may not have happened. "
            "Look at the target, then settle it."
        ),
    }
)


def block_reason(status: object, code: object = None, text: object = None) -> str | None:
    """Why the gates stopped it; None for what passed them."""
    if word_of(status) not in _BLOCKED:
        return None
    label = proposal_label(status)
    return f"{label.words}: {words(text) or reason_label(code) or label.meaning}"


def reason_label(reason: object) -> str | None:
    """Words for a reason of any shape: a code, a sentence, missing scopes, a code with details."""
    match reason:
        case None:
            return None
        case str():
            if is_blank(reason):
                return None
            if reason in _REASONS:
                return _REASONS[reason]
            plain = safe(reason, limit=LONGEST_WORDS)
            return humanise(plain) if plain.replace("_", "").isalnum() else plain
        case {"scopes": list() as scopes}:
            return f"Missing rights: {listed(scopes) or 'unknown'}"
        case ["missing_scopes", list() as scopes, *_]:
            return f"Missing rights: {listed(scopes) or 'unknown'}"
        case [str() as code, *_]:
            return reason_label(code)
        case {"code": str() as code}:
            return reason_label(code)
    return "It was blocked"


def listed(names: Iterable[object]) -> str:
    return ", ".join(safe(name, limit=80) for name in names if isinstance(name, str))


def scope_summary(required: object, held: object = ()) -> str:
    """Which rights it needs, and which of them were missing when it was judged."""
    if not isinstance(required, list | tuple):
        return "Required rights are unavailable."
    if not required:
        return "No special rights needed."
    have = set(held) if isinstance(held, list | tuple) else set()
    missing = [name for name in required if name not in have]
    needs = f"Needs {listed(required)}."
    return f"{needs} Missing: {listed(missing)}." if missing else needs


def policy_explanation(outcome: object) -> str:
    """What the rules said; the outcome alone decides."""
    match outcome:
        case "policy_denied":
            return "The policy said no when this was proposed. Nobody can approve it."
        case "scope_invalid":
            return "Whoever asked did not hold the rights for it. Nobody was asked to approve."
        case "needs_input":
            return "The input was not complete, so the policy was not asked."
        case None | "proposed":
            return "It passed the policy when it was proposed, and is checked again before it runs."
    return "Details of the policy are unavailable."


# Times and identifiers


def relative_time(then: object, now: datetime) -> str:
    """How long ago; the future counts as now."""
    if not isinstance(then, datetime):
        return "Unknown time"
    seconds = max(0, int((now - then) / timedelta(seconds=1)))
    for size, unit in ((31_536_000, "y"), (2_592_000, "mo"), (86_400, "d"), (3_600, "h")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds // 60}m ago" if seconds >= 60 else "just now"


def moment(when: datetime) -> str:
    """A moment where the reader sits."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M")


def tail(key: object) -> str:
    """The last characters of a long key, enough to tell it from others."""
    if not isinstance(key, str) or not key:
        return NOTHING
    return key if len(key) <= SHORT_KEY else f"…{key[-SHORT_KEY:]}"


def short_digest(digest: object) -> str:
    """The first characters of a digest, as people compare them."""
    return f"{digest[:12]}…" if isinstance(digest, str) and len(digest) > 12 else NOTHING


def trace(view: ActionView) -> tuple[tuple[str, str], ...]:
    """What identifies this action in logs, in the ledger and in the audit trail."""
    row = view.row
    rows = [
        ("Action", str(row.id)),
        ("Tool", row.tool or UNKNOWN_TOOL),
        ("Version", view.version or NOTHING),
        ("Digest", short_digest(row.digest)),
        ("Key", tail(view.idempotency_key)),
        ("Origin", f"{origin_words(row.origin)}, {row.proposed_by or 'nobody'}"),
    ]
    if view.account_id:
        rows.append(("Account", view.account_id))
    if view.supersedes_id is not None:
        rows.append(("Replaces", f"action {view.supersedes_id}"))
    rows += [("About", f"{kind} {name}, revision {at}") for kind, name, at in view.targets]
    return tuple(rows)


def attempt_line(attempt: AttemptView) -> str:
    """One line of the ledger."""
    label = attempt_label(attempt.state)
    said = words(attempt.summary) or label.meaning
    return f"Attempt {attempt.attempt}: {label.words}. {said}"


# Of whole rows


def row_chip(row: ActionRow) -> Label:
    return chip(row.status, row.approval_status)


def row_headline(row: ActionRow) -> str:
    return headline(row.title, row.consequence, row.tool)


def row_outlook(row: ActionRow) -> str | None:
    """What follows for this action; None when there is nothing to say."""
    if row.approval_status is None and row.status is not ProposalStatus.PROPOSED:
        blocked = word_of(row.approval_mode) == "always_block"
        return outlook_of_mode(row.approval_mode) if blocked else None
    return outlook(
        row.approval_mode,
        row.approval_status,
        reason=row.reason,
        outcome=row.outcome,
        until=row.defer_until,
    )


def row_block_reason(row: ActionRow) -> str | None:
    return block_reason(row.status, row.blocked_code, row.blocked_reason)


def opens_inputs(row: ActionRow) -> bool:
    """Whether a reader needs the inputs at once."""
    return row.approval_status is ApprovalStatus.PENDING or row.status in (
        ProposalStatus.SCOPE_INVALID,
        ProposalStatus.POLICY_DENIED,
    )


def opens_policy(row: ActionRow) -> bool:
    return row.status is ProposalStatus.POLICY_DENIED
