"""Deciding: approve, reject, defer, ask back, expire, open again; the first decision wins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.core.actors import ActorKind
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Conflict, Forbidden, Invalid, Refused
from cairnloop_engine.core.ids import ApprovalId, ProposalId
from cairnloop_engine.core.text import is_blank, safe, storable
from cairnloop_engine.governance import queries
from cairnloop_engine.governance.gates import Passed
from cairnloop_engine.governance.hostcode import LONGEST_SUMMARY
from cairnloop_engine.governance.model import (
    REOPENABLE,
    ApprovalStatus,
    Call,
    Difference,
    GovernanceConfig,
    Reason,
    differences,
    is_overdue,
)
from cairnloop_engine.governance.proposals import check_digest, decided_already
from cairnloop_engine.governance.records import (
    REOPEN_TASK,
    RESUME_TASK,
    Action,
    contested,
    decide,
    job,
    locked,
    move,
    open_approval,
    snapshot,
    stored_call,
    tell,
)
from cairnloop_engine.governance.tables import ProposalRow

EXPIRED = "Nobody decided in time."
TOOL_GONE = Reason("unknown_tool", "The tool is not available any more.")


@dataclass(frozen=True, slots=True)
class DecidedAction:
    """Where an action stands after a decision."""

    proposal_id: ProposalId
    approval_id: ApprovalId
    status: ApprovalStatus
    digest: str


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The decision came too late or met something else; what was written has to be kept, so the
    refusal is raised after the commit."""

    refusal: Refused


def kept(result: DecidedAction | Lapsed) -> DecidedAction:
    """The decision; or, now that what it found is committed, its refusal.

    Raises:
        Conflict: ``approval_expired`` or ``digest_mismatch``.
    """
    if isinstance(result, Lapsed):
        raise result.refusal
    return result


async def approve(
    work: Work,
    proposal_id: ProposalId,
    *,
    note: str | None,
    expected_digest: str | None,
    config: GovernanceConfig,
    anew: Passed | None = None,
) -> DecidedAction | Lapsed:
    """Let exactly this call run, once.

    ``anew`` is how the gates judge the action now, if its rows are not what was shown.

    Raises:
        NotFound: ``action_not_found``.
        Conflict: ``already_decided`` or ``action_changed``.
        Forbidden: ``own_proposal`` when the risk asks for two people.
        Invalid: ``reason_too_long``.
    """
    note = _note(note, config)
    action = await locked(work, proposal_id)
    late = await _still_open(work, action)
    if late is not None:
        return late
    check_digest(action, expected_digest)
    _check_distinct(work, action, config)
    stored = stored_call(action.proposal)
    if stored.digest != action.approval.digest:
        await bounce(work, action, stored, config=config, judged=anew)
        return Lapsed(
            Conflict(
                "digest_mismatch",
                f"Action {proposal_id} is not what was proposed any more. Nothing was approved; "
                "look at what changed.",
                proposal_id=proposal_id,
            )
        )
    decide(work, action, ApprovalStatus.APPROVED.value, reason=note)
    await move(
        work,
        action,
        ApprovalStatus.APPROVED,
        "governance.approved",
        words=_words(note),
        digest=action.approval.digest,
    )
    await work.enqueue(job(RESUME_TASK, action, work=work))
    return decided(action)


async def refuse(
    work: Work,
    proposal_id: ProposalId,
    to: ApprovalStatus,
    reason: str,
    *,
    config: GovernanceConfig,
    expected_digest: str | None = None,
    until: datetime | None = None,
) -> DecidedAction | Lapsed:
    """Reject, defer or return an action, with a reason.

    A deferred one waits again at ``until``; a returned one waits for an answer.

    Raises:
        NotFound: ``action_not_found``.
        Conflict: ``already_decided`` or ``action_changed``.
        Invalid: ``reason_missing``, ``reason_too_long``, ``until_past`` or ``until_without_zone``.
    """
    words = needed_reason(reason, config)
    _check_until(until, work.now)
    action = await locked(work, proposal_id)
    late = await _still_open(work, action)
    if late is not None:
        return late
    check_digest(action, expected_digest)
    decide(work, action, to.value, reason=words)
    action.approval.defer_until = until
    if to is ApprovalStatus.REJECTED:
        action.approval.finished_at = work.now
    await move(
        work,
        action,
        to,
        f"governance.{to.value}",
        words={"reason": words},
        until=None if until is None else until.isoformat(),
    )
    if until is not None:
        await work.enqueue(job(REOPEN_TASK, action, work=work, after=until - work.now))
    return decided(action)


async def expire(work: Work, proposal_id: ProposalId) -> bool:
    """End a pending approval whose time is over; False when there is nothing to end."""
    action = await locked(work, proposal_id)
    overdue = is_overdue(action.approval.expires_at, work.now)
    if action.approval.status is not ApprovalStatus.PENDING or not overdue:
        return False
    await lapse(work, action)
    return True


async def lapse(work: Work, action: Action) -> None:
    """Nobody decided, or it did not come to run, in time. That is no refusal by anybody."""
    action.approval.outcome_code = "expired"
    action.approval.outcome = EXPIRED
    action.approval.finished_at = work.now
    await move(work, action, ApprovalStatus.EXPIRED, "governance.expired")


async def invalidate(work: Work, action: Action, reason: Reason) -> None:
    """It is not allowed any more. A person may open it again once it is."""
    action.approval.outcome_code = reason.code
    action.approval.outcome = safe(reason.text, limit=LONGEST_SUMMARY)
    action.approval.finished_at = work.now
    await move(
        work,
        action,
        ApprovalStatus.INVALIDATED,
        "governance.revalidation_failed",
        words={"reason": action.approval.outcome},
        code=reason.code,
    )


async def end_deferral(work: Work, proposal_id: ProposalId, reason: Reason) -> None:
    """The moment has come, and by now it would be blocked: said once, and not tried for ever."""
    action = await locked(work, proposal_id)
    due = action.approval.defer_until
    if action.approval.status is ApprovalStatus.DEFERRED and due is not None and due <= work.now:
        await invalidate(work, action, reason)


async def reopen(
    work: Work,
    proposal_id: ProposalId,
    passed: Passed,
    *,
    config: GovernanceConfig,
    answer: str | None = None,
    only: frozenset[ApprovalStatus] = REOPENABLE,
) -> DecidedAction:
    """Open a fresh approval, with the full time, about what the action comes to now.

    Raises:
        NotFound: ``action_not_found``.
        Conflict: ``not_reopenable`` or ``already_proposed``.
        Invalid: ``reason_too_long``.
    """
    answer = _note(answer, config)
    action = await locked(work, proposal_id)
    if action.approval.status not in only:
        raise Conflict(
            "not_reopenable",
            f"Action {proposal_id} is {action.approval.status.value}; it cannot be opened again.",
            proposal_id=proposal_id,
            status=action.approval.status.value,
        )
    rival = await _rival(work, action, passed.business_key)
    if rival is not None:
        raise Conflict(
            "already_proposed",
            f"Action {rival.id} asks for the same and waits already.",
            proposal_id=rival.id,
        )
    event = "governance.reopened" if answer is None else "governance.answered"
    await tell(work, action, event, words=None if answer is None else {"answer": answer})
    changes = differences(action.approval.call, passed.call.as_json())
    return await _next(work, action, passed.call, snapshot(passed), changes, config=config)


async def bounce(
    work: Work,
    action: Action,
    now: Call,
    *,
    config: GovernanceConfig,
    judged: Passed | None = None,
) -> DecidedAction:
    """Send an action back to the person, with what is different from what they approved (P4).

    ``now`` is what was found. The following approval is about the action as it is ``judged`` now,
    so that its words fit its input; about ``now`` when nothing could judge it.
    """
    changes = differences(action.approval.call, now.as_json())
    action.approval.outcome_code = "digest_mismatch"
    action.approval.outcome = "It changed after it was approved."
    action.approval.finished_at = work.now
    await move(
        work,
        action,
        ApprovalStatus.INVALIDATED,
        "governance.digest_mismatch",
        approved=action.approval.digest,
        found=now.digest,
        changed=[one.field for one in changes],
    )
    if judged is None:
        return await _next(work, action, now, {"digest": now.digest}, changes, config=config)
    if await _rival(work, action, judged.business_key) is not None:
        # It has become what another action asks for already; that one is to be decided.
        return decided(action)
    shown = {one.field: one for one in changes}
    for one in differences(action.approval.call, judged.call.as_json()):
        shown.setdefault(one.field, one)
    return await _next(
        work, action, judged.call, snapshot(judged), tuple(shown.values()), config=config
    )


async def _next(
    work: Work,
    action: Action,
    call: Call,
    values: dict[str, object],
    changes: tuple[Difference, ...],
    *,
    config: GovernanceConfig,
) -> DecidedAction:
    """The following approval of the same proposal, which now stands for ``call``."""
    for column, value in values.items():
        setattr(action.proposal, column, value)
    async with contested():
        row = await open_approval(
            work,
            action.proposal,
            call,
            ttl=config.approval_ttl,
            number=action.approval.number + 1,
            changes=changes,
        )
    return decided(Action(action.proposal, row))


async def _rival(work: Work, action: Action, business_key: str | None) -> ProposalRow | None:
    """Another live proposal of the same thing; only one of them may wait or run."""
    found = await queries.live_with_key(work, action.proposal.idempotency_key)
    if (found is None or found.id == action.id) and business_key is not None:
        found = await queries.live_with_business_key(work, action.proposal.tool_ref, business_key)
    return None if found is None or found.id == action.id else found


async def _still_open(work: Work, action: Action) -> Lapsed | None:
    """None when the approval can be decided now.

    Raises:
        Conflict: ``already_decided``.
    """
    if action.approval.status is not ApprovalStatus.PENDING:
        raise decided_already(action)
    if not is_overdue(action.approval.expires_at, work.now):
        return None
    await lapse(work, action)
    return Lapsed(
        Conflict(
            "approval_expired",
            f"The time to decide about action {action.id} is over. Nothing ran; open it again "
            "if it is still wanted.",
            proposal_id=action.id,
        )
    )


def _check_until(until: datetime | None, now: datetime) -> None:
    if until is None:
        return
    if until.tzinfo is None:
        raise Invalid("until_without_zone", "Name the moment with its time zone.")
    if until <= now:
        raise Invalid("until_past", "That moment has passed; name one that is still to come.")


def _check_distinct(work: Work, action: Action, config: GovernanceConfig) -> None:
    needs_two = action.proposal.risk_tier in config.distinct_approver_for
    if needs_two and work.actor == action.proposer and work.actor.kind is ActorKind.OPERATOR:
        raise Forbidden(
            "own_proposal",
            "You proposed this action, and its risk asks for a second person. Somebody else has "
            "to approve it.",
            proposal_id=action.id,
        )


def decided(action: Action) -> DecidedAction:
    return DecidedAction(
        proposal_id=action.id,
        approval_id=ApprovalId(action.approval.id),
        status=action.approval.status,
        digest=action.approval.digest,
    )


def needed_reason(reason: str, config: GovernanceConfig) -> str:
    """A person's reason, storable.

    Raises:
        Invalid: ``reason_missing`` or ``reason_too_long``.
    """
    if is_blank(reason):
        raise Invalid("reason_missing", "A reason is required; say in a few words why.")
    return _bounded(reason, config)


def _note(note: str | None, config: GovernanceConfig) -> str | None:
    return None if note is None or is_blank(note) else _bounded(note, config)


def _bounded(words: str, config: GovernanceConfig) -> str:
    if len(words) > config.longest_reason:
        raise Invalid(
            "reason_too_long",
            f"A reason has at most {config.longest_reason} characters.",
            limit=config.longest_reason,
        )
    return storable(words.strip())


def _words(note: str | None) -> dict[str, str] | None:
    return None if note is None else {"reason": note}
