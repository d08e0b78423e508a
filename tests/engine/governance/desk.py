"""A support desk with counted tools, rights that can change, and a worker that a test steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from sqlalchemy import text

from cairnloop_engine import Actor, Caller, Engine, Settings
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.core.jobs import JobContext
from cairnloop_engine.governance.jobs import Runner
from cairnloop_engine.governance.model import ApprovalStatus
from cairnloop_engine.governance.ports import DecisionAsked
from cairnloop_engine.governance.proposals import Proposed
from cairnloop_engine.governance.sweeping import Reconciler
from cairnloop_engine.governance.views import ActionView
from cairnloop_engine.wiring import HostParts
from tests.engine.governance.tools import Ledger
from tests.fakes import FixedClock

MAYA, NOAH = Caller.operator("maya"), Caller.operator("noah")
REFUND: JsonObject = {"order": "A-17", "amount": "82.00"}


@dataclass(slots=True)
class Rights:
    """An identity provider whose answers a test changes."""

    held: set[str] = field(default_factory=lambda: {"billing"})
    deciders: set[str] | None = None
    away: bool = False

    async def scopes(self, actor: Actor, workspace: str) -> Collection[str]:
        if self.away:
            raise ConnectionError("the directory does not answer")
        return set(self.held)

    async def may_decide(self, operator: Actor, asked: DecisionAsked) -> bool:
        return self.deciders is None or operator.id in self.deciders


@dataclass(slots=True)
class Desk:
    """What the tests of governed actions work with."""

    engine: Engine
    clock: FixedClock
    ledger: Ledger
    rights: Rights
    caller: Caller = MAYA
    approver: Caller = NOAH
    engines: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def restart(self, tools: Sequence[object], **settings: object) -> None:
        """Go on with a new release of the host: other tools, other settings, the same rows."""
        kept = self.engine.settings.model_dump(exclude_unset=True)
        engine = Engine(
            Settings.load(**{**kept, **settings}),
            clock=self.clock,
            host=HostParts(identity_provider=self.rights, tools=tools),
        )
        self.engine = await self.engines.enter_async_context(engine)

    async def propose(
        self,
        tool: str = "refund",
        given: JsonObject | None = None,
        *,
        caller: Caller | None = None,
        conversation_id: ConversationId | None = None,
        key: str | None = None,
    ) -> Proposed:
        return await self.engine.governance.propose(
            caller or self.caller,
            tool,
            dict(REFUND) if given is None else given,
            conversation_id=conversation_id,
            idempotency_key=key,
        )

    async def approved(self, tool: str = "refund", given: JsonObject | None = None) -> ProposalId:
        """A fresh action that the second operator has approved; nothing ran yet."""
        made = await self.propose(tool, given)
        await self.engine.governance.approve(self.approver, made.proposal_id)
        return made.proposal_id

    async def work(self) -> None:
        """Run every job that is due, as a worker does."""
        await self.engine.run_worker(queues=["effects", "maintenance"], drain=True)

    async def sweep(self) -> None:
        """What a worker does every few seconds for actions that nobody takes further."""
        runner = self.runner
        await Reconciler(runner.db, runner).sweep()

    @property
    def runner(self) -> Runner:
        governance = self.engine.governance
        return Runner(self.engine.db, governance.gates, governance.config)

    async def run_job(
        self,
        task: str,
        proposal_id: ProposalId,
        approval_id: int | None,
        *,
        job_id: int = 1_000_000,
    ) -> None:
        """Run one of the slice's jobs as a worker that was given it."""
        args: JsonObject = {
            "workspace": "default",
            "proposal_id": proposal_id,
            "approval_id": approval_id,
        }
        await getattr(self.runner, task)(JobContext(args, job_id, 1))

    async def view(self, proposal_id: ProposalId) -> ActionView:
        return await self.engine.governance.action(self.caller, proposal_id)

    async def status(self, proposal_id: ProposalId) -> ApprovalStatus | None:
        return (await self.view(proposal_id)).row.approval_status

    async def trail(self, proposal_id: ProposalId) -> list[str]:
        """The events of an action, oldest first, without the slice's name."""
        page = await self.engine.audit.events(
            self.caller, filter=AuditFilter(subject=("action", proposal_id)), limit=100
        )
        return [event.action.removeprefix("governance.") for event in reversed(page.items)]

    async def sql(self, statement: str, **values: object) -> None:
        """What somebody with a database client could do."""
        async with self.engine.db.work(Caller.system("superuser")) as work:
            await work.session.execute(text(statement), values)

    async def rows(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        async with self.engine.db.read(self.caller) as read:
            found = await read.session.execute(text(statement), values)
            return [tuple(row) for row in found]

    async def conversation(self, text: str = "Where is my refund?") -> ConversationId:
        made = await self.engine.conversations.ingest(
            Caller.customer("cust-1"), customer_ref="cust-1", text=text
        )
        return made.conversation_id
