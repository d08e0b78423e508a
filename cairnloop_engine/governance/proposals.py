"""Proposing: the one way in for operators, the AI flow and clients from outside."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.audit import service as audit
from cairnloop_engine.conversations import queries as threads
from cairnloop_engine.core.actors import ActorKind, Caller
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Blocked as BlockedError
from cairnloop_engine.core.errors import Conflict, Forbidden, Invalid, JsonObject, NotFound
from cairnloop_engine.core.ids import ApprovalId, ConversationId, ProposalId
from cairnloop_engine.core.paging import LARGEST_ID
from cairnloop_engine.core.text import is_blank, storable
from cairnloop_engine.governance import queries
from cairnloop_engine.governance.gates import Blocked, Passed, Wish
from cairnloop_engine.governance.model import (
    ApprovalMode,
    ApprovalStatus,
    GovernanceConfig,
    Origin,
    ProposalStatus,
    Reason,
    ResultState,
    idempotency_key,
)
from cairnloop_engine.governance.records import (
    SUBJECT,
    Action,
    announce,
    locked,
    move,
    open_approval,
    open_auto,
    sensitive,
    snapshot,
)
from cairnloop_engine.governance.tables import ApprovalRow, ProposalRow

LONGEST_TOKEN = 255
LONGEST_ACCOUNT = 200
_ORIGINS = {
    ActorKind.OPERATOR: Origin.OPERATOR,
    ActorKind.SYSTEM: Origin.AI,
    ActorKind.TOKEN: Origin.MCP,
}


@dataclass(frozen=True, slots=True)
class Proposed:
    """What became of a wish; ``reason`` says why it was blocked, and is None when it was not."""

    proposal_id: ProposalId
    status: ProposalStatus
    approval_id: ApprovalId | None
    approval_status: ApprovalStatus | None
    digest: str | None
    duplicate: bool
    reason: Reason | None = None


def wish_from(
    caller: Caller,
    tool: str,
    given: JsonObject,
    *,
    account_id: str | None,
    conversation_id: int | None,
) -> Wish:
    """What a caller asks for, in the caller's own name.

    Raises:
        Forbidden: ``operator_missing`` or ``actor_cannot_propose``.
        Invalid: ``account_invalid``.
    """
    actor = caller.acting()
    origin = _ORIGINS.get(actor.kind)
    if origin is None:
        raise Forbidden("actor_cannot_propose", "A customer cannot propose actions.")
    if account_id is not None and not _is_name(account_id, LONGEST_ACCOUNT):
        raise Invalid("account_invalid", f"An account has 1 to {LONGEST_ACCOUNT} characters.")
    return Wish(
        tool=tool,
        input=given,
        actor=actor,
        workspace=caller.workspace,
        origin=origin,
        account_id=account_id,
        conversation_id=conversation_id,
    )


def unblocked(made: Proposed) -> Proposed:
    """What was made, when nothing stopped it.

    Raises:
        Blocked: as :func:`refusal`. Its row is committed by now.
    """
    if made.reason is not None:
        raise refusal(made.status, made.reason, made.proposal_id)
    return made


def refusal(status: ProposalStatus, reason: Reason, proposal_id: ProposalId) -> BlockedError:
    """How the caller of a blocked attempt hears of it."""
    facts: JsonObject = {"reason": reason.code, "details": reason.details}
    match code := status.value:
        case "needs_input" | "scope_invalid" | "policy_denied":
            return BlockedError(code, f"{reason.text}", proposal_id=proposal_id, **facts)
    raise ValueError(f"{code} is no refusal")


async def propose(
    work: Work,
    wish: Wish,
    judged: Passed | Blocked,
    *,
    config: GovernanceConfig,
    token: str | None = None,
    supersedes: ProposalId | None = None,
) -> Proposed:
    """Record a judged wish: a proposal with its approval, or a blocked attempt with its reason.

    An equal wish that may still come true is met instead of repeated. ``token`` names the
    request for good: the same token with another wish is refused.

    Raises:
        NotFound: ``conversation_not_found``.
        Conflict: ``idempotency_key_reused`` or ``already_proposed``.
        Invalid: ``idempotency_key_invalid``.
    """
    _check_token(token)
    await _locked_thread(work, wish)
    key = _key(wish, judged, token)
    if isinstance(judged, Blocked):
        return await _record_blocked(work, wish, judged, key=key, token=token)
    met = await _met(work, wish, judged, key=key, token=token)
    if met is not None:
        return await _duplicate(work, wish, met)
    row = await queries.insert_proposal(
        work,
        **_origin(wish, key, token),
        **snapshot(judged),
        tool_ref=wish.tool,
        status=ProposalStatus.PROPOSED,
        live=True,
        supersedes_id=supersedes,
        attempts=0,
        result_state=ResultState.NOT_EXECUTED,
    )
    if row is None:
        # Somebody was faster; what they made is visible now.
        met = await _met(work, wish, judged, key=key, token=token)
        if met is None:
            raise Conflict("already_proposed", "The same action was proposed at the same moment.")
        return await _duplicate(work, wish, met)
    return await _opened(work, row, judged, config)


async def amend(
    work: Work,
    proposal_id: ProposalId,
    wish: Wish,
    judged: Passed,
    *,
    config: GovernanceConfig,
    expected_digest: str | None,
) -> Proposed:
    """Put an approver's own version in the place of a proposal that waits.

    The new one has its own digest and its own approval, and the editor is its proposer.

    Raises:
        NotFound: ``action_not_found``.
        Conflict: ``already_decided``, ``action_changed`` or ``already_proposed``.
    """
    action = await locked(work, proposal_id)
    if action.approval.status is not ApprovalStatus.PENDING:
        raise decided_already(action)
    check_digest(action, expected_digest)
    await move(work, action, ApprovalStatus.SUPERSEDED, "governance.superseded")
    action.approval.finished_at = work.now
    await work.session.flush()
    made = await propose(work, wish, judged, config=config, supersedes=proposal_id)
    if made.duplicate:
        raise Conflict(
            "already_proposed",
            f"Action {made.proposal_id} already asks for exactly this.",
            proposal_id=made.proposal_id,
        )
    return made


def decided_already(action: Action) -> Conflict:
    """The first decision won; this tells the loser who decided, what and when."""
    approval = action.approval
    by = f", decided by {approval.decided_by}" if approval.decided_by else ""
    return Conflict(
        "already_decided",
        f"Action {action.id} is not pending any more: it is {approval.status.value}{by}.",
        proposal_id=action.id,
        status=approval.status.value,
        decided_by=approval.decided_by,
        decided_at=None if approval.decided_at is None else approval.decided_at.isoformat(),
    )


def check_digest(action: Action, expected: str | None) -> None:
    """Refuse to decide about something else than what was shown.

    Raises:
        Conflict: ``action_changed``.
    """
    if expected is not None and expected != action.approval.digest:
        raise Conflict(
            "action_changed",
            f"Action {action.id} changed since it was shown to you. Look at it again.",
            proposal_id=action.id,
            digest=action.approval.digest,
        )


def _check_token(token: str | None) -> None:
    if token is not None and not _is_name(token, LONGEST_TOKEN):
        raise Invalid(
            "idempotency_key_invalid",
            f"An idempotency key has 1 to {LONGEST_TOKEN} visible characters.",
        )


def _is_name(text: str, longest: int) -> bool:
    return not is_blank(text) and len(text) <= longest and storable(text) == text


def _key(wish: Wish, judged: Passed | Blocked, token: str | None) -> str:
    return idempotency_key(
        workspace=wish.workspace,
        tool=wish.tool,
        actor=f"{wish.actor.kind.value}:{wish.actor.id}",
        account_id=wish.account_id,
        arguments=judged.input if isinstance(judged, Blocked) else judged.call.input,
        token=token,
    )


def _origin(wish: Wish, key: str, token: str | None) -> dict[str, object]:
    return {
        "idempotency_key": key,
        "request_token": token,
        "origin": wish.origin,
        "actor_kind": wish.actor.kind.value,
        "actor_id": wish.actor.id,
        "account_id": wish.account_id,
        "conversation_id": wish.conversation_id,
    }


async def _locked_thread(work: Work, wish: Wish) -> None:
    if wish.conversation_id is None:
        return
    possible = 0 < wish.conversation_id <= LARGEST_ID
    wanted = ConversationId(wish.conversation_id)
    if not possible or await threads.lock_conversation(work, wanted) is None:
        raise NotFound(
            "conversation_not_found",
            f"There is no conversation {wish.conversation_id} in this workspace.",
            conversation_id=wish.conversation_id,
        )


async def _met(
    work: Work, wish: Wish, judged: Passed, *, key: str, token: str | None
) -> ProposalRow | None:
    """The proposal that this wish already has; by its token, its key, or its business key."""
    if token is not None:
        named = await queries.with_request_token(work, wish.actor, token)
        if named is not None and named.idempotency_key != key:
            raise Conflict(
                "idempotency_key_reused",
                "This idempotency key was used for another request; take a fresh one.",
                proposal_id=named.id,
            )
        if named is not None:
            return named
    live = await queries.live_with_key(work, key)
    if live is not None or judged.business_key is None:
        return live
    rival = await queries.live_with_business_key(work, wish.tool, judged.business_key)
    if rival is not None and rival.input_snapshot != judged.call.input:
        raise Conflict(
            "already_proposed",
            f"Action {rival.id} already asks for this with other values. Decide about it first.",
            proposal_id=rival.id,
        )
    return rival


async def _duplicate(work: Work, wish: Wish, met: ProposalRow) -> Proposed:
    approval = await queries.latest_approval(work, ProposalId(met.id))
    if wish.conversation_id is not None and wish.conversation_id != met.conversation_id:
        # The other thread has to be able to tell that it was asked there, too.
        await audit.record(
            work,
            "governance.asked_again",
            subject=(SUBJECT, met.id),
            conversation_id=wish.conversation_id,
            tool=met.tool_ref,
        )
    await announce(work, "governance.asked_again", met, approval)
    return _result(met, approval, duplicate=True)


async def _record_blocked(
    work: Work, wish: Wish, judged: Blocked, *, key: str, token: str | None
) -> Proposed:
    reason = judged.reason
    row = await queries.insert_proposal(
        work,
        **_origin(wish, key, token),
        tool_ref=wish.tool,
        tool_version=judged.tool.spec.version,
        status=judged.status,
        live=False,
        risk_tier=judged.tool.spec.risk_tier,
        approval_mode=judged.resolution.mode,
        input_snapshot=judged.input,
        scope_snapshot={
            "scopes": sorted(judged.scopes),
            "required": sorted(judged.tool.spec.scopes),
        },
        policy_snapshot={
            "outcome": judged.status.value,
            "code": reason.code,
            "reason": reason.text,
            "details": reason.details,
            "revision": judged.resolution.revision,
            "sensitive": sensitive(judged.tool),
        },
        targets=[],
        title=judged.tool.spec.title,
        attempts=0,
        result_state=ResultState.NOT_EXECUTED,
    )
    duplicate = row is None
    if row is None:
        row = await queries.blocked_with_key(work, key, judged.status)
    if row is None:
        raise Conflict("already_proposed", "The same action was proposed at the same moment.")
    if not duplicate:
        await audit.record(
            work,
            "governance.blocked",
            subject=(SUBJECT, row.id),
            conversation_id=wish.conversation_id,
            personal={"reason": reason.text},
            tool=wish.tool,
            status=judged.status.value,
            code=reason.code,
        )
        work.changed("action", row.id)
        await announce(work, "governance.blocked", row)
    return _result(row, None, duplicate=duplicate, reason=reason)


async def _opened(
    work: Work, row: ProposalRow, judged: Passed, config: GovernanceConfig
) -> Proposed:
    await audit.record(
        work,
        "governance.proposed",
        subject=(SUBJECT, row.id),
        conversation_id=row.conversation_id,
        tool=row.tool_ref,
        version=row.tool_version,
        risk=row.risk_tier.value,
        mode=row.approval_mode.value,
        origin=row.origin.value,
        digest=row.digest,
        supersedes=row.supersedes_id,
    )
    await announce(work, "governance.proposed", row)
    opening = open_auto if row.approval_mode is ApprovalMode.AUTO else open_approval
    approval = await opening(work, row, judged.call, ttl=config.approval_ttl)
    return _result(row, approval, duplicate=False)


def _result(
    row: ProposalRow, approval: ApprovalRow | None, *, duplicate: bool, reason: Reason | None = None
) -> Proposed:
    return Proposed(
        proposal_id=ProposalId(row.id),
        status=row.status,
        approval_id=None if approval is None else ApprovalId(approval.id),
        approval_status=None if approval is None else approval.status,
        digest=None if approval is None else approval.digest,
        duplicate=duplicate,
        reason=reason,
    )
