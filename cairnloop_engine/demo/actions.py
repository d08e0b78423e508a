"""Lives through the governed actions of the story: proposed, decided by a colleague, run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.errors import Blocked
from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.demo.billing import BillingClient
from cairnloop_engine.demo.clock import StoryClock
from cairnloop_engine.demo.patience import until
from cairnloop_engine.demo.scenario import ActionEnd, ActionSeed
from cairnloop_engine.demo.sink import Mode
from cairnloop_engine.engine import Engine
from cairnloop_engine.governance.model import ApprovalStatus

DECIDED_AFTER = timedelta(seconds=90)
RUN_AFTER = timedelta(seconds=95)
UNDER_WAY = frozenset({ApprovalStatus.APPROVED, ApprovalStatus.EXECUTION_PENDING})


@dataclass(frozen=True, slots=True)
class Acting:
    """Every step of it looks first whether it is done: an interrupted load goes on anywhere."""

    engine: Engine
    clock: StoryClock
    operator: Caller
    colleague: Caller

    async def act(
        self, seed: ActionSeed, conversation_id: ConversationId, *, key: str, at: datetime
    ) -> None:
        """Bring one action to its end; ``key`` names it for good."""
        proposal_id = await self._proposed(seed, conversation_id, key)
        if proposal_id is None or seed.ends is ActionEnd.PENDING:
            return
        if await self._status(proposal_id) is ApprovalStatus.PENDING:
            self.clock.set(at + DECIDED_AFTER)
            await self._decide(seed, proposal_id)
        if seed.ends.runs:
            self.clock.set(at + RUN_AFTER)
            await self._run(seed, proposal_id)

    async def _proposed(
        self, seed: ActionSeed, conversation_id: ConversationId, key: str
    ) -> ProposalId | None:
        """The action; None when it was blocked, as the story wants it."""
        try:
            made = await self.engine.governance.propose(
                self.operator,
                seed.tool,
                seed.given(conversation_id),
                conversation_id=conversation_id,
                idempotency_key=key,
            )
        except Blocked:
            if seed.ends is ActionEnd.BLOCKED:
                return None
            raise
        return made.proposal_id

    async def _decide(self, seed: ActionSeed, proposal_id: ProposalId) -> None:
        governance = self.engine.governance
        match seed.ends:
            case ActionEnd.REJECTED:
                await governance.reject(self.colleague, proposal_id, reason=seed.reason)
            case ActionEnd.DEFERRED:
                await governance.defer(self.colleague, proposal_id, reason=seed.reason)
            case _:
                await governance.approve(self.colleague, proposal_id, note=seed.reason)

    async def _run(self, seed: ActionSeed, proposal_id: ProposalId) -> None:
        """Let the jobs of the action run, as a worker does, in the weather that the story has."""

        async def over() -> bool:
            return await self._status(proposal_id) not in UNDER_WAY

        async def work() -> None:
            await self.engine.run_worker(queues=[Queues.EFFECTS], drain=True)

        if not await over():
            await self._order_weather(seed)
        with _quietly():
            await until(over, retry=work, what="an action")

    async def _order_weather(self, seed: ActionSeed) -> None:
        url = self.engine.settings.demo_billing_url
        if url is None or seed.ends is ActionEnd.EXECUTED:
            return
        # What broke off halfway is unknown; what billing refuses has failed.
        mode = Mode.DROP_AFTER if seed.ends is ActionEnd.UNKNOWN else Mode.REFUSE
        await BillingClient(url).order_weather(mode, kind=seed.tool, status=422)

    async def _status(self, proposal_id: ProposalId) -> ApprovalStatus | None:
        return (await self.engine.governance.action(self.operator, proposal_id)).row.approval_status


@contextmanager
def _quietly() -> Iterator[None]:
    """The trouble that the story has with billing is no news to whoever loads it."""
    log = logging.getLogger("cairnloop_engine.governance")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
