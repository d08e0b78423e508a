"""Running what was approved: claim, run, record; at most once, whatever dies in between.

Every attempt has a row in the ledger before the tool is called and a token that belongs to the
run that made it. A run that was taken for dead finds its token gone and stands down. What nobody
can know is ``unknown``: it is asked of the target, repeated only by tools that declare this to be
harmless, and otherwise put before a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cairnloop_engine.audit import queries as trail
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.governance import queries
from cairnloop_engine.governance.approvals import TOOL_GONE, bounce, invalidate, lapse
from cairnloop_engine.governance.gates import Blocked, Passed
from cairnloop_engine.governance.hostcode import (
    Outcome,
    Report,
    called_within,
    facts_of,
    summary_of,
    written_in,
)
from cairnloop_engine.governance.model import (
    IN_FLIGHT,
    ApprovalStatus,
    AttemptState,
    GovernanceConfig,
    is_overdue,
    is_riskier,
    is_stricter,
)
from cairnloop_engine.governance.outcomes import (
    WORKER_LOST,
    conclude,
    give_to_person,
    may_run,
    unknown_attempt,
)
from cairnloop_engine.governance.records import (
    EXECUTE_TASK,
    SUBJECT,
    Action,
    job,
    locked,
    move,
    stored_call,
    tell,
)
from cairnloop_engine.governance.tables import ExecutionRow
from cairnloop_engine.governance.tools import Run

# A prepared or started attempt of another job is left alone for this long past the tool's timeout.
GRACE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of the executing job: about which approval, and the token that fences it."""

    proposal_id: ProposalId
    approval_id: int
    job_id: int
    token: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed attempt: the exact input that was checked, and the token that owns the attempt."""

    execution_id: int
    proposal_id: ProposalId
    token: str
    attempt: int
    run_key: str
    passed: Passed
    approved_by: str


async def resume(
    work: Work,
    proposal_id: ProposalId,
    approval_id: int,
    judged: Passed | Blocked | None,
    *,
    config: GovernanceConfig,
) -> bool:
    """Check an approved action again and queue it; False when it does not go on.

    Never calls a tool, and never touches what still waits for a person.
    """
    action = await locked(work, proposal_id)
    if action.approval.id != approval_id or action.approval.status is not ApprovalStatus.APPROVED:
        return False
    passed = await revalidated(work, action, judged, config=config)
    if passed is None:
        return False
    await move(
        work,
        action,
        ApprovalStatus.EXECUTION_PENDING,
        "governance.revalidation_passed",
        digest=action.approval.digest,
    )
    await work.enqueue(job(EXECUTE_TASK, action, work=work))
    return True


async def claim(
    work: Work, turn: Turn, judged: Passed | Blocked | None, *, config: GovernanceConfig
) -> Claim | None:
    """Take the next attempt, after the same checks as ever; None when there is nothing to run."""
    taken = await _taken(work, turn, judged, config=config)
    if taken is None:
        return None
    action, passed, row = taken
    return Claim(
        execution_id=row.id,
        proposal_id=turn.proposal_id,
        token=turn.token,
        attempt=row.attempt,
        run_key=row.run_key,
        passed=passed,
        approved_by=action.approval.decided_by or "",
    )


async def start(work: Work, claimed: Claim) -> bool:
    """Say that the tool is about to be called; False when the attempt is no longer this run's."""
    action = await locked(work, claimed.proposal_id)
    if not await queries.start_attempt(work, claimed.execution_id, claimed.token):
        return False
    await tell(work, action, "governance.execution_started", attempt=claimed.attempt)
    return True


async def record(work: Work, claimed: Claim, report: Report, *, config: GovernanceConfig) -> bool:
    """Write down what became of an attempt; False when it was not this run's to say."""
    action = await locked(work, claimed.proposal_id)
    state = {
        Outcome.CONFIRMED: AttemptState.CONFIRMED,
        Outcome.TRANSIENT: AttemptState.FAILED,
        Outcome.PERMANENT: AttemptState.FAILED,
        Outcome.UNKNOWN: AttemptState.UNKNOWN,
    }[report.outcome]
    mine = await queries.finish_attempt(
        work,
        claimed.execution_id,
        claimed.token,
        state,
        code=report.code,
        summary=summary_of(report),
        facts=facts_of(report.done),
    )
    if not mine:
        row = await queries.attempt(work, claimed.execution_id)
        if row is not None and (row.token, row.state) == (claimed.token, state):
            # The commit of an earlier try had reached the database; only its answer was lost.
            return True
        # Somebody took the attempt away meanwhile. What this run knows helps who settles it.
        await tell(
            work,
            action,
            "governance.late_outcome",
            attempt=claimed.attempt,
            outcome=report.outcome.value,
            code=report.code,
        )
        return False
    await conclude(work, action, claimed.attempt, report, config=config)
    return True


async def perform(
    work: Work,
    turn: Turn,
    judged: Passed | Blocked | None,
    *,
    config: GovernanceConfig,
    failed: Report | None = None,
) -> None:
    """Run a tool whose effect is rows of this database: effect and record commit together.

    The savepoint takes back what a failing tool wrote, so its failure never is unknown.
    ``failed`` records, without a call, an attempt whose own transaction was given up.
    """
    taken = await _taken(work, turn, judged, config=config)
    if taken is None:
        return
    action, passed, row = taken
    row.started_at = work.now
    await tell(work, action, "governance.execution_started", attempt=row.attempt)
    run = Run(row.run_key, row.attempt, passed.asker, action.approval.decided_by or "")
    report = failed or await called_within(work, passed.tool, passed.typed, run)
    confirmed = report.outcome is Outcome.CONFIRMED
    row.state = AttemptState.CONFIRMED if confirmed else AttemptState.FAILED
    row.finished_at = work.now
    row.code = report.code
    row.summary = summary_of(report)
    row.facts = facts_of(report.done)
    await work.session.flush()
    await conclude(work, action, row.attempt, report, config=config)


async def take_over(work: Work, turn: Turn, *, limit: timedelta, config: GovernanceConfig) -> bool:
    """End an attempt whose run is gone; False when it may still be running.

    The same job coming back means that its earlier run was declared dead. Another job's attempt
    is left alone until the tool's own ``limit`` and a grace are over.
    """
    action = await locked(work, turn.proposal_id)
    if not may_run(action, turn.approval_id):
        return False
    attempts = await queries.attempts_of(work, turn.proposal_id)
    flying = next((one for one in attempts if one.state in IN_FLIGHT), None)
    if flying is None:
        return True
    began = flying.started_at or flying.prepared_at
    if flying.job_id != turn.job_id and work.now < began + limit + GRACE:
        return False
    # The tool is called only after "started" was committed: before that, nothing happened.
    report = Report(Outcome.TRANSIENT, "never_started", words="Its worker died before it ran.")
    ended = AttemptState.FAILED
    if flying.state is AttemptState.STARTED:
        report = Report(Outcome.UNKNOWN, WORKER_LOST, words="Its worker died while it ran.")
        ended = AttemptState.UNKNOWN
    await queries.finish_attempt(
        work, flying.id, None, ended, code=report.code, summary=report.words, facts={}
    )
    await conclude(work, action, flying.attempt, report, config=config, again=False)
    return True


async def revalidated(
    work: Work, action: Action, judged: Passed | Blocked | None, *, config: GovernanceConfig
) -> Passed | None:
    """None when the action must not run as it stands; what follows from that is written."""
    overdue = is_overdue(action.approval.expires_at, work.now)
    stored = stored_call(action.proposal)
    tampered = stored.digest != action.approval.digest or not await _is_recorded(work, action)
    if isinstance(judged, Passed) and not (overdue or tampered) and _is_as_approved(action, judged):
        return judged
    unknown = await unknown_attempt(work, action.id)
    if unknown is not None:
        # An earlier attempt may have had its effect: that must not be lost in another state.
        await give_to_person(work, action, unknown.attempt)
    elif overdue:
        await lapse(work, action)
    elif tampered:
        anew = judged if isinstance(judged, Passed) else None
        await bounce(work, action, stored, config=config, judged=anew)
    elif judged is None:
        await invalidate(work, action, TOOL_GONE)
    elif isinstance(judged, Blocked):
        await invalidate(work, action, judged.reason)
    else:
        await bounce(work, action, judged.call, config=config, judged=judged)
    return None


def _is_as_approved(action: Action, judged: Passed) -> bool:
    """Whether what would run now is what was approved, under rules that are not stricter."""
    then = action.proposal
    return (
        judged.call.digest == action.approval.digest
        and not is_stricter(judged.resolution.mode, then.approval_mode)
        and not is_riskier(judged.tool.spec.risk_tier, then.risk_tier)
    )


async def _is_recorded(work: Work, action: Action) -> bool:
    """Whether the trail tells of the decision that this approval claims, about this very call.

    Whoever rewrites proposal and approval alike would have to forge an event of the sealed trail.
    """
    return await trail.tells(
        work,
        "governance.approved",
        subject=(SUBJECT, action.id),
        facts={"approval_id": action.approval.id, "digest": action.approval.digest},
    )


async def _taken(
    work: Work, turn: Turn, judged: Passed | Blocked | None, *, config: GovernanceConfig
) -> tuple[Action, Passed, ExecutionRow] | None:
    """The next attempt, prepared in the ledger; None when there is nothing to run."""
    beside = written_in(judged.tool, judged.typed) if isinstance(judged, Passed) else ()
    action = await locked(work, turn.proposal_id, beside=beside)
    if not may_run(action, turn.approval_id):
        return None
    attempts = await queries.attempts_of(work, turn.proposal_id)
    if any(one.state in IN_FLIGHT or one.state is AttemptState.CONFIRMED for one in attempts):
        # One at a time; and what the ledger knows to have happened is used up for good.
        return None
    passed = await revalidated(work, action, judged, config=config)
    if passed is None:
        return None
    row = ExecutionRow(
        workspace=work.workspace,
        proposal_id=action.proposal.id,
        approval_id=action.approval.id,
        attempt=len(attempts) + 1,
        run_key=attempts[0].run_key if attempts else action.run_key,
        digest=action.approval.digest,
        state=AttemptState.PREPARED,
        token=turn.token,
        job_id=turn.job_id,
        facts={},
        prepared_at=work.now,
    )
    work.session.add(row)
    action.proposal.attempts = row.attempt
    action.approval.updated_at = work.now
    await work.session.flush()
    return action, passed, row
