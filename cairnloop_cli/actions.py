"""A governed action as every command prints it: one JSON form, and lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnloop_cli.answers import Block, Shown, Table
from cairnloop_cli.phrases import at, count, duration, or_dash
from cairnloop_cli.values import view
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.governance import presenter
from cairnloop_engine.governance.history import NO_HISTORY, history_line
from cairnloop_engine.governance.labels import (
    approval_label,
    attempt_label,
    mode_label,
    risk_label,
)
from cairnloop_engine.governance.model import ApprovalStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cairnloop_engine.governance.views import ActionRow, ActionView, ChangeRow

DIGEST_SHOWN = 12
# Said once under the id under which every command knows it.
_NAMED_ELSEWHERE = ("id", "status", "approval_status", "attempts", "result_state")


def status_of(row: ActionRow) -> str:
    """Where an action stands: its newest approval's status, or why it was blocked at once."""
    return row.status.value if row.approval_status is None else row.approval_status.value


def action_json(row: ActionRow) -> JsonObject:
    """The keys that scripts rely on first, then everything else that the row tells."""
    return {
        "proposal_id": row.id,
        "approval_id": row.approval_id,
        "status": status_of(row),
        "digest": row.digest,
        "execution": execution_json(row),
        "proposal_status": row.status.value,
        **{key: value for key, value in view(row).items() if key not in _NAMED_ELSEWHERE},
        "waits": row.waits,
    }


def execution_json(row: ActionRow) -> JsonObject:
    """What is known of the effect: its state, how often it was tried, what came of it."""
    return {
        "state": row.result_state.value,
        "attempts": row.attempts,
        "summary": row.outcome,
        "code": row.outcome_code,
    }


def detail_json(found: ActionView) -> JsonObject:
    """One action with its decisions, its ledger and its history; secrets stay masked."""
    return {
        **action_json(found.row),
        "version": found.version,
        "account_id": found.account_id,
        "input": found.raw_input,
        "targets": [[*target] for target in found.targets],
        "scopes": [*found.scopes],
        "required_scopes": [*found.required_scopes],
        "policy": view(found.policy),
        "idempotency_key": found.idempotency_key,
        "supersedes_id": found.supersedes_id,
        "changes": [view(one) for one in found.changes],
        "approvals": [view(one) for one in found.approvals],
        "attempts": [view(one) for one in found.attempts],
        "history": [view(one) for one in found.history],
    }


def queue_table(rows: Sequence[ActionRow], now: datetime) -> Table:
    """Actions in rows; what somebody else worded stands last."""
    return Table(
        ("ID", "STATUS", "RISK", "TOOL", "CONVERSATION", "LEFT", "BY", "WHAT IT DOES"),
        [
            (
                str(row.id),
                presenter.row_chip(row).words + (" (changed)" if row.changed else ""),
                risk_label(row.risk_tier).words,
                row.tool,
                or_dash(None if row.conversation_id is None else str(row.conversation_id)),
                _left(row, now),
                one_line(row.proposed_by),
                one_line(row.consequence or row.title),
            )
            for row in rows
        ],
        empty="No action fits.",
    )


def action_lines(found: ActionView, now: datetime) -> list[Shown]:
    """Everything about one action, the decision first."""
    return [
        *_head(found, now),
        *_inputs(found),
        *_policy(found),
        *_decisions(found),
        *_ledger(found),
        *_history(found),
        "",
        f"Digest {found.row.digest or '-'}",
        f"Idempotency key {presenter.tail(found.idempotency_key)}",
    ]


def changes_lines(changes: Sequence[ChangeRow]) -> list[Shown]:
    """What is different from what was approved; nothing when nothing is."""
    if not changes:
        return []
    rows = [(one.field, one_line(one.before), one_line(one.after)) for one in changes]
    return ["", "▲ Changed since it was approved:", Table(("FIELD", "BEFORE", "NOW"), rows)]


def one_line(text: str) -> str:
    """One row is one line: words with a line break in them must not look like two rows."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "⏎")


def _head(found: ActionView, now: datetime) -> list[Shown]:
    row = found.row
    where = "" if row.conversation_id is None else f" · conversation {row.conversation_id}"
    shown: list[Shown] = [
        f"Action {row.id} · {presenter.row_headline(row)} · {presenter.row_chip(row).words}",
        f"Risk {risk_label(row.risk_tier).words} · mode {mode_label(row.approval_mode)}"
        f" · tool {row.tool} {found.version}",
        one_line(
            f"Proposed by {row.proposed_by} ({row.proposed_by_kind}) · {at(row.created_at)}{where}"
        ),
    ]
    if row.consequence:
        shown += ["", "What it does:", Block(row.consequence)]
    stopped = presenter.row_block_reason(row)
    if stopped is not None:
        shown += ["", f"{one_line(stopped)} ({row.blocked_code})"]
    if row.approval_status is not None:
        shown += ["", _outlook(row)]
    if status_of(row) == ApprovalStatus.PENDING:
        shown.append(f"{_left(row, now)} are left to decide.")
    return shown + changes_lines(found.changes)


def _outlook(row: ActionRow) -> str:
    """What follows, or what came of it, in one line."""
    said = presenter.outlook(
        row.approval_mode, row.approval_status, reason=row.reason, outcome=row.outcome
    )
    if row.defer_until is not None and status_of(row) == ApprovalStatus.DEFERRED:
        return f"{or_dash(said).rstrip('.')}. It waits again from {at(row.defer_until)}."
    if status_of(row) == ApprovalStatus.EXECUTION_UNKNOWN:
        return f"{said} cairnloop settle {row.id} --outcome confirmed|failed --note TEXT"
    return or_dash(said)


def _inputs(found: ActionView) -> list[Shown]:
    rows = [(one.label, one_line(one.value)) for one in found.inputs]
    shown: list[Shown] = ["", Table(("INPUT", "VALUE"), rows)]
    if found.targets:
        shown += ["", Table(("ABOUT", "ID", "REVISION"), found.targets)]
    return shown


def _policy(found: ActionView) -> list[Shown]:
    return [
        "",
        presenter.policy_explanation(found.policy.outcome)
        + f" {presenter.scope_summary(found.required_scopes, found.scopes)}"
        + f" Rules {found.policy.revision or '-'}.",
    ]


def _decisions(found: ActionView) -> list[Shown]:
    if not found.approvals:
        return []
    rows = [
        (
            str(one.number),
            approval_label(one.status).words,
            or_dash(one.decided_by),
            at(one.decided_at),
            one.digest[:DIGEST_SHOWN],
            or_dash(one_line(one.reason or one.outcome or "")),
        )
        for one in found.approvals
    ]
    return ["", Table(("APPROVAL", "STATUS", "WHO", "WHEN", "DIGEST", "WHY"), rows)]


def _ledger(found: ActionView) -> list[Shown]:
    if not found.attempts:
        return []
    rows = [
        (
            str(one.attempt),
            attempt_label(one.state).words,
            at(one.started_at),
            at(one.finished_at),
            or_dash(one.code),
            or_dash(one_line(one.summary or "")),
        )
        for one in found.attempts
    ]
    tries = count(len(rows), "attempt")
    return ["", f"{tries}:", Table(("NO", "STATE", "STARTED", "ENDED", "CODE", "SUMMARY"), rows)]


def _history(found: ActionView) -> list[Shown]:
    rows = [(at(one.at), one_line(history_line(one))) for one in found.history]
    return ["", Table(("WHEN", "WHAT HAPPENED"), rows, whole=True, empty=NO_HISTORY)]


def _left(row: ActionRow, now: datetime) -> str:
    """How long there is to decide; a dash for what waits for nobody's decision."""
    if row.expires_at is None or status_of(row) != ApprovalStatus.PENDING:
        return "-"
    return duration((row.expires_at - now).total_seconds())
