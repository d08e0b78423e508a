"""The demo's tools against its billing system: one effect for one approval, whatever happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cairnloop_engine import Blocked, Caller, Engine, Settings, Unavailable
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.demo import sink
from cairnloop_engine.demo.billing import BillingClient
from cairnloop_engine.demo.parts import TOOLS, with_actions
from cairnloop_engine.demo.sink import Mode
from cairnloop_engine.demo.suggester import rules
from cairnloop_engine.demo.tampering import change_stored_input
from cairnloop_engine.governance.model import ApprovalMode, ApprovalStatus, RiskTier
from cairnloop_engine.governance.views import ActionView
from tests.fakes import FixedClock

MAYA, NOOR = Caller.operator("maya"), Caller.operator("noor")
REFUND: JsonObject = {"order": "TM-2041", "amount": "82.00"}


@dataclass
class Shop:
    """An engine with the demo's tools, beside the billing system that they act on."""

    engine: Engine
    billing: BillingClient

    async def proposed(self, tool: str, given: JsonObject) -> ProposalId:
        return (await self.engine.governance.propose(MAYA, tool, given)).proposal_id

    async def approved(self, tool: str, given: JsonObject) -> ActionView:
        """An action that a colleague approved and a worker carried out."""
        proposal_id = await self.proposed(tool, given)
        await self.engine.governance.approve(NOOR, proposal_id)
        await self.work()
        return await self.view(proposal_id)

    async def work(self) -> None:
        await self.engine.run_worker(queues=["effects"], drain=True)

    async def view(self, proposal_id: ProposalId) -> ActionView:
        return await self.engine.governance.action(MAYA, proposal_id)

    async def asked(self, found: ActionView) -> tuple[int, int]:
        """How often billing was asked for this action, and how often it did it."""
        counts = await self.billing.counts()
        key = found.attempts[0].run_key
        return counts["arrivals"].get(key, 0), counts["effects"].get(key, 0)


@pytest.fixture
async def shop(settings: Settings, clock: FixedClock, tmp_path: Path) -> AsyncIterator[Shop]:
    async with (
        sink.running(tmp_path / "billing.sqlite3", clock=clock) as url,
        Engine(with_actions(settings, billing=url), clock=clock) as engine,
    ):
        yield Shop(engine, BillingClient(url))


async def test_every_kind_of_risk_is_there(shop: Shop) -> None:
    tools = {tool.name: tool for tool in await shop.engine.governance.tools(MAYA)}

    assert len(tools) == 1 + len(TOOLS)
    assert {tool.risk_tier for tool in tools.values()} == set(RiskTier)
    assert tools["look_up_order"].approval_mode is ApprovalMode.AUTO
    assert tools["close_account"].approval_mode is ApprovalMode.ALWAYS_BLOCK


async def test_a_refund_happens_once_and_says_so(shop: Shop) -> None:
    found = await shop.approved("refund", REFUND)

    assert found.row.approval_status is ApprovalStatus.EXECUTED
    assert found.row.outcome == "Refunded 82.00 USD for order TM-2041."
    assert await shop.asked(found) == (1, 1)


@pytest.mark.parametrize(
    ("mode", "asked"),
    [(Mode.DROP_AFTER, (1, 1)), (Mode.FAIL_AFTER, (1, 1)), (Mode.DROP_BEFORE, (2, 1))],
)
async def test_a_refund_without_an_answer_is_asked_after_and_made_good(
    shop: Shop, mode: Mode, asked: tuple[int, int]
) -> None:
    await shop.billing.order_weather(mode, kind="refund")

    found = await shop.approved("refund", REFUND)

    assert found.row.approval_status is ApprovalStatus.EXECUTED
    assert await shop.asked(found) == asked


async def test_seats_are_tried_again_under_the_same_key(shop: Shop) -> None:
    await shop.billing.order_weather(Mode.DROP_AFTER, kind="change_seats")

    found = await shop.approved("change_seats", {"account": "globex", "seats": 5})

    assert found.row.approval_status is ApprovalStatus.EXECUTED
    assert len(found.attempts) == 2
    assert await shop.asked(found) == (2, 1)
    assert (await shop.billing.record("account", "globex")).seats == 5


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("move_subscription", {"account": "umbrella", "to": "umbrella-labs"}),
        ("high_risk_demo", {"conversation_id": 1, "reason": "To see what becomes of it."}),
    ],
)
async def test_what_can_neither_be_asked_nor_repeated_is_for_a_person(
    shop: Shop, tool: str, given: JsonObject
) -> None:
    await shop.billing.order_weather(Mode.DROP_AFTER, kind=tool)

    found = await shop.approved(tool, given)
    await shop.work()

    assert found.row.approval_status is ApprovalStatus.EXECUTION_UNKNOWN
    assert await shop.asked(found) == (1, 1)


async def test_what_billing_refuses_has_failed_and_is_not_tried_again(shop: Shop) -> None:
    await shop.billing.order_weather(Mode.REFUSE, kind="refund", status=422)

    found = await shop.approved("refund", REFUND)

    assert found.row.approval_status is ApprovalStatus.EXECUTION_FAILED
    assert await shop.asked(found) == (1, 0)


async def test_an_order_that_somebody_changed_at_billing_comes_back_with_its_revision(
    shop: Shop,
) -> None:
    proposal_id = await shop.proposed("refund", REFUND)
    await shop.engine.governance.approve(NOOR, proposal_id)
    await shop.billing.change("order", "TM-2041")
    await shop.work()

    found = await shop.view(proposal_id)
    assert found.row.approval_status is ApprovalStatus.PENDING
    assert [change.field for change in found.changes] == ["targets"]
    assert (await shop.billing.counts())["arrivals"] == {}


async def test_an_approved_amount_that_was_changed_by_sql_never_reaches_billing(
    shop: Shop,
) -> None:
    proposal_id = await shop.proposed("refund", REFUND)
    await shop.engine.governance.approve(NOOR, proposal_id)
    await change_stored_input(shop.engine, proposal_id, "amount", "820.00")
    await shop.work()

    found = await shop.view(proposal_id)
    changed = {change.field: (change.before, change.after) for change in found.changes}
    assert found.row.approval_status is ApprovalStatus.PENDING
    assert found.approvals[0].outcome_code == "digest_mismatch"
    assert changed["input.amount"] == ("82.00", "820.00")
    assert (await shop.billing.counts())["arrivals"] == {}


async def test_two_people_who_ask_for_the_same_refund_ask_for_one(shop: Shop) -> None:
    first = await shop.proposed("refund", REFUND)
    second = await shop.engine.governance.propose(NOOR, "refund", dict(REFUND))

    assert second.duplicate
    assert second.proposal_id == first


async def test_looking_something_up_needs_nobody(shop: Shop) -> None:
    await shop.approved("refund", REFUND)
    made = await shop.engine.governance.propose(MAYA, "look_up_order", {"order": "TM-2041"})
    await shop.work()

    found = await shop.view(made.proposal_id)
    assert found.row.approval_status is ApprovalStatus.EXECUTED
    assert found.row.outcome == "Order TM-2041: 1 refunds, 82.00 in all."


@pytest.mark.parametrize(
    ("tool", "given", "code"),
    [
        ("close_account", {"account": "initech"}, "always_blocked"),
        ("refund", {"order": "TM-2041", "amount": "1000.01"}, "over_limit"),
        ("refund", {"order": "TM-2041", "amount": "0"}, "input_invalid"),
        ("refund", {"order": "?", "amount": "8.00"}, "input_invalid"),
    ],
)
async def test_what_may_not_be_done_is_blocked_with_its_reason(
    shop: Shop, tool: str, given: JsonObject, code: str
) -> None:
    with pytest.raises(Blocked) as stopped:
        await shop.proposed(tool, given)

    assert stopped.value.facts["reason"] == code
    assert (await shop.billing.counts())["arrivals"] == {}


async def test_the_slow_tool_is_slow_and_done(shop: Shop) -> None:
    found = await shop.approved("export_usage", {"account": "globex", "takes_s": 0.2})

    assert found.row.outcome == "The usage report of globex is written."


async def test_without_billing_the_tools_refuse_before_anything_is_kept(
    settings: Settings, clock: FixedClock
) -> None:
    async with Engine(with_actions(settings, billing=None), clock=clock) as engine:
        with pytest.raises(Unavailable) as refusal:
            await engine.governance.propose(MAYA, "refund", dict(REFUND))
        kept = await engine.governance.actions(MAYA)

    assert refusal.value.code == "demo_billing_missing"
    assert "cairnloop demo" in refusal.value.message
    assert kept.items == ()


@pytest.mark.parametrize(
    ("customer", "said", "expected"),
    [
        (
            "demo_user_acme_billing",
            ["Please refund one of them.", "We were charged twice."],
            ("refund", {"order": "TM-0512-2", "amount": "48.00", "currency": "USD"}),
        ),
        (
            "anybody",
            ["Please refund order TM-2041, it was $82.00."],
            ("refund", {"order": "TM-2041", "amount": "82.00", "currency": "USD"}),
        ),
        ("anybody", ["Please refund my order."], None),
        ("anybody", ["Thanks a lot!", "Please refund order TM-2041, it was $82.00."], None),
        (
            "demo_user_globex_seats",
            ["From next month on we need 6 seats."],
            ("change_seats", {"account": "globex", "seats": 6}),
        ),
        ("anybody", ["From next month on we need 6 seats."], None),
        ("anybody", ["How do I rotate a token?"], None),
        ("anybody", [], None),
    ],
)
def test_the_demos_drafts_suggest_what_the_scenario_lists(
    customer: str, said: list[str], expected: tuple[str, JsonObject] | None
) -> None:
    found = next(
        (made for rule in rules() if (made := rule.suggestion(customer, said)) is not None), None
    )

    assert (None if found is None else (found.tool, found.input)) == expected
