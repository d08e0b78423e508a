"""Actions under any order of events, beside a tiny model of what each event may do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cairnloop_engine import CairnloopError, Engine, Settings
from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.governance.model import ACTIVE, LIVE, REOPENABLE, WAITING
from cairnloop_engine.governance.model import ApprovalStatus as S
from cairnloop_engine.governance.tools import Permanent, Transient
from cairnloop_engine.wiring import HostParts
from tests.engine.governance.desk import MAYA, NOAH, Desk, Rights
from tests.engine.governance.tools import Ledger, Refund
from tests.fakes import FixedClock

# About 25 seconds on a small machine.
EXAMPLES, STEPS = 8, 20
TTL = timedelta(hours=48)
ATTEMPTS = 3
PICK = st.integers(0, 5)
OUTCOMES = st.sampled_from(["done", "transient", "permanent", "lost", "done and lost"])


@dataclass
class Model:
    """What an action is believed to be, by the rules alone."""

    order: int
    expires_at: datetime
    status: S = S.PENDING
    approvals: int = 1
    tampered: bool = False
    unknown: bool = False
    failed_attempts: int = 0
    trail: list[str] = field(default_factory=lambda: ["proposed", "approval_requested"])

    def becomes(self, status: S, event: str) -> None:
        self.status = status
        self.trail.append(event)

    def opens_again(self, event: str, now: datetime) -> None:
        """A fresh approval of what the rows say now."""
        self.becomes(S.PENDING, event)
        self.trail.append("approval_requested")
        self.approvals += 1
        self.tampered = False
        self.failed_attempts = 0
        self.expires_at = now + TTL


class Actions(RuleBasedStateMachine):
    """Each rule does one thing to the product and to the model; both have to agree."""

    def __init__(self, desk: Desk, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        super().__init__()
        self.desk = desk
        self.run = run
        self.models: dict[ProposalId, Model] = {}
        self.conversation = ConversationId(0)
        self.amount = 100
        desk.rights.held = {"billing"}
        desk.ledger.troubles.clear()

    @initialize()
    def open_conversation(self) -> None:
        """Every example has one of its own, so that it does not see what others left."""
        made = self.run(
            self.desk.engine.conversations.ingest(
                MAYA, customer_ref="cust-1", text="Hello", start_new=True
            )
        )
        self.conversation = made.conversation_id
        for order in range(3):
            self.propose(order)

    @property
    def now(self) -> datetime:
        return self.desk.clock.now()

    def picked(self, pick: int) -> tuple[ProposalId, Model] | None:
        if not self.models:
            return None
        found = list(self.models)[pick % len(self.models)]
        return found, self.models[found]

    def attempt(self, doing: Coroutine[Any, Any, Any]) -> str:
        """What came of it: the code of the refusal, or ``done``."""

        async def tried() -> str:
            try:
                await doing
            except CairnloopError as refusal:
                return refusal.code
            return "done"

        return str(self.run(tried()))

    def decided(self, model: Model) -> str | None:
        """Why no decision can be made; None when one can."""
        if model.status is not S.PENDING:
            return "already_decided"
        if model.expires_at < self.now:
            model.becomes(S.EXPIRED, "expired")
            return "approval_expired"
        return None

    @rule(pick=PICK, outcome=OUTCOMES)
    def forward(self, pick: int, outcome: str) -> None:
        """What usually comes next, so that examples get far."""
        found = self.picked(pick)
        status = None if found is None else found[1].status
        if status is S.PENDING:
            self.approve(pick)
        elif status is S.APPROVED:
            self.check(pick)
        elif status is S.EXECUTION_PENDING:
            self.execute(pick, outcome)
        elif status in REOPENABLE:
            self.open_again(pick, "reopen")

    @rule(pick=PICK, outcome=OUTCOMES)
    def onward(self, pick: int, outcome: str) -> None:
        for _ in range(3):
            self.forward(pick, outcome)

    @rule(order=st.integers(0, 2))
    def propose(self, order: int) -> None:
        given = {"order": f"{self.conversation}-{order}", "amount": "82.00"}

        async def proposed() -> Any:
            return await self.desk.propose(given=given, conversation_id=self.conversation)

        if not self.desk.rights.held:
            assert self.attempt(proposed()) == "scope_invalid"
            return
        made = self.run(proposed())
        live = [a for a, m in self.models.items() if m.order == order and m.status in LIVE]
        assert made.duplicate == bool(live)
        if live:
            assert made.proposal_id == live[0]
        else:
            self.models[made.proposal_id] = Model(order, self.now + TTL)

    @rule(pick=PICK)
    def approve(self, pick: int) -> None:
        if (found := self.picked(pick)) is None:
            return
        action, model = found
        code = self.attempt(self.desk.engine.governance.approve(NOAH, action))
        if (refused := self.decided(model)) is not None:
            assert code == refused
        elif model.tampered:
            assert code == "digest_mismatch"
            model.opens_again("digest_mismatch", self.now)
        else:
            assert code == "done"
            model.becomes(S.APPROVED, "approved")

    @rule(pick=PICK, how=st.sampled_from(["reject", "defer", "ask_back"]))
    def refuse(self, pick: int, how: str) -> None:
        if (found := self.picked(pick)) is None:
            return
        action, model = found
        words = {"question" if how == "ask_back" else "reason": "Because."}
        code = self.attempt(getattr(self.desk.engine.governance, how)(NOAH, action, **words))
        if (refused := self.decided(model)) is not None:
            assert code == refused
            return
        assert code == "done"
        status = {"reject": S.REJECTED, "defer": S.DEFERRED, "ask_back": S.RETURNED}[how]
        model.becomes(status, status.value)

    @rule(pick=PICK, how=st.sampled_from(["reopen", "answer"]))
    def open_again(self, pick: int, how: str) -> None:
        if (found := self.picked(pick)) is None:
            return
        action, model = found
        words = {"answer": "So."} if how == "answer" else {}
        code = self.attempt(getattr(self.desk.engine.governance, how)(MAYA, action, **words))
        rivals = any(
            other.order == model.order and other.status in LIVE and other is not model
            for other in self.models.values()
        )
        if not self.desk.rights.held:
            assert code == "scope_invalid"
        elif model.status not in (REOPENABLE if how == "reopen" else {S.RETURNED}):
            assert code == "not_reopenable"
        elif rivals:
            assert code == "already_proposed"
        else:
            assert code == "done"
            model.opens_again("reopened" if how == "reopen" else "answered", self.now)

    @rule(pick=PICK)
    def check(self, pick: int) -> None:
        """The worker checks an approved action again."""
        if (found := self.picked(pick)) is None:
            return
        action, model = found
        self.run(self.work("resume", action))
        if model.status is S.APPROVED and self.passes(model):
            model.becomes(S.EXECUTION_PENDING, "revalidation_passed")

    @rule(pick=PICK, outcome=OUTCOMES)
    def execute(self, pick: int, outcome: str) -> None:
        if (found := self.picked(pick)) is None:
            return
        action, model = found
        calls = len(self.desk.ledger.calls)
        self.trouble(outcome)
        self.run(self.work("execute", action))
        self.desk.ledger.troubles.clear()
        if model.status is not S.EXECUTION_PENDING:
            assert len(self.desk.ledger.calls) == calls
        elif model.unknown:
            assert len(self.desk.ledger.calls) == calls
            model.becomes(S.EXECUTION_UNKNOWN, "execution_unknown")
        elif self.passes(model):
            assert len(self.desk.ledger.calls) == calls + 1
            model.trail.append("execution_started")
            self.follow(model, outcome)

    def follow(self, model: Model, outcome: str) -> None:
        if outcome == "done":
            model.becomes(S.EXECUTED, "execution_succeeded")
        elif outcome == "permanent":
            model.becomes(S.EXECUTION_FAILED, "execution_failed")
        elif outcome == "transient":
            model.failed_attempts += 1
            if model.failed_attempts == ATTEMPTS:
                model.becomes(S.EXECUTION_FAILED, "execution_failed")
            else:
                model.trail.append("execution_attempt_failed")
        else:
            model.unknown = True
            model.trail.append("execution_attempt_failed")

    def passes(self, model: Model) -> bool:
        """Whether an approved action may go on; what follows from a no is noted."""
        if model.expires_at < self.now:
            model.becomes(S.EXPIRED, "expired")
        elif model.tampered:
            model.opens_again("digest_mismatch", self.now)
        elif not self.desk.rights.held:
            model.becomes(S.INVALIDATED, "revalidation_failed")
        else:
            return True
        return False

    def trouble(self, outcome: str) -> None:
        ledger = self.desk.ledger

        async def happens_and_is_lost() -> None:
            ledger.effects.append((ledger.calls[-1].run_key, "lost"))
            raise ConnectionResetError

        errors = {"transient": Transient(), "permanent": Permanent(), "lost": TimeoutError()}
        if outcome in errors:
            ledger.fail(errors[outcome])
        elif outcome != "done":
            ledger.troubles.append(happens_and_is_lost)

    async def work(self, task: str, action: ProposalId) -> None:
        view = await self.desk.view(action)
        await self.desk.run_job(task, action, view.row.approval_id)

    @rule(pick=PICK, outcome=st.sampled_from(["confirmed", "failed"]))
    def settle(self, pick: int, outcome: str) -> None:
        if (found := self.picked(pick)) is None:
            return
        action, model = found
        code = self.attempt(
            self.desk.engine.governance.settle(MAYA, action, outcome=outcome, note="Looked.")
        )
        if model.status is not S.EXECUTION_UNKNOWN:
            assert code == "not_unknown"
            return
        assert code == "done"
        model.becomes(S.EXECUTED if outcome == "confirmed" else S.EXECUTION_FAILED, "settled")

    @rule(pick=PICK)
    def tamper(self, pick: int) -> None:
        """Somebody with a database client changes what was proposed."""
        if (found := self.picked(pick)) is None:
            return
        action, model = found
        self.amount += 1
        self.run(
            self.desk.sql(
                "UPDATE cairnloop.tool_proposals SET input_snapshot = jsonb_set(input_snapshot,"
                " '{amount}', to_jsonb(CAST(:amount AS text))) WHERE id = :id",
                amount=f"{self.amount}.00",
                id=action,
            )
        )
        model.tampered = True

    @rule()
    def sweep(self) -> None:
        self.run(self.desk.sweep())
        for model in self.models.values():
            if model.status is S.PENDING and model.expires_at < self.now:
                model.becomes(S.EXPIRED, "expired")

    @rule(hours=st.sampled_from([1, 30]))
    def wait(self, hours: int) -> None:
        self.desk.clock.advance(timedelta(hours=hours))

    @rule()
    def change_rights(self) -> None:
        self.desk.rights.held = set() if self.desk.rights.held else {"billing"}

    @invariant()
    def the_rows_agree_with_the_model(self) -> None:
        if not self.models:
            return
        for action, model in self.models.items():
            view = self.run(self.desk.view(action))
            assert view.row.approval_status is model.status
            assert len(view.approvals) == model.approvals
            assert sum(one.status in ACTIVE for one in view.approvals) <= 1
            trail = [event.event.removeprefix("governance.") for event in view.history]
            assert trail == model.trail
        broken = self.run(self.desk.rows(_NOT_LIVE_AS_IT_SHOULD))
        assert broken == []
        waiting = sum(model.status in WAITING for model in self.models.values())
        marked = self.run(
            self.desk.rows(
                "SELECT actions_waiting FROM cairnloop.conversations WHERE id = :id",
                id=self.conversation,
            )
        )
        assert marked == [(waiting,)]
        keys = [key for key, _ in self.desk.ledger.effects]
        assert len(keys) == len(set(keys))


_NOT_LIVE_AS_IT_SHOULD = (
    "SELECT p.id FROM cairnloop.tool_proposals AS p JOIN cairnloop.tool_approvals AS a"
    " ON a.proposal_id = p.id AND a.number = (SELECT max(b.number) FROM"
    " cairnloop.tool_approvals AS b WHERE b.proposal_id = p.id)"
    " WHERE p.live <> (a.status IN ("
    + ", ".join(f"'{status.value}'" for status in sorted(LIVE))
    + "))"
)


@pytest.fixture
def bench(
    settings: Settings, clock: FixedClock
) -> Iterator[tuple[Desk, Callable[[Coroutine[Any, Any, Any]], Any]]]:
    """A desk and the loop that it lives in."""
    ledger, rights = Ledger(), Rights()
    host = HostParts(identity_provider=rights, tools=[Refund(ledger)])
    with asyncio.Runner() as runner:
        engine = runner.run(Engine(settings, clock=clock, host=host).__aenter__())
        try:
            yield Desk(engine, clock, ledger, rights), runner.run
        finally:
            runner.run(engine.__aexit__(None, None, None))


@pytest.mark.slow
def test_actions_follow_the_model_whatever_happens(
    bench: tuple[Desk, Callable[[Coroutine[Any, Any, Any]], Any]],
) -> None:
    desk, run = bench
    run_state_machine_as_test(
        lambda: Actions(desk, run),
        settings=hypothesis_settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # Shrinking takes minutes here; the steps are printed as they are.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ),
    )
