"""Finding every action that nobody is going to take further, and taking it further."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.core.jobs import Sweep
from cairnloop_engine.governance import approvals, queries
from cairnloop_engine.governance.gates import Gates
from cairnloop_engine.governance.jobs import EXECUTOR, Runner
from cairnloop_engine.governance.model import ApprovalStatus, GovernanceConfig
from cairnloop_engine.governance.records import EXECUTE_TASK, RESUME_TASK, Action, job

log = logging.getLogger(__name__)

SWEEP_EVERY = timedelta(seconds=10)
# A job enqueued by a committed transaction is visible at once; this spares what has just moved.
QUIET = timedelta(seconds=5)
MOST_SWEPT = 200


def sweeps(db: Database, gates: Gates, config: GovernanceConfig) -> list[Sweep]:
    """What keeps every action moving, also when its job was lost."""
    reconciler = Reconciler(db, Runner(db, gates, config))
    return [Sweep("find stranded actions", SWEEP_EVERY, reconciler.sweep)]


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Finds every action that nobody is going to take further, and takes it further."""

    db: Database
    runner: Runner

    async def sweep(self) -> None:
        """Expire what is overdue, bring back what was deferred, queue again what lost its job."""
        now = self.db.clock.now()
        async with self.db.read(Caller.system(EXECUTOR)) as read:
            overdue = await queries.overdue(read, MOST_SWEPT)
            due = await queries.due_again(read, MOST_SWEPT)
            lost = [
                (task, row)
                for task, status in (
                    (RESUME_TASK, ApprovalStatus.APPROVED),
                    (EXECUTE_TASK, ApprovalStatus.EXECUTION_PENDING),
                )
                for row in await queries.stranded(
                    read, status, task=task, quiet_since=now - QUIET, limit=MOST_SWEPT
                )
            ]
        for workspace, proposal_id in overdue:
            await self._each(workspace, proposal_id, self._expire)
        for workspace, proposal_id in due:
            await self._each(workspace, proposal_id, self.runner.open_again)
        for task, (workspace, approval_id, proposal_id) in lost:
            await self._queue_again(task, workspace, approval_id, proposal_id)

    async def _each(
        self,
        workspace: str,
        proposal_id: int,
        duty: Callable[[Caller, ProposalId], Awaitable[object]],
    ) -> None:
        """One action; trouble with it must not stop the others."""
        try:
            await duty(Caller.system(EXECUTOR, workspace), ProposalId(proposal_id))
        except Exception as error:
            log.warning(
                "an action could not be moved on",
                extra={"proposal": proposal_id, "error": type(error).__name__},
            )

    async def _expire(self, caller: Caller, proposal_id: ProposalId) -> None:
        await self.db.retrying(caller, lambda work: approvals.expire(work, proposal_id))

    async def _queue_again(
        self, task: str, workspace: str, approval_id: int, proposal_id: int
    ) -> None:
        async def again(work: Work) -> None:
            newest = await queries.latest_approval(work, ProposalId(proposal_id), lock=True)
            proposal = await queries.proposal(work, ProposalId(proposal_id))
            # Under the lock: two sweeps must not both queue it, and it may have moved on.
            if newest is None or proposal is None or newest.id != approval_id:
                return
            if newest.updated_at > work.now - QUIET:
                return
            newest.updated_at = work.now
            await work.enqueue(job(task, Action(proposal, newest), work=work))

        log.warning("queued an action again", extra={"approval": approval_id, "task": task})
        await self.db.retrying(Caller.system(EXECUTOR, workspace), again)
