"""What monitoring hears of governed actions: after the commit, from closed lists, no content."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace

import pytest

from cairnloop_engine import Permanent
from cairnloop_engine.core.errors import Blocked, NotFound
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.core.telemetry import JsonLines
from cairnloop_engine.governance import telemetry
from cairnloop_engine.governance.events import ActionTold
from cairnloop_engine.governance.model import (
    ApprovalMode,
    ApprovalStatus,
    ProposalStatus,
    ResultState,
    RiskTier,
)
from tests.engine.governance.desk import MAYA, NOAH, Desk
from tests.engine.governance.tools import Ledger
from tests.engine.governance.watching import Watch, installed

TOLD = ActionTold(
    event="execution_succeeded",
    proposal_id=ProposalId(7),
    tool="refund",
    actor="maya",
    risk_tier=RiskTier.HIGH_WRITE,
    approval_mode=ApprovalMode.REQUIRES_APPROVAL,
    proposal_status=ProposalStatus.PROPOSED,
    approval_status=ApprovalStatus.EXECUTED,
    result_state=ResultState.SUCCEEDED,
    decided_by="noah",
    attempt=1,
    milliseconds=12,
)


@pytest.fixture
def watch() -> Watch:
    return installed()


@pytest.mark.requirement("02-governance:97")
async def test_an_action_that_ran_and_one_that_failed_are_counted(
    desk: Desk, ledger: Ledger, watch: Watch
) -> None:
    await desk.approved()
    await desk.work()
    ledger.fail(Permanent("There is no such order."))
    await desk.approved(given={"order": "B-1", "amount": "5.00"})
    await desk.work()

    assert [name for name in watch.names() if name.startswith("action_")] == [
        "action_executed",
        "action_failed",
    ]
    assert [name for name, _ in watch.timed] == [
        "cairnloop.governance.action_executed.duration_ms",
        "cairnloop.governance.action_failed.duration_ms",
    ]


@pytest.mark.requirement("02-governance:97")
def test_what_is_on_no_list_is_not_counted(watch: Watch) -> None:
    telemetry.tell(replace(TOLD, event="somebody_invented_this"), {"refund"})

    assert (watch.counted, watch.spans) == ([], [])


@pytest.mark.requirement("02-governance:98")
async def test_the_labels_of_an_outcome_are_four_words_of_closed_lists(
    desk: Desk, watch: Watch
) -> None:
    await desk.approved()
    await desk.work()

    assert watch.labels("action_executed") == {
        "risk_tier": "high_write",
        "approval_mode": "requires_approval",
        "result_state": "succeeded",
        "tool_ref": "refund",
    }


@pytest.mark.requirement("02-governance:99")
def test_a_tool_that_is_not_registered_has_no_name_for_monitoring(watch: Watch) -> None:
    telemetry.tell(TOLD, {"refund"})
    assert watch.labels("action_executed")["tool_ref"] == "refund"

    telemetry.tell(replace(TOLD, tool="A customer's secret"), {"refund"})
    assert watch.labels("action_executed")["tool_ref"] == "unknown"


@pytest.mark.requirement("02-governance:99")
def test_a_word_that_is_on_no_list_is_unknown(watch: Watch) -> None:
    odd: str = "much better"

    telemetry.tell(replace(TOLD, result_state=odd, risk_tier=odd), {"refund"})  # type: ignore[arg-type]

    labels = watch.labels("action_executed")
    assert (labels["result_state"], labels["risk_tier"]) == ("unknown", "unknown")


@pytest.mark.requirement("02-governance:100")
async def test_spans_name_who_and_which_and_never_what(desk: Desk, watch: Watch) -> None:
    proposal_id = await desk.approved()
    await desk.work()

    kinds = {event: watch.span(event)["openinference.span.kind"] for event in watch.traced()}
    assert kinds["execution_succeeded"] == kinds["execution_started"] == "TOOL"
    assert kinds["approval_requested"] == kinds["proposal_created"] == "GUARDRAIL"
    assert watch.span("approved") == {
        "openinference.span.kind": "GUARDRAIL",
        "tool_proposal_id": proposal_id,
        "actor_id": "noah",
        "policy_snapshot_ref": proposal_id,
        "decided_by": "noah",
        "attempt": 0,
    }
    assert watch.span("execution_succeeded")["attempt"] == 1


@pytest.mark.requirement("02-governance:101")
async def test_metrics_and_spans_take_two_ways(desk: Desk, watch: Watch) -> None:
    await desk.propose()

    assert watch.traced() == ["proposal_created", "approval_requested"]
    assert watch.names() == ["proposal_created", "approval_transition"]
    assert not [name for name, _ in watch.counted if ".trace." in name]
    assert all(".trace." in name for name, _ in watch.spans)


@pytest.mark.requirement("02-governance:98")
@pytest.mark.requirement("02-governance:100")
@pytest.mark.requirement("02-governance:B17")
async def test_nothing_that_anybody_wrote_reaches_monitoring(desk: Desk, watch: Watch) -> None:
    secret = "the-customer-said-this"
    conversation = await desk.conversation(secret)
    made = await desk.propose(
        given={"order": secret, "amount": "5.00", "card_token": secret},
        conversation_id=conversation,
        key=secret,
    )
    await desk.engine.governance.ask_back(NOAH, made.proposal_id, question=secret)
    await desk.engine.governance.answer(MAYA, made.proposal_id, answer=secret)
    await desk.engine.governance.approve(NOAH, made.proposal_id, note=secret)
    await desk.work()

    assert watch.spans
    assert secret not in json.dumps([watch.counted, watch.spans])


async def test_what_was_blocked_or_met_again_or_not_there_is_counted(
    desk: Desk, watch: Watch
) -> None:
    await desk.propose()
    await desk.propose()
    with pytest.raises(Blocked):
        await desk.propose(given={"order": "A"})
    assert watch.labels("proposal_blocked")["outcome"] == "needs_input"
    with pytest.raises(NotFound):
        await desk.propose("no_such_tool")

    assert watch.labels("proposal_duplicate") == {
        "outcome": "duplicate",
        "risk_tier": "high_write",
        "approval_mode": "requires_approval",
    }
    assert watch.labels("proposal_blocked") == {
        "outcome": "unsupported",
        "risk_tier": "unknown",
        "approval_mode": "unknown",
    }


async def test_every_decision_is_a_transition_also_the_silent_ones(
    desk: Desk, watch: Watch
) -> None:
    proposal_id = await desk.approved()
    desk.ledger.revisions["A-17"] = "2"
    await desk.work()
    await desk.engine.governance.reject(NOAH, proposal_id, reason="No")

    told = [labels for name, labels in watch.counted if name.endswith("approval_transition")]
    assert [(one["event_type"], one["new_status"]) for one in told] == [
        ("approval_requested", "pending"),
        ("approved", "approved"),
        ("digest_mismatch", "invalidated"),
        ("approval_requested", "pending"),
        ("rejected", "rejected"),
    ]


async def test_what_is_rolled_back_is_not_heard_of(desk: Desk, watch: Watch) -> None:
    made = await desk.propose()
    watch.forget()

    with pytest.raises(NotFound):
        await desk.engine.governance.approve(NOAH, ProposalId(made.proposal_id + 1))

    assert (watch.counted, watch.spans) == ([], [])


@pytest.mark.requirement("02-governance:B17")
async def test_the_log_names_the_tool_that_failed_and_not_what_it_said(
    desk: Desk, ledger: Ledger
) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.getLogger("cairnloop_engine").addHandler(handler)
    try:
        ledger.fail(RuntimeError("the-customer-said-this"))
        await desk.approved()
        await desk.work()
    finally:
        logging.getLogger("cairnloop_engine").removeHandler(handler)

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert ("refund", "RuntimeError") in {(line.get("tool"), line.get("error")) for line in lines}
    assert "the-customer-said-this" not in stream.getvalue()
