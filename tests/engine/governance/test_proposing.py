"""Proposing: one row for one wish, blocked attempts kept, nothing run."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from cairnloop_engine import Blocked, Caller, Conflict, Forbidden, Invalid, NotFound, Unavailable
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.governance.model import ApprovalStatus, Origin, ProposalStatus, RiskTier
from tests.engine.governance.desk import MAYA, NOAH, REFUND, Desk

AI = Caller.system("drafting")
WRITTEN = ("cairnloop.tool_proposals", "cairnloop.audit_events", "public.procrastinate_jobs")
TOO_MUCH: JsonObject = {**REFUND, "amount": "9000"}


async def refusal(desk: Desk, tool: str = "refund", given: Any = None, **named: Any) -> Blocked:
    with pytest.raises(Blocked) as refused:
        await desk.propose(tool, given, **named)
    return refused.value


async def count(desk: Desk, table: str) -> int:
    return int(str((await desk.rows(f"SELECT count(*) FROM {table}"))[0][0]))


@pytest.mark.requirement("02-governance:25")
@pytest.mark.requirement("02-governance:44")
async def test_a_valid_wish_is_a_proposal_with_everything_that_was_true_then(desk: Desk) -> None:
    made = await desk.propose()

    assert made.status is ProposalStatus.PROPOSED
    assert not made.duplicate
    view = await desk.view(made.proposal_id)
    assert view.row.tool == "refund"
    assert view.row.risk_tier is RiskTier.HIGH_WRITE
    assert view.row.proposed_by == "maya"
    assert view.row.title == "Refund an order"
    assert view.row.consequence == "Pays 82.00 back for order A-17."
    assert view.row.attempts == 0
    assert view.row.result_state.value == "not_executed"
    assert view.raw_input == {"order": "A-17", "amount": "82.00", "card_token": None}
    assert (view.scopes, view.required_scopes) == (("billing",), ("billing",))
    assert view.targets == (("order", "A-17", "1"),)
    assert view.version == "1"


@pytest.mark.requirement("02-governance:26")
@pytest.mark.requirement("02-governance:59")
@pytest.mark.requirement("02-governance:61")
@pytest.mark.requirement("02-governance:B2")
async def test_a_wish_that_needs_approval_makes_proposal_approval_job_and_two_events(
    desk: Desk,
) -> None:
    made = await desk.propose()

    assert await count(desk, "cairnloop.tool_proposals") == 1
    rows = await desk.rows("SELECT id, status, expires_at FROM cairnloop.tool_approvals")
    assert rows == [(made.approval_id, "pending", desk.clock.now() + timedelta(hours=48))]
    assert await desk.trail(made.proposal_id) == ["proposed", "approval_requested"]
    assert await desk.rows(
        "SELECT task_name, (args ->> 'approval_id')::bigint, scheduled_at"
        " FROM public.procrastinate_jobs"
    ) == [("governance.expire", made.approval_id, desk.clock.now() + timedelta(hours=48))]


@pytest.mark.requirement("02-governance:B2")
async def test_an_action_that_needs_nobody_runs_by_itself_with_a_full_trail(desk: Desk) -> None:
    made = await desk.propose("lookup")
    assert made.approval_status is ApprovalStatus.EXECUTION_PENDING
    assert desk.ledger.calls == []
    await desk.work()

    view = await desk.view(made.proposal_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTED
    assert (view.approvals[0].decided_by_kind, view.row.decided_by) == ("system", "policy:auto")
    assert len(desk.ledger.effects) == 1
    assert await desk.trail(made.proposal_id) == [
        "proposed",
        "approved",
        "execution_started",
        "execution_succeeded",
    ]


@pytest.mark.requirement("02-governance:62")
@pytest.mark.requirement("02-governance:B2")
async def test_an_action_that_is_always_blocked_never_gets_an_approval_or_a_job(desk: Desk) -> None:
    blocked = await refusal(desk, "wipe")

    assert (blocked.code, blocked.facts["reason"]) == ("policy_denied", "always_blocked")
    assert await count(desk, "cairnloop.tool_approvals") == 0
    assert await count(desk, "public.procrastinate_jobs") == 0
    with pytest.raises(NotFound):
        await desk.engine.governance.approve(NOAH, blocked.facts["proposal_id"])  # type: ignore[arg-type]


@pytest.mark.requirement("02-governance:27")
async def test_an_unknown_tool_leaves_no_row_of_any_kind(desk: Desk) -> None:
    with pytest.raises(NotFound) as refused:
        await desk.propose("rm -rf", {"path": "/"})

    assert refused.value.code == "tool_unknown"
    for table in (
        "cairnloop.tool_proposals",
        "cairnloop.audit_events",
        "public.procrastinate_jobs",
    ):
        assert await count(desk, table) == 0


@pytest.mark.requirement("02-governance:28")
@pytest.mark.requirement("02-governance:29")
@pytest.mark.requirement("02-governance:30")
@pytest.mark.requirement("02-governance:31")
@pytest.mark.requirement("02-governance:45")
@pytest.mark.parametrize(
    ("given", "held", "status", "code", "reason"),
    [
        ({"order": "A-17"}, {"billing"}, "needs_input", "input_invalid", "amount: Field required"),
        (REFUND, set(), "scope_invalid", "missing_scopes", "Missing rights: billing."),
        (
            {**REFUND, "amount": "9000"},
            {"billing"},
            "policy_denied",
            "too_much",
            "That is too much.",
        ),
    ],
)
async def test_a_blocked_attempt_is_kept_with_its_reason_in_words(
    desk: Desk, given: JsonObject, held: set[str], status: str, code: str, reason: str
) -> None:
    desk.rights.held = held

    blocked = await refusal(desk, given=given)

    assert (blocked.code, blocked.facts["reason"], str(blocked)) == (status, code, reason)
    proposal_id: Any = blocked.facts["proposal_id"]
    view = await desk.view(proposal_id)
    assert view.row.status.value == status
    assert (view.row.blocked_code, view.row.blocked_reason) == (code, reason)
    assert view.policy.outcome == status
    assert view.approvals == ()
    assert await desk.trail(proposal_id) == ["blocked"]
    (event,) = view.history
    assert event.words == {"reason": reason}
    assert (event.facts["status"], event.facts["code"]) == (status, code)
    assert event.actor == "maya"
    assert not any(odd in reason for odd in "{}[]()'")


@pytest.mark.requirement("02-governance:32")
async def test_the_same_wish_twice_is_one_proposal(desk: Desk) -> None:
    first, second = await desk.propose(), await desk.propose()

    assert (first.duplicate, second.duplicate) == (False, True)
    assert second.proposal_id == first.proposal_id
    assert second.approval_id == first.approval_id
    assert await desk.trail(first.proposal_id) == ["proposed", "approval_requested"]


@pytest.mark.requirement("02-governance:33")
async def test_another_input_is_another_proposal(desk: Desk) -> None:
    first = await desk.propose()
    second = await desk.propose(given={**REFUND, "amount": "82.01"})
    third = await desk.propose(caller=NOAH)

    assert len({first.proposal_id, second.proposal_id, third.proposal_id}) == 3


@pytest.mark.requirement("02-governance:34")
async def test_a_blocked_attempt_that_is_repeated_is_one_row_and_blocked_each_time(
    desk: Desk,
) -> None:
    desk.rights.held = set()
    first, second = await refusal(desk), await refusal(desk)

    assert first.facts["proposal_id"] == second.facts["proposal_id"]
    assert await count(desk, "cairnloop.tool_proposals") == 1


@pytest.mark.requirement("02-governance:35")
async def test_inputs_that_mean_the_same_are_the_same_wish(desk: Desk) -> None:
    first = await desk.propose(given={"order": "A-17", "amount": "82.00"})
    second = await desk.propose(given={"amount": "82.00", "order": "A-17", "card_token": None})

    assert second.duplicate
    assert second.proposal_id == first.proposal_id


@pytest.mark.requirement("02-governance:36")
@pytest.mark.requirement("02-governance:37")
async def test_the_conversation_is_kept_with_valid_and_with_blocked_attempts(desk: Desk) -> None:
    conversation_id = await desk.conversation()

    made = await desk.propose(conversation_id=conversation_id)
    desk.rights.held = set()
    blocked = await refusal(desk, conversation_id=conversation_id)

    listed = await desk.engine.governance.actions(MAYA, conversation_id=conversation_id)
    assert [row.id for row in listed.items] == [blocked.facts["proposal_id"], made.proposal_id]


@pytest.mark.requirement("02-governance:38")
@pytest.mark.requirement("02-governance:39")
async def test_the_same_wish_from_another_conversation_is_the_same_and_leaves_a_mark_there(
    desk: Desk,
) -> None:
    first = await desk.propose()
    conversation_id = await desk.conversation()
    second = await desk.propose(conversation_id=conversation_id)

    assert second.duplicate
    assert second.proposal_id == first.proposal_id
    assert "asked_again" in await desk.trail(first.proposal_id)
    assert await desk.rows(
        "SELECT conversation_id FROM cairnloop.audit_events WHERE action = 'governance.asked_again'"
    ) == [(conversation_id,)]


@pytest.mark.requirement("02-governance:40")
async def test_a_wish_that_cannot_be_written_is_an_error_and_leaves_nothing(desk: Desk) -> None:
    await desk.sql(
        "ALTER TABLE cairnloop.tool_approvals ADD CONSTRAINT no_more CHECK (id < 0) NOT VALID"
    )
    try:
        with pytest.raises(Exception, match="no_more"):
            await desk.propose()
    finally:
        await desk.sql("ALTER TABLE cairnloop.tool_approvals DROP CONSTRAINT no_more")

    for table in (
        "cairnloop.tool_proposals",
        "cairnloop.audit_events",
        "public.procrastinate_jobs",
    ):
        assert await count(desk, table) == 0


@pytest.mark.requirement("02-governance:B13")
async def test_a_wish_that_was_blocked_is_fresh_and_valid_once_the_right_is_granted(
    desk: Desk,
) -> None:
    desk.rights.held = set()
    blocked = await refusal(desk)
    desk.rights.held = {"billing"}

    made = await desk.propose()

    assert not made.duplicate
    assert made.status is ProposalStatus.PROPOSED
    assert made.proposal_id != blocked.facts["proposal_id"]


@pytest.mark.parametrize("ending", ["rejected", "executed"])
async def test_what_has_ended_can_be_wished_for_again_under_another_run_key(
    desk: Desk, ending: str
) -> None:
    first = await desk.propose()
    if ending == "rejected":
        await desk.engine.governance.reject(NOAH, first.proposal_id, reason="Not yet.")
    else:
        await desk.engine.governance.approve(NOAH, first.proposal_id)
        await desk.work()

    second = await desk.propose()
    await desk.engine.governance.approve(NOAH, second.proposal_id)
    await desk.work()

    assert second.proposal_id != first.proposal_id
    keys = [key for key, _ in desk.ledger.effects]
    assert len(keys) == len(set(keys)) == (2 if ending == "executed" else 1)


async def test_a_request_token_names_its_request_for_good(desk: Desk) -> None:
    first = await desk.propose(key="order-17")
    await desk.engine.governance.approve(NOAH, first.proposal_id)
    await desk.work()

    again = await desk.propose(key="order-17")
    assert (again.proposal_id, again.duplicate) == (first.proposal_id, True)
    assert again.approval_status is ApprovalStatus.EXECUTED
    with pytest.raises(Conflict) as refused:
        await desk.propose(given={**REFUND, "amount": "1.00"}, key="order-17")
    assert refused.value.code == "idempotency_key_reused"
    assert (await desk.propose(caller=NOAH, key="order-17")).proposal_id != first.proposal_id
    assert len(desk.ledger.effects) == 1


async def test_a_business_key_makes_the_wishes_of_two_people_one(desk: Desk) -> None:
    first = await desk.propose("grouped")
    second = await desk.propose("grouped", caller=NOAH)

    assert second.duplicate
    assert second.proposal_id == first.proposal_id
    with pytest.raises(Conflict) as refused:
        await desk.propose("grouped", {**REFUND, "amount": "1.00"}, caller=NOAH)
    assert refused.value.code == "already_proposed"
    assert refused.value.facts["proposal_id"] == first.proposal_id


@pytest.mark.parametrize("key", ["", "  ", "\u200b", "a\x00b", "\ud800", "x" * 256])
async def test_a_request_token_that_cannot_be_kept_is_refused(desk: Desk, key: str) -> None:
    with pytest.raises(Invalid) as refused:
        await desk.propose(key=key)
    assert refused.value.code == "idempotency_key_invalid"


@pytest.mark.parametrize("account", ["", " ", "a\x00b", "\ud800", "x" * 201])
async def test_an_account_that_cannot_be_kept_is_refused(desk: Desk, account: str) -> None:
    with pytest.raises(Invalid) as refused:
        await desk.engine.governance.propose(MAYA, "refund", dict(REFUND), account_id=account)
    assert refused.value.code == "account_invalid"


@pytest.mark.parametrize("name", ["ma\x00ya", "ma\ud800ya"])
def test_a_name_that_cannot_be_kept_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        Caller.operator(name)
    assert refused.value.code == "actor_invalid"


async def test_customers_cannot_propose_and_the_ai_flow_can(desk: Desk) -> None:
    with pytest.raises(Forbidden) as refused:
        await desk.propose(caller=Caller.customer("cust-1"))
    assert refused.value.code == "actor_cannot_propose"

    made = await desk.propose(caller=AI)
    assert (await desk.view(made.proposal_id)).row.origin is Origin.AI
    with pytest.raises(Forbidden):
        await desk.engine.governance.approve(AI, made.proposal_id)


async def test_an_action_cannot_be_proposed_into_another_workspace_s_conversation(
    desk: Desk,
) -> None:
    conversation_id = await desk.conversation()

    with pytest.raises(NotFound) as refused:
        await desk.propose(caller=Caller.operator("maya", "other"), conversation_id=conversation_id)
    assert refused.value.code == "conversation_not_found"
    assert await count(desk, "cairnloop.tool_proposals") == 0


async def test_a_directory_that_is_away_blocks_nothing_for_good_and_allows_nothing(
    desk: Desk,
) -> None:
    desk.rights.away = True
    with pytest.raises(Unavailable):
        await desk.propose()
    assert await count(desk, "cairnloop.tool_proposals") == 0
    desk.rights.away = False
    assert (await desk.propose()).status is ProposalStatus.PROPOSED


@pytest.mark.parametrize(
    "order", ["\x1b[31mred\x07", "a\x00b", "\ud800", "{{7*7}}", "'; DROP TABLE x;--", "\u202egnp"]
)
async def test_hostile_text_is_kept_shown_safely_and_runs_as_it_was_approved(
    desk: Desk, order: str
) -> None:
    action_id = await desk.approved(given={"order": order, "amount": "1.00"})
    await desk.work()

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTED
    assert len(desk.ledger.effects) == 1
    shown = str([view.inputs, view.row.consequence, view.row.outcome])
    assert not any(odd in shown for odd in ("\x1b", "\x07", "\x00", "\u202e"))


@pytest.mark.requirement("02-governance:13")
async def test_tools_tell_whether_the_caller_may_use_them(desk: Desk) -> None:
    tools = {tool.name: tool for tool in await desk.engine.governance.tools(MAYA)}
    assert tools["refund"].available
    assert not tools["wipe"].available
    assert next(iter(tools)) == "internal_note"

    desk.rights.held = set()
    tools = {tool.name: tool for tool in await desk.engine.governance.tools(MAYA)}
    assert not tools["refund"].available
    assert tools["credit"].available


async def test_a_tool_without_a_policy_can_be_asked_for_by_nobody(desk: Desk) -> None:
    blocked = await refusal(desk, "unguarded")

    assert blocked.facts["reason"] == "no_policy_defined"


async def test_twenty_equal_wishes_at_once_are_one_proposal(desk: Desk) -> None:
    made = await asyncio.gather(*(desk.propose() for _ in range(20)))

    assert len({one.proposal_id for one in made}) == 1
    assert sum(not one.duplicate for one in made) == 1
    assert await count(desk, "cairnloop.tool_approvals") == 1
