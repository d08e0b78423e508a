"""Governed actions as front ends see them: frozen views, masked, safe to draw."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from cairnloop_engine.audit import queries as trail
from cairnloop_engine.audit.model import AuditFilter, StoredEvent
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.errors import Invalid, JsonObject, JsonValue
from cairnloop_engine.core.ids import ApprovalId, ConversationId, DraftId, ProposalId
from cairnloop_engine.core.paging import (
    LARGEST_ID,
    Page,
    checked_limit,
    decode_cursor,
    decode_number,
    encode_cursor,
)
from cairnloop_engine.core.text import safe
from cairnloop_engine.governance import queries
from cairnloop_engine.governance.masking import (
    MASK,
    input_rows,
    is_secret,
    marked_fields,
    masked,
    shown_change,
)
from cairnloop_engine.governance.model import (
    WAITING,
    ApprovalMode,
    ApprovalStatus,
    GovernanceConfig,
    Origin,
    ProposalStatus,
    digest,
)
from cairnloop_engine.governance.records import SUBJECT, not_found
from cairnloop_engine.governance.registry import Registry, resolve
from cairnloop_engine.governance.tables import ApprovalRow, ExecutionRow, ProposalRow
from cairnloop_engine.governance.views import (
    ActionCounts,
    ActionRow,
    ActionView,
    ApprovalView,
    ApproverLoad,
    AttemptView,
    ChangeRow,
    HistoryEvent,
    PolicyView,
    ToolView,
)

MOST_HISTORY = 200
MOST_WORDS = 2_000


def tools(
    registry: Registry, config: GovernanceConfig, held: frozenset[str]
) -> tuple[ToolView, ...]:
    """Every registered tool, in the host's order."""
    return tuple(_tool(tool, config, held) for tool in registry)


async def actions(
    read: Read,
    *,
    status: str | None,
    conversation_id: ConversationId | None,
    cursor: str | None,
    limit: int,
) -> Page[ActionRow]:
    """A page of actions, newest first.

    Raises:
        Invalid: ``status_unknown``, ``limit_invalid`` or ``cursor_invalid``.
    """
    statuses, blocked = _wanted(status)
    rows = await queries.actions(
        read,
        statuses=statuses,
        blocked=blocked,
        conversation_id=conversation_id,
        before_id=decode_number(cursor) if cursor else None,
        limit=checked_limit(limit) + 1,
    )
    following = encode_cursor([rows[limit - 1][0].id]) if len(rows) > limit else None
    return Page(tuple(_row(one, approval) for one, approval in rows[:limit]), following)


async def queue(read: Read, *, cursor: str | None, limit: int) -> Page[ActionRow]:
    """What waits for a person, the soonest deadline first."""
    after = _position(cursor) if cursor else None
    rows = await queries.queue(read, after=after, limit=checked_limit(limit) + 1)
    following = None
    if len(rows) > limit:
        last = rows[limit - 1][1]
        following = encode_cursor([last.expires_at.isoformat(), last.id])
    return Page(tuple(_row(one, approval) for one, approval in rows[:limit]), following)


async def action(read: Read, proposal_id: ProposalId, registry: Registry) -> ActionView:
    """One action with its decisions, its ledger and its history.

    Raises:
        NotFound: ``action_not_found``.
    """
    proposal = await queries.proposal(read, proposal_id)
    if proposal is None:
        raise not_found(proposal_id)
    approvals = await queries.approvals_of(read, proposal_id)
    attempts = await queries.attempts_of(read, proposal_id)
    events = await trail.events(
        read, AuditFilter(subject=(SUBJECT, proposal_id)), before_id=None, limit=MOST_HISTORY
    )
    following = None
    if approvals and approvals[-1].status is ApprovalStatus.SUPERSEDED:
        following = await queries.superseding(read, proposal_id)
    return view_of(
        proposal, approvals, attempts, events, registry=registry, superseded_by=following
    )


def view_of(
    proposal: ProposalRow,
    approvals: Sequence[ApprovalRow],
    attempts: Sequence[ExecutionRow],
    events: Sequence[StoredEvent],
    *,
    registry: Registry,
    superseded_by: int | None,
) -> ActionView:
    """The view of one action from its rows; ``events`` come newest first."""
    marked = _marked(registry, proposal)
    scopes = proposal.scope_snapshot
    return ActionView(
        row=_row(proposal, approvals[-1] if approvals else None),
        version=safe(proposal.tool_version, limit=80),
        account_id=_safe(proposal.account_id, 200),
        inputs=input_rows(proposal.input_snapshot, marked),
        raw_input=masked(proposal.input_snapshot, marked),
        scopes=_listed(scopes.get("scopes")),
        required_scopes=_listed(scopes.get("required")),
        policy=_policy(proposal.policy_snapshot),
        targets=tuple(
            (
                safe(str(one.get("kind")), limit=80),
                safe(str(one.get("id")), limit=200),
                safe(str(one.get("revision")), limit=200),
            )
            for one in proposal.targets
        ),
        idempotency_key=proposal.idempotency_key,
        supersedes_id=None
        if proposal.supersedes_id is None
        else ProposalId(proposal.supersedes_id),
        approvals=tuple(_approval(one, marked) for one in approvals),
        attempts=tuple(_attempt(one) for one in attempts),
        history=tuple(_event(one) for one in reversed(events)),
        superseded_by_id=None if superseded_by is None else ProposalId(superseded_by),
        draft_id=_draft(proposal),
    )


async def counts(read: Read) -> ActionCounts:
    """Counted by the database."""
    found = await queries.counts(read)
    return ActionCounts(
        pending=found.get(ApprovalStatus.PENDING, 0),
        unknown=found.get(ApprovalStatus.EXECUTION_UNKNOWN, 0),
    )


async def approver_load(read: Read, within: timedelta) -> tuple[ApproverLoad, ...]:
    """How much each operator decided lately, and how fast."""
    by_operator: dict[str, list[ApprovalRow]] = {}
    for row in await queries.decisions_since(read, read.now - within):
        by_operator.setdefault(row.decided_by or "", []).append(row)
    loads = [_load(operator, rows) for operator, rows in by_operator.items()]
    return tuple(sorted(loads, key=lambda load: (-load.decisions, load.operator)))


def _load(operator: str, rows: Sequence[ApprovalRow]) -> ApproverLoad:
    moments = [row.decided_at for row in rows if row.decided_at is not None]
    waits = [
        max(0.0, (row.decided_at - row.created_at).total_seconds())
        for row in rows
        if row.decided_at is not None
    ]
    minute = timedelta(seconds=60)
    # The rows come in the order of the decisions.
    busiest = max(bisect_left(moments, moment + minute) - at for at, moment in enumerate(moments))
    said = [row.last_decision for row in rows]
    return ApproverLoad(
        operator=safe(operator, limit=120),
        decisions=len(rows),
        approved=said.count(ApprovalStatus.APPROVED.value),
        rejected=said.count(ApprovalStatus.REJECTED.value),
        median_seconds=float(median(waits)),
        fastest_seconds=min(waits),
        busiest_minute=busiest,
    )


def _wanted(status: str | None) -> tuple[tuple[ApprovalStatus, ...], bool]:
    if status is None:
        return (), False
    if status == "waiting":
        return tuple(sorted(WAITING)), False
    if status == "blocked":
        return (), True
    if status == "unknown":
        return (ApprovalStatus.EXECUTION_UNKNOWN,), False
    try:
        return (ApprovalStatus(status),), False
    except ValueError as error:
        known = ", ".join(["waiting", "blocked", "unknown", *(one.value for one in ApprovalStatus)])
        raise Invalid(
            "status_unknown", f"There is no status {safe(status, limit=40)!r}; use one of: {known}."
        ) from error


def _position(cursor: str) -> tuple[datetime, int]:
    refused = Invalid("cursor_invalid", "This page cursor is not valid; start from the first page.")
    moment, row_id = decode_cursor(cursor, length=2)
    if not isinstance(moment, str) or not isinstance(row_id, int) or not 0 <= row_id <= LARGEST_ID:
        raise refused
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError as error:
        raise refused from error
    if parsed.tzinfo is None:
        raise refused
    return parsed, row_id


def _tool(tool: Any, config: GovernanceConfig, held: frozenset[str]) -> ToolView:
    spec = tool.spec
    resolution = resolve(spec, config)
    return ToolView(
        name=spec.name,
        version=spec.version,
        title=safe(spec.title, limit=120),
        description=safe(spec.description, limit=500),
        risk_tier=spec.risk_tier,
        approval_mode=resolution.mode,
        scopes=tuple(sorted(spec.scopes)),
        idempotent=spec.idempotent,
        schema=tool.Input.model_json_schema(),
        available=spec.scopes <= held and resolution.mode is not ApprovalMode.ALWAYS_BLOCK,
        loosened=resolution.loosened,
    )


def _row(proposal: ProposalRow, approval: ApprovalRow | None) -> ActionRow:
    policy = proposal.policy_snapshot
    blocked = proposal.status is not ProposalStatus.PROPOSED
    return ActionRow(
        id=ProposalId(proposal.id),
        tool=safe(proposal.tool_ref, limit=80),
        title=safe(proposal.title, limit=200),
        consequence=_safe(proposal.rendered_consequence, MOST_WORDS),
        status=proposal.status,
        approval_id=None if approval is None else ApprovalId(approval.id),
        approval_status=None if approval is None else approval.status,
        risk_tier=proposal.risk_tier,
        approval_mode=proposal.approval_mode,
        origin=proposal.origin,
        proposed_by_kind=proposal.actor_kind,
        proposed_by=safe(proposal.actor_id, limit=120),
        conversation_id=None
        if proposal.conversation_id is None
        else ConversationId(proposal.conversation_id),
        digest=proposal.digest if approval is None else approval.digest,
        changed=approval is not None and bool(approval.changes),
        expires_at=None if approval is None else approval.expires_at,
        defer_until=None if approval is None else approval.defer_until,
        decided_by=None if approval is None else _safe(approval.decided_by, 120),
        decided_at=None if approval is None else approval.decided_at,
        reason=None if approval is None else _safe(approval.reason, MOST_WORDS),
        blocked_code=_text(policy.get("code")) if blocked else None,
        blocked_reason=_text(policy.get("reason")) if blocked else None,
        outcome_code=None if approval is None else _safe(approval.outcome_code, 80),
        outcome=None if approval is None else _safe(approval.outcome, MOST_WORDS),
        attempts=proposal.attempts,
        result_state=proposal.result_state,
        created_at=proposal.created_at,
        updated_at=proposal.updated_at,
    )


def _approval(row: ApprovalRow, marked: Collection[str]) -> ApprovalView:
    return ApprovalView(
        id=ApprovalId(row.id),
        number=row.number,
        status=row.status,
        digest=row.digest,
        changes=tuple(_change(one, marked) for one in row.changes),
        expires_at=row.expires_at,
        defer_until=row.defer_until,
        decision=row.last_decision,
        decided_by_kind=row.decided_by_kind,
        decided_by=_safe(row.decided_by, 120),
        decided_at=row.decided_at,
        reason=_safe(row.reason, MOST_WORDS),
        outcome_code=_safe(row.outcome_code, 80),
        outcome=_safe(row.outcome, MOST_WORDS),
        created_at=row.created_at,
        finished_at=row.finished_at,
        intact=digest(row.call) == row.digest,
    )


def _draft(proposal: ProposalRow) -> DraftId | None:
    """The draft that the request token of the AI flow names."""
    kind, _, number = (proposal.request_token or "").partition(":")
    beside = proposal.origin is Origin.AI and kind == "draft"
    return DraftId(int(number)) if beside and number.isdecimal() else None


def _change(one: JsonObject, marked: Collection[str]) -> ChangeRow:
    path = str(one.get("field"))
    parts = path.split(".")
    secret = any(is_secret(part, marked) for part in parts)
    before, after = one.get("before"), one.get("after")
    return ChangeRow(
        field=safe(path, limit=200),
        before=MASK if secret else shown_change(path, before, marked),
        after=f"{MASK} (changed)" if secret else shown_change(path, after, marked),
    )


def _attempt(row: ExecutionRow) -> AttemptView:
    return AttemptView(
        id=row.id,
        approval_id=ApprovalId(row.approval_id),
        attempt=row.attempt,
        state=row.state,
        run_key=row.run_key,
        code=_safe(row.code, 80),
        summary=_safe(row.summary, MOST_WORDS),
        facts={key: masked(value, field=key) for key, value in row.facts.items()},
        prepared_at=row.prepared_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _event(row: StoredEvent) -> HistoryEvent:
    return HistoryEvent(
        id=row.id,
        at=row.occurred_at,
        actor_kind=row.actor_kind,
        actor=safe(row.actor_id or "", limit=120),
        event=row.action,
        words={
            key: safe(value, multiline=True, limit=MOST_WORDS)
            for key, value in row.personal.items()
            if isinstance(value, str)
        },
        facts=row.facts,
    )


def _policy(kept: JsonObject) -> PolicyView:
    return PolicyView(
        outcome=_text(kept.get("outcome")) or "unknown",
        mode=_text(kept.get("mode")),
        declared=_text(kept.get("declared")),
        source=_text(kept.get("source")),
        revision=_text(kept.get("revision")),
        code=_text(kept.get("code")),
        reason=_text(kept.get("reason")),
    )


def _marked(registry: Registry, proposal: ProposalRow) -> frozenset[str]:
    """What its tool marks now, and what it marked then: the tool may be gone from here."""
    kept = proposal.policy_snapshot.get("sensitive")
    marked = frozenset(str(one) for one in kept) if isinstance(kept, list) else frozenset[str]()
    tool = registry.find(proposal.tool_ref)
    return marked if tool is None else marked | marked_fields(tool.Input.model_json_schema())


def _listed(value: JsonValue) -> tuple[str, ...]:
    return tuple(safe(str(one), limit=80) for one in value) if isinstance(value, list) else ()


def _safe(text: str | None, limit: int) -> str | None:
    return None if text is None else safe(text, multiline=True, limit=limit)


def _text(value: JsonValue) -> str | None:
    return safe(value, multiline=True, limit=MOST_WORDS) if isinstance(value, str) else None
