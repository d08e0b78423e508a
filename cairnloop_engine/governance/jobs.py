"""The jobs of governed actions: check again, run, expire, open again, and find what is stranded.

Host code is called only here and in the gates, never with a transaction open: claim, call, record.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.errors import Refused, Unavailable
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.core.jobs import JobContext, Queues, TaskSpec
from cairnloop_engine.governance import approvals, execution, hostcode, outcomes, queries
from cairnloop_engine.governance.execution import Claim, Turn
from cairnloop_engine.governance.gates import Blocked, Gates, Passed
from cairnloop_engine.governance.hostcode import Outcome, Report
from cairnloop_engine.governance.model import (
    IN_FLIGHT,
    ApprovalStatus,
    AttemptState,
    GovernanceConfig,
)
from cairnloop_engine.governance.records import (
    EXECUTE_TASK,
    EXPIRE_TASK,
    REOPEN_TASK,
    RESUME_TASK,
    Action,
    stored_call,
    wish_of,
)
from cairnloop_engine.governance.tables import ApprovalRow, ProposalRow
from cairnloop_engine.governance.tools import Run, Tool

log = logging.getLogger(__name__)

EXECUTOR = "governance"
# A worker that was frozen for longer than this between claim and call does not call any more.
FRESH = 10.0
# How long a run that knows its outcome waits for a database that is away: giving up earlier
# would turn what is known into an unknown that a person has to settle.
RECORDING_S = 600.0
# What a run needs beside the tool itself: checks before, recording through an outage after.
AROUND = timedelta(seconds=RECORDING_S + 60)
# Beside the tool's own limit, what waiting for locks may take inside one transaction.
WAITING = timedelta(seconds=15)


def tasks(db: Database, gates: Gates, config: GovernanceConfig) -> list[TaskSpec]:
    """The slice's tasks. Retries of an effect belong to its ledger, never to the queue."""
    runner = Runner(db, gates, config)
    longest = max((tool.spec.timeout for tool in gates.registry), default=timedelta(0))
    cap = longest * 2 + AROUND
    return [
        TaskSpec(RESUME_TASK, Queues.EFFECTS, runner.resume),
        TaskSpec(EXECUTE_TASK, Queues.EFFECTS, runner.execute, hard_cap=cap, retries=0),
        TaskSpec(EXPIRE_TASK, Queues.MAINTENANCE, runner.expire),
        TaskSpec(REOPEN_TASK, Queues.MAINTENANCE, runner.reopen),
    ]


@dataclass(frozen=True, slots=True)
class Found:
    """The action as a job found it."""

    proposal: ProposalRow
    approval: ApprovalRow
    tool: Tool[Any] | None
    in_flight: bool
    unknown: bool
    run_key: str
    attempts_made: int

    @property
    def tampered(self) -> bool:
        """Whether its rows are not what was approved, whoever wrote them."""
        return stored_call(self.proposal).digest != self.approval.digest


@dataclass(frozen=True, slots=True)
class Runner:
    """Carries approved actions out."""

    db: Database
    gates: Gates
    config: GovernanceConfig

    async def resume(self, job: JobContext) -> None:
        """Check an approved action again and queue its execution."""
        found = await self._found(job)
        if found is None or found.approval.status is not ApprovalStatus.APPROVED:
            return
        proposal_id, approval_id = _ids(job)
        judged = await self._judged(found)
        await self.db.retrying(
            _caller(job),
            lambda work: execution.resume(
                work, proposal_id, approval_id, judged, config=self.config
            ),
        )

    async def execute(self, job: JobContext) -> None:
        """Bring about the effect of one approved action, or find out what became of it."""
        proposal_id, approval_id = _ids(job)
        turn = Turn(proposal_id, approval_id, job.job_id, secrets.token_hex(16))
        found = await self._found(job)
        if found is None or found.approval.status is not ApprovalStatus.EXECUTION_PENDING:
            return
        if found.in_flight:
            if not await self._take_over(job, turn, found):
                return
            found = await self._found(job)
        if found is None or (found.unknown and not await self._may_repeat(job, found)):
            return
        judged = await self._judged(found)
        if found.tool is not None and found.tool.spec.transactional:
            await self._within(job, turn, judged, found.tool.spec.timeout + WAITING)
        else:
            await self._outside(job, turn, judged)

    async def expire(self, job: JobContext) -> None:
        """End the approval if nobody decided; its date may have moved on meanwhile."""
        await self.db.retrying(_caller(job), lambda work: approvals.expire(work, _ids(job)[0]))

    async def reopen(self, job: JobContext) -> None:
        """Bring a deferred action back."""
        await self.open_again(_caller(job), _ids(job)[0])

    async def open_again(self, caller: Caller, proposal_id: ProposalId) -> None:
        """Open a fresh approval of a deferred action whose moment has come."""
        async with self.db.read(caller) as read:
            proposal = await queries.proposal(read, proposal_id)
            newest = await queries.latest_approval(read, proposal_id)
        if proposal is None or newest is None or newest.status is not ApprovalStatus.DEFERRED:
            return
        if newest.defer_until is None or newest.defer_until > self.db.clock.now():
            return
        judged = await self.gates.judge(wish_of(proposal))
        if not isinstance(judged, Passed):
            reason = approvals.TOOL_GONE if judged is None else judged.reason
            await self.db.retrying(
                caller, lambda work: approvals.end_deferral(work, proposal_id, reason)
            )
            return
        await self.db.retrying(
            caller,
            lambda work: approvals.reopen(
                work,
                proposal_id,
                judged,
                config=self.config,
                only=frozenset({ApprovalStatus.DEFERRED}),
            ),
        )

    async def _found(self, job: JobContext) -> Found | None:
        """The action as it stands; None when it moved on."""
        proposal_id, approval_id = _ids(job)
        async with self.db.read(_caller(job)) as read:
            proposal = await queries.proposal(read, proposal_id)
            newest = await queries.latest_approval(read, proposal_id)
            attempts = await queries.attempts_of(read, proposal_id)
        if proposal is None or newest is None or newest.id != approval_id:
            return None
        return Found(
            proposal=proposal,
            approval=newest,
            tool=self.gates.registry.find(proposal.tool_ref),
            in_flight=any(one.state in IN_FLIGHT for one in attempts),
            unknown=any(one.state is AttemptState.UNKNOWN for one in attempts),
            run_key=attempts[0].run_key if attempts else Action(proposal, newest).run_key,
            attempts_made=sum(
                1
                for one in attempts
                if one.approval_id == approval_id and one.started_at is not None
            ),
        )

    async def _judged(self, found: Found) -> Passed | Blocked | None:
        """What the gates say now: asked right before it matters, with nothing left to wait for."""
        try:
            return await self.gates.judge(wish_of(found.proposal))
        except Refused:
            if found.tampered:
                # Nobody could have proposed this; a person is to see it all the same.
                return None
            raise

    async def _take_over(self, job: JobContext, turn: Turn, found: Found) -> bool:
        limit = self._longest() if found.tool is None else found.tool.spec.timeout
        return await self.db.retrying(
            _caller(job),
            lambda work: execution.take_over(work, turn, limit=limit, config=self.config),
        )

    async def _may_repeat(self, job: JobContext, found: Found) -> bool:
        """Whether an unknown outcome allows another attempt; otherwise what follows is written."""
        proposal_id, approval_id = _ids(job)
        tool = found.tool
        if tool is not None and tool.spec.reconciles:
            answer = await hostcode.traced(tool, found.run_key)
            return await self.db.retrying(
                _caller(job),
                lambda work: outcomes.reconciled(
                    work,
                    proposal_id,
                    approval_id,
                    answer,
                    repeatable=tool.spec.idempotent,
                    config=self.config,
                ),
            )
        harmless = tool is not None and tool.spec.idempotent
        if harmless and found.attempts_made < self.config.attempts:
            return True
        await self.db.retrying(
            _caller(job), lambda work: outcomes.give_up(work, proposal_id, approval_id)
        )
        return False

    async def _within(
        self, job: JobContext, turn: Turn, judged: Passed | Blocked | None, limit: timedelta
    ) -> None:
        """Effect and record in one transaction: both or neither."""

        async def run(work: Work, failed: Report | None = None) -> None:
            await execution.perform(work, turn, judged, config=self.config, failed=failed)
            crashpoint("governance.within_before_commit")

        try:
            async with asyncio.timeout(limit.total_seconds()):
                await self.db.retrying(_caller(job), run)
        except TimeoutError:
            # The transaction is rolled back, so this attempt had no effect; unless it had just
            # been committed, and then there is nothing left to run.
            late = Report(Outcome.TRANSIENT, "timeout", words="The tool took too long.")
            await self.db.retrying(_caller(job), lambda work: run(work, late))
        crashpoint("governance.within_after_commit")

    async def _outside(self, job: JobContext, turn: Turn, judged: Passed | Blocked | None) -> None:
        """Claim, call, record: three transactions with nothing locked during the call."""
        caller = _caller(job)
        crashpoint("governance.before_claim")
        claimed = await self.db.retrying(
            caller,
            lambda work: execution.claim(work, turn, judged, config=self.config),
        )
        if claimed is None:
            return
        claimed_at = time.monotonic()
        crashpoint("governance.prepared")
        if not await self.db.retrying(caller, lambda work: execution.start(work, claimed)):
            log.warning("stood down: the attempt was taken away", extra={"job": job.job_id})
            return
        crashpoint("governance.started")
        report = await self._called(claimed, since=claimed_at)
        crashpoint("governance.before_record")
        await _to_the_end(self._recorded(caller, claimed, report))
        crashpoint("governance.recorded")

    async def _called(self, claimed: Claim, *, since: float) -> Report:
        if time.monotonic() - since > FRESH:
            # This process stood still; somebody may have taken the attempt for lost.
            return Report(Outcome.TRANSIENT, "not_called", words="The worker stood still too long.")
        passed = claimed.passed
        run = Run(claimed.run_key, claimed.attempt, passed.asker, claimed.approved_by)
        began = time.monotonic()
        report = await hostcode.called(passed.tool, passed.typed, run)
        return replace(report, took_ms=int((time.monotonic() - began) * 1000))

    async def _recorded(self, caller: Caller, claimed: Claim, report: Report) -> None:
        """Write the outcome down, waiting out a short absence of the database."""
        until = time.monotonic() + RECORDING_S
        pause = 0.2

        async def write(work: Work) -> bool:
            mine = await execution.record(work, claimed, report, config=self.config)
            crashpoint("governance.before_record_commit")
            return mine

        while True:
            try:
                if not await self.db.retrying(caller, write):
                    log.warning("stood down: the outcome was not this run's to say")
                return
            except Unavailable:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 3.0)

    def _longest(self) -> timedelta:
        return max((tool.spec.timeout for tool in self.gates.registry), default=timedelta(0))


async def _to_the_end(recording: Coroutine[Any, Any, None]) -> None:
    """Write down what is known of an effect, also when the run is cancelled meanwhile.

    A worker that stood still and thaws is told at once that its run was taken away. What its tool
    answered is worth the more to whoever settles the action.
    """
    task = asyncio.create_task(recording)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _ids(job: JobContext) -> tuple[ProposalId, int]:
    return ProposalId(job.integer("proposal_id")), job.integer("approval_id")


def _caller(job: JobContext) -> Caller:
    return Caller.system(EXECUTOR, job.workspace)
