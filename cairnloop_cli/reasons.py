"""Why an action came out as it did, told from its rows: asked, judged, decided, tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnloop_cli.actions import changes_lines, execution_json, one_line, status_of
from cairnloop_cli.answers import Block, Shown, Table
from cairnloop_cli.phrases import at, or_dash
from cairnloop_cli.values import to_json, view
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.text import humanise
from cairnloop_engine.governance import presenter
from cairnloop_engine.governance.labels import (
    approval_label,
    attempt_label,
    mode_label,
    proposal_label,
    risk_label,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cairnloop_engine.audit.reads import AuditEvent
    from cairnloop_engine.governance.views import ActionView, ApprovalView


def reasons_json(found: ActionView, events: Sequence[AuditEvent]) -> JsonObject:
    """Nothing in it depends on the moment or the process that asks, only on rows."""
    row = found.row
    return {
        "proposal_id": row.id,
        "approval_id": row.approval_id,
        "status": status_of(row),
        "digest": row.digest,
        "tool": row.tool,
        "version": found.version,
        "title": row.title,
        "consequence": row.consequence,
        "asked": {
            "by": row.proposed_by,
            "by_kind": row.proposed_by_kind,
            "origin": row.origin.value,
            "at": to_json(row.created_at),
            "conversation_id": row.conversation_id,
            "account_id": found.account_id,
            "draft_id": found.draft_id,
            "supersedes_id": found.supersedes_id,
            "superseded_by_id": found.superseded_by_id,
        },
        "input": found.raw_input,
        "targets": [[*target] for target in found.targets],
        "gates": {
            **view(found.policy),
            "verdict": row.status.value,
            "risk_tier": row.risk_tier.value,
            "scopes_needed": [*found.required_scopes],
            "scopes_held": [*found.scopes],
        },
        "approvals": [view(one) for one in found.approvals],
        "ledger": [view(one) for one in found.attempts],
        "execution": execution_json(row),
        "events": [view(event) for event in events],
    }


def reasons_lines(found: ActionView, events: Sequence[AuditEvent]) -> list[Shown]:
    """The same, as it reads to somebody who was not there."""
    shown: list[Shown] = [*_asked(found), *_judged(found)]
    for approval in found.approvals:
        shown += _decided(approval)
    shown += _tried(found)
    rows = [
        (at(event.occurred_at), event.action, one_line(f"{event.actor} ({event.actor_kind})"))
        for event in events
    ]
    return [*shown, "", Table(("WHEN", "ACTION", "WHO"), rows)]


def _asked(found: ActionView) -> list[Shown]:
    row = found.row
    where = "" if row.conversation_id is None else f" in conversation {row.conversation_id}"
    shown: list[Shown] = [
        f"Action {row.id} · {presenter.row_headline(row)} ({row.tool} {found.version})"
        f" · {presenter.row_chip(row).words}",
        one_line(
            f"Asked for by {row.proposed_by} ({row.proposed_by_kind}){where}, {at(row.created_at)}."
        ),
    ]
    if found.draft_id is not None:
        draft = f"`cairnloop why draft {found.draft_id}`"
        shown.append(f"It was proposed beside a draft: {draft} tells of that.")
    if found.supersedes_id is not None:
        shown.append(f"It stands in the place of action {found.supersedes_id}.")
    if found.superseded_by_id is not None:
        shown.append(f"Action {found.superseded_by_id} stands in its place.")
    if row.consequence:
        shown += ["Whoever decided read:", Block(row.consequence)]
    rows = [(one.label, one_line(one.value)) for one in found.inputs]
    shown += ["", Table(("INPUT", "VALUE"), rows)]
    if found.targets:
        shown += ["", Table(("ABOUT", "ID", "REVISION"), found.targets)]
    return shown


def _judged(found: ActionView) -> list[Shown]:
    row, policy = found.row, found.policy
    needs = ", ".join(found.required_scopes) or "none"
    holds = ", ".join(found.scopes) or "none"
    why = f", because {one_line(policy.reason)} ({policy.code})" if policy.reason else ""
    return [
        "",
        f"The gates said: {proposal_label(row.status).words}{why}.",
        f"Risk {risk_label(row.risk_tier).words} · mode {mode_label(row.approval_mode)}"
        f" ({policy.source or 'not resolved'}) · rules {policy.revision or '-'}",
        f"Rights needed {needs}, held {holds}.",
    ]


def _decided(one: ApprovalView) -> list[Shown]:
    shown: list[Shown] = [
        "",
        f"Approval {one.number}: {approval_label(one.status).words} · digest {one.digest}"
        + ("" if one.intact else " ▲ the call that is kept has another digest"),
    ]
    if one.decided_by is not None:
        said = humanise(one.decision or one.status.value).lower()
        shown.append(
            one_line(f"{one.decided_by} ({one.decided_by_kind}) {said}, {at(one.decided_at)}.")
        )
    else:
        shown.append("Nobody decided.")
    if one.reason:
        shown.append(Block(one.reason))
    if one.outcome:
        shown.append(one_line(f"What came of it: {one.outcome} ({one.outcome_code})"))
    return shown + changes_lines(one.changes)


def _tried(found: ActionView) -> list[Shown]:
    if not found.attempts:
        return ["", "No attempt was made."]
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
    return [
        "",
        f"Run key {found.attempts[0].run_key}",
        Table(("ATTEMPT", "STATE", "STARTED", "ENDED", "CODE", "SUMMARY"), rows),
    ]
