"""What follows from an attempt: success, failure, another try, or a person who has to look."""

from __future__ import annotations

from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Conflict, Invalid
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.core.text import safe
from cairnloop_engine.governance import queries
from cairnloop_engine.governance.approvals import DecidedAction, decided, needed_reason
from cairnloop_engine.governance.hostcode import (
    LONGEST_SUMMARY,
    Outcome,
    Report,
    facts_of,
    summary_of,
)
from cairnloop_engine.governance.model import (
    ApprovalStatus,
    AttemptState,
    GovernanceConfig,
    ResultState,
)
from cairnloop_engine.governance.records import EXECUTE_TASK, Action, job, locked, move, tell
from cairnloop_engine.governance.tables import ExecutionRow
from cairnloop_engine.governance.tools import Reconciled, Trace

# The code of an attempt whose worker died, or only stood still, while the tool ran.
WORKER_LOST = "worker_lost"
UNCLEAR = "Nobody can tell whether the effect happened; a person has to look and settle it."


async def reconciled(
    work: Work,
    proposal_id: ProposalId,
    approval_id: int,
    answer: Reconciled,
    *,
    repeatable: bool,
    config: GovernanceConfig,
) -> bool:
    """Take in what the target says about an unknown attempt; True when another may be made.

    ``repeatable``: the target does nothing the second time it sees the run key. Without that, "no
    effect so far" promises nothing about a lost worker, which may only stand still (P1).
    """
    action = await locked(work, proposal_id)
    if not may_run(action, approval_id):
        return False
    unknown = await unknown_attempt(work, proposal_id)
    if unknown is None:
        return True
    if answer.trace is Trace.UNCLEAR:
        await _ask_again(work, action, unknown.attempt, config=config)
        return False
    confirmed = answer.trace is Trace.CONFIRMED
    if not confirmed and unknown.code == WORKER_LOST and not repeatable:
        await tell(
            work, action, "governance.reconciled", attempt=unknown.attempt, found="absent_so_far"
        )
        await give_to_person(work, action, unknown.attempt)
        return False
    state = AttemptState.CONFIRMED if confirmed else AttemptState.FAILED
    report = Report(Outcome.CONFIRMED, "reconciled", answer.done)
    await queries.settle_attempt(
        work,
        unknown.id,
        state,
        code="reconciled" if confirmed else "reconciled_absent",
        summary=summary_of(report) if confirmed else "The target knows of no effect.",
        facts=facts_of(answer.done),
    )
    await tell(
        work, action, "governance.reconciled", attempt=unknown.attempt, found=answer.trace.value
    )
    if confirmed:
        await _succeed(work, action, unknown.attempt, summary_of(report))
        return False
    if await _made(work, action) >= config.attempts:
        await _fail(work, action, unknown.attempt, "attempts_used_up", "No effect happened.")
        return False
    return True


async def _ask_again(work: Work, action: Action, attempt: int, *, config: GovernanceConfig) -> None:
    """The target cannot tell yet: ask later, and a person when it could not tell too often."""
    action.approval.reconcile_tries += 1
    if action.approval.reconcile_tries >= config.reconcile_tries:
        await give_to_person(work, action, attempt)
        return
    wait = config.wait_before(action.approval.reconcile_tries + 2)
    action.approval.updated_at = work.now
    await work.enqueue(job(EXECUTE_TASK, action, work=work, after=wait))


async def give_up(work: Work, proposal_id: ProposalId, approval_id: int) -> None:
    """Put an unknown outcome before a person: nothing more can be found out by itself."""
    action = await locked(work, proposal_id)
    unknown = await unknown_attempt(work, proposal_id)
    if may_run(action, approval_id) and unknown is not None:
        await give_to_person(work, action, unknown.attempt)


async def settle(
    work: Work, proposal_id: ProposalId, *, happened: bool, note: str, config: GovernanceConfig
) -> DecidedAction:
    """A person says what became of an effect that nobody could be sure of.

    Raises:
        NotFound: ``action_not_found``.
        Conflict: ``not_unknown``.
        Invalid: ``reason_missing`` or ``reason_too_long``.
    """
    words = needed_reason(note, config)
    action = await locked(work, proposal_id)
    unknown = await unknown_attempt(work, proposal_id)
    if action.approval.status is not ApprovalStatus.EXECUTION_UNKNOWN or unknown is None:
        raise Conflict(
            "not_unknown",
            f"Action {proposal_id} is {action.approval.status.value}; only an unknown outcome "
            "can be settled.",
            proposal_id=proposal_id,
            status=action.approval.status.value,
        )
    state = AttemptState.CONFIRMED if happened else AttemptState.FAILED
    await queries.settle_attempt(work, unknown.id, state, code="settled")
    summary = f"Settled by {work.actor.id}: it {'happened' if happened else 'did not happen'}."
    action.approval.outcome_code = "settled"
    action.approval.outcome = safe(summary, limit=LONGEST_SUMMARY)
    action.approval.finished_at = work.now
    action.proposal.result_state = ResultState.SUCCEEDED if happened else ResultState.FAILED
    action.proposal.result_summary = action.approval.outcome
    to = ApprovalStatus.EXECUTED if happened else ApprovalStatus.EXECUTION_FAILED
    await move(
        work,
        action,
        to,
        "governance.settled",
        words={"reason": words},
        attempt=unknown.attempt,
        outcome="confirmed" if happened else "failed",
    )
    return decided(action)


async def conclude(
    work: Work,
    action: Action,
    attempt: int,
    report: Report,
    *,
    config: GovernanceConfig,
    again: bool = True,
) -> None:
    """What follows from a finished attempt. ``again`` queues the next step if there is one."""
    words = summary_of(report)
    if report.outcome is Outcome.CONFIRMED:
        await _succeed(work, action, attempt, words, took_ms=report.took_ms)
        return
    if report.outcome is Outcome.PERMANENT:
        await _fail(work, action, attempt, report.code, words, took_ms=report.took_ms)
        return
    if report.outcome is Outcome.UNKNOWN:
        await tell(
            work,
            action,
            "governance.execution_attempt_failed",
            attempt=attempt,
            code=report.code,
            effect="unknown",
        )
        action.approval.updated_at = work.now
        if again:
            await work.enqueue(job(EXECUTE_TASK, action, work=work))
        return
    if await _made(work, action) >= config.attempts:
        await _fail(work, action, attempt, report.code, words, took_ms=report.took_ms)
        return
    await tell(
        work,
        action,
        "governance.execution_attempt_failed",
        attempt=attempt,
        words={"reason": words},
        code=report.code,
        effect="none",
    )
    action.approval.updated_at = work.now
    if again:
        wait = config.wait_before(attempt + 1)
        await work.enqueue(job(EXECUTE_TASK, action, work=work, after=wait))


async def _succeed(
    work: Work, action: Action, attempt: int, summary: str, *, took_ms: int = 0
) -> None:
    _finish(work, action, "succeeded", summary, ResultState.SUCCEEDED)
    await move(
        work,
        action,
        ApprovalStatus.EXECUTED,
        "governance.execution_succeeded",
        words={"summary": summary},
        attempt=attempt,
        took_ms=took_ms,
    )


async def _fail(
    work: Work, action: Action, attempt: int, code: str, words: str, *, took_ms: int = 0
) -> None:
    if await unknown_attempt(work, action.id) is not None:
        # This attempt had no effect, but an earlier one may have had.
        await give_to_person(work, action, attempt)
        return
    _finish(work, action, code, words, ResultState.FAILED)
    await move(
        work,
        action,
        ApprovalStatus.EXECUTION_FAILED,
        "governance.execution_failed",
        words={"reason": words},
        attempt=attempt,
        code=code,
        took_ms=took_ms,
    )


async def give_to_person(work: Work, action: Action, attempt: int) -> None:
    _finish(work, action, "unknown", UNCLEAR, ResultState.UNKNOWN)
    await move(
        work,
        action,
        ApprovalStatus.EXECUTION_UNKNOWN,
        "governance.execution_unknown",
        attempt=attempt,
    )


def _finish(work: Work, action: Action, code: str, words: str, result: ResultState) -> None:
    action.approval.outcome_code = code
    action.approval.outcome = words
    action.approval.finished_at = work.now
    action.proposal.result_state = result
    action.proposal.result_summary = words


async def unknown_attempt(work: Work, proposal_id: ProposalId) -> ExecutionRow | None:
    attempts = await queries.attempts_of(work, proposal_id)
    return next((one for one in reversed(attempts) if one.state is AttemptState.UNKNOWN), None)


async def _made(work: Work, action: Action) -> int:
    """Attempts made under this approval; those that never started do not count."""
    attempts = await queries.attempts_of(work, action.id)
    mine = [one for one in attempts if one.approval_id == action.approval.id]
    return sum(1 for one in mine if one.started_at is not None)


def may_run(action: Action, approval_id: int) -> bool:
    """Whether this approval, and no later one, is the one that is being carried out."""
    return (
        action.approval.id == approval_id
        and action.approval.status is ApprovalStatus.EXECUTION_PENDING
        and action.proposal.result_state is not ResultState.SUCCEEDED
    )


def check_outcome(word: str) -> bool:
    """``confirmed`` or ``failed`` as a settling person says it.

    Raises:
        Invalid: ``outcome_invalid``.
    """
    if word not in ("confirmed", "failed"):
        raise Invalid("outcome_invalid", "Say `confirmed` (it happened) or `failed` (it did not).")
    return word == "confirmed"
