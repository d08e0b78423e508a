"""The one way in which an action changes its state: row, audit event, jobs, marks, together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError

from cairnloop_engine.audit import service as audit
from cairnloop_engine.conversations import queries as threads
from cairnloop_engine.conversations.marks import mark_actions
from cairnloop_engine.core.actors import Actor, ActorKind
from cairnloop_engine.core.database import Contended, Work, sqlstate
from cairnloop_engine.core.errors import JsonValue, NotFound
from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.core.jobs import Job
from cairnloop_engine.governance import queries, telemetry
from cairnloop_engine.governance.events import ActionMoved, ActionTold
from cairnloop_engine.governance.gates import Passed, Wish
from cairnloop_engine.governance.masking import marked_fields
from cairnloop_engine.governance.model import (
    LIVE,
    ApprovalStatus,
    Call,
    Difference,
    ProposalStatus,
    Target,
    run_key,
)
from cairnloop_engine.governance.ports import DecisionAsked
from cairnloop_engine.governance.tables import ApprovalRow, ProposalRow
from cairnloop_engine.governance.tools import Tool

RESUME_TASK = "governance.resume"
EXECUTE_TASK = "governance.execute"
EXPIRE_TASK = "governance.expire"
REOPEN_TASK = "governance.reopen"
SUBJECT = "action"
UNIQUE_VIOLATION = "23505"
AUTO = Actor.system("policy:auto")


@dataclass(slots=True)
class Action:
    """A valid proposal with its newest approval, both locked."""

    proposal: ProposalRow
    approval: ApprovalRow

    @property
    def id(self) -> ProposalId:
        return ProposalId(self.proposal.id)

    @property
    def conversation_id(self) -> ConversationId | None:
        found = self.proposal.conversation_id
        return None if found is None else ConversationId(found)

    @property
    def proposer(self) -> Actor:
        return Actor(ActorKind(self.proposal.actor_kind), self.proposal.actor_id)

    @property
    def run_key(self) -> str:
        return run_key(self.proposal.idempotency_key, self.proposal.id)


@asynccontextmanager
async def contested() -> AsyncIterator[None]:
    """Meeting a row that somebody else made at this moment is contention: look again.

    Raises:
        Contended: a unique index refused the change.
    """
    try:
        yield
    except IntegrityError as error:
        if sqlstate(error) != UNIQUE_VIOLATION:
            raise
        raise Contended("database_busy", "Somebody else was faster; try again.") from error


def not_found(proposal_id: ProposalId) -> NotFound:
    return NotFound(
        "action_not_found",
        f"There is no action {proposal_id} in this workspace.",
        proposal_id=proposal_id,
    )


def unknown_tool() -> NotFound:
    """There is no row of it, so monitoring alone hears that it was asked for."""
    telemetry.unsupported()
    return NotFound("tool_unknown", "There is no such tool. `cairnloop tools` lists them.")


async def locked(work: Work, proposal_id: ProposalId, *, beside: Collection[int] = ()) -> Action:
    """The action, locked in the house's order: conversation, approval, proposal.

    ``beside`` are further conversations in which this Work is going to write.

    Raises:
        NotFound: ``action_not_found``, also for another workspace's and for a blocked one.
    """
    seen = await queries.proposal(work, proposal_id)
    if seen is None or seen.status is not ProposalStatus.PROPOSED:
        raise not_found(proposal_id)
    own = () if seen.conversation_id is None else (seen.conversation_id,)
    for conversation_id in sorted({*own, *beside}):
        await threads.lock_conversation(work, ConversationId(conversation_id))
    approval = await queries.latest_approval(work, proposal_id, lock=True)
    proposal = await queries.lock_proposal(work, proposal_id)
    newest = await queries.latest_approval(work, proposal_id)
    if approval is None or proposal is None:
        raise not_found(proposal_id)
    if newest is None or newest.id != approval.id:
        raise Contended("database_busy", "The action has just moved on; try again.")
    return Action(proposal, approval)


def wish_of(proposal: ProposalRow) -> Wish:
    """What the stored proposal asks for, to be judged again."""
    return Wish(
        tool=proposal.tool_ref,
        input=proposal.input_snapshot,
        actor=Actor(ActorKind(proposal.actor_kind), proposal.actor_id),
        workspace=proposal.workspace,
        origin=proposal.origin,
        account_id=proposal.account_id,
        conversation_id=proposal.conversation_id,
    )


def decision_about(proposal: ProposalRow) -> DecisionAsked:
    """What an operator wants to decide, as the host's identity provider is asked."""
    return DecisionAsked(
        workspace=proposal.workspace,
        tool=proposal.tool_ref,
        risk_tier=proposal.risk_tier,
        proposed_by=Actor(ActorKind(proposal.actor_kind), proposal.actor_id),
        account_id=proposal.account_id,
        conversation_id=proposal.conversation_id,
    )


def stored_call(proposal: ProposalRow) -> Call:
    """The call as the proposal's own columns tell it, whoever wrote them last."""
    return Call(
        workspace=proposal.workspace,
        tool=proposal.tool_ref,
        version=proposal.tool_version,
        input=proposal.input_snapshot,
        targets=[
            Target(str(one.get("kind")), str(one.get("id")), str(one.get("revision")))
            for one in proposal.targets
        ],
        policy=str(proposal.policy_snapshot.get("revision")),
        asker=f"{proposal.actor_kind}:{proposal.actor_id}",
        account_id=proposal.account_id,
        conversation_id=proposal.conversation_id,
        title=proposal.title,
        consequence=proposal.rendered_consequence,
    )


def sensitive(tool: Tool[Any]) -> list[JsonValue]:
    """What the tool marks as never to be shown, kept for the day on which it is not here."""
    return [*sorted(marked_fields(tool.Input.model_json_schema()))]


def snapshot(passed: Passed) -> dict[str, object]:
    """What a proposal keeps of the judgement: one trust category for each column."""
    resolution, call = passed.resolution, passed.call
    return {
        "tool_version": call.version,
        "risk_tier": passed.tool.spec.risk_tier,
        "approval_mode": resolution.mode,
        "input_snapshot": call.input,
        "scope_snapshot": {
            "scopes": sorted(passed.asker.scopes),
            "required": sorted(passed.tool.spec.scopes),
        },
        "policy_snapshot": {
            "outcome": "proposed",
            "mode": resolution.mode.value,
            "declared": (passed.tool.spec.declared_mode or resolution.mode).value,
            "source": resolution.source,
            "revision": resolution.revision,
            "sensitive": sensitive(passed.tool),
        },
        "targets": [
            {"kind": one.kind, "id": one.id, "revision": one.revision} for one in call.targets
        ],
        "digest": call.digest,
        "title": call.title,
        "rendered_consequence": call.consequence,
        "business_key": passed.business_key,
    }


async def open_approval(
    work: Work,
    proposal: ProposalRow,
    call: Call,
    *,
    ttl: timedelta,
    number: int = 1,
    changes: tuple[Difference, ...] = (),
) -> ApprovalRow:
    """A fresh approval that waits for a person, and the job that ends it when nobody comes."""
    row = ApprovalRow(
        workspace=work.workspace,
        proposal_id=proposal.id,
        number=number,
        status=ApprovalStatus.PENDING,
        call=call.as_json(),
        digest=call.digest,
        changes=[one.as_json() for one in changes],
        expires_at=work.now + ttl,
        reconcile_tries=0,
        created_at=work.now,
        updated_at=work.now,
    )
    proposal.live = True
    proposal.updated_at = work.now
    work.session.add(row)
    await work.session.flush()
    action = Action(proposal, row)
    await tell(
        work,
        action,
        "governance.approval_requested",
        digest=row.digest,
        changed=[one.field for one in changes],
    )
    await work.enqueue(job(EXPIRE_TASK, action, after=ttl, work=work))
    return row


async def open_auto(
    work: Work, proposal: ProposalRow, call: Call, *, ttl: timedelta
) -> ApprovalRow:
    """An approval that the site's policy gave; it is checked again like any other."""
    row = ApprovalRow(
        workspace=work.workspace,
        proposal_id=proposal.id,
        number=1,
        status=ApprovalStatus.EXECUTION_PENDING,
        call=call.as_json(),
        digest=call.digest,
        changes=[],
        expires_at=work.now + ttl,
        last_decision=ApprovalStatus.APPROVED.value,
        decided_by_kind=AUTO.kind.value,
        decided_by=AUTO.id,
        decided_at=work.now,
        reconcile_tries=0,
        created_at=work.now,
        updated_at=work.now,
    )
    work.session.add(row)
    await work.session.flush()
    action = Action(proposal, row)
    await tell(work, action, "governance.approved", by_policy=AUTO.id, digest=row.digest)
    await work.enqueue(job(EXECUTE_TASK, action, work=work))
    return row


async def move(
    work: Work,
    action: Action,
    to: ApprovalStatus,
    event: str,
    *,
    words: Mapping[str, JsonValue] | None = None,
    **facts: JsonValue,
) -> None:
    """Bring the approval into another state and tell of it, in this one transaction.

    ``words`` are a person's, so the trail keeps them where they can be erased.
    """
    before = action.approval.status
    action.approval.status = to
    action.approval.updated_at = work.now
    action.proposal.live = to in LIVE
    action.proposal.updated_at = work.now
    await work.session.flush()
    await tell(
        work, action, event, words=words, status_before=before.value, status=to.value, **facts
    )


async def tell(
    work: Work,
    action: Action,
    event: str,
    *,
    words: Mapping[str, JsonValue] | None = None,
    **facts: JsonValue,
) -> None:
    """The audit event of an action, the marks on its conversation, and the news for screens."""
    await audit.record(
        work,
        event,
        subject=(SUBJECT, action.id),
        conversation_id=action.conversation_id,
        personal=words,
        tool=action.proposal.tool_ref,
        approval_id=action.approval.id,
        **facts,
    )
    if action.conversation_id is not None:
        waiting = await queries.waiting_in(work, action.conversation_id)
        await mark_actions(work, action.conversation_id, waiting=waiting)
    work.changed("action", action.id)
    await work.emit(ActionMoved(action.id, action.conversation_id, action.approval.status))
    await announce(work, event, action.proposal, action.approval, facts)


async def announce(
    work: Work,
    event: str,
    proposal: ProposalRow,
    approval: ApprovalRow | None = None,
    facts: Mapping[str, JsonValue] | None = None,
) -> None:
    """Let monitoring hear of an event; nothing of what anybody wrote goes along."""
    attempt, took = (facts or {}).get("attempt"), (facts or {}).get("took_ms")
    await work.emit(
        ActionTold(
            event=event.removeprefix("governance."),
            proposal_id=ProposalId(proposal.id),
            tool=proposal.tool_ref,
            actor=work.actor.id,
            risk_tier=proposal.risk_tier,
            approval_mode=proposal.approval_mode,
            proposal_status=proposal.status,
            approval_status=None if approval is None else approval.status,
            result_state=proposal.result_state,
            decided_by=None if approval is None else approval.decided_by,
            attempt=attempt if isinstance(attempt, int) else None,
            milliseconds=took if isinstance(took, int) else 0,
        )
    )


def decide(work: Work, action: Action, decision: str, *, reason: str | None) -> None:
    """Write down who decided what, in their own words."""
    approval = action.approval
    approval.last_decision = decision
    approval.decided_by_kind = work.actor.kind.value
    approval.decided_by = work.actor.id
    approval.decided_at = work.now
    approval.reason = reason


def job(task: str, action: Action, *, work: Work, after: timedelta | None = None) -> Job:
    """A job about this approval; ids only."""
    return Job(
        task,
        {
            "workspace": work.workspace,
            "proposal_id": action.proposal.id,
            "approval_id": action.approval.id,
        },
        at=None if after is None else work.now + after,
    )
