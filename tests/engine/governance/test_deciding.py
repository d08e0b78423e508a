"""Deciding: one decision, by a named person, about exactly what was shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from cairnloop_engine import Blocked, Caller, Conflict, Forbidden, Invalid
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.governance.approvals import DecidedAction
from cairnloop_engine.governance.model import ApprovalStatus
from tests.engine.governance.desk import MAYA, NOAH, REFUND, Desk

Decision = Callable[[Desk, ProposalId], Awaitable[DecidedAction]]
DECISIONS: dict[str, Decision] = {
    "approve": lambda desk, action: desk.engine.governance.approve(NOAH, action),
    "reject": lambda desk, action: desk.engine.governance.reject(NOAH, action, reason="No."),
    "defer": lambda desk, action: desk.engine.governance.defer(NOAH, action, reason="Later."),
    "ask back": lambda desk, action: desk.engine.governance.ask_back(NOAH, action, question="Why?"),
}
BECOMES = {
    "approve": ApprovalStatus.APPROVED,
    "reject": ApprovalStatus.REJECTED,
    "defer": ApprovalStatus.DEFERRED,
    "ask back": ApprovalStatus.RETURNED,
}


async def jobs(desk: Desk, *tasks: str) -> list[tuple[object, ...]]:
    return await desk.rows(
        "SELECT task_name, scheduled_at FROM public.procrastinate_jobs"
        " WHERE task_name = ANY(:tasks) ORDER BY id",
        tasks=[f"governance.{task}" for task in tasks],
    )


async def refused(deciding: Awaitable[Any]) -> Any:
    with pytest.raises((Conflict, Forbidden, Invalid, Blocked)) as refusal:
        await deciding
    return refusal.value


@pytest.mark.requirement("02-governance:54")
@pytest.mark.requirement("02-governance:53")
@pytest.mark.parametrize("decision", DECISIONS)
async def test_a_decision_records_who_what_when_and_why(desk: Desk, decision: str) -> None:
    made = await desk.propose()

    decided = await DECISIONS[decision](desk, made.proposal_id)

    assert decided.status is BECOMES[decision]
    (approval,) = (await desk.view(made.proposal_id)).approvals
    assert approval.status is BECOMES[decision]
    assert (approval.decided_by_kind, approval.decided_by) == ("operator", "noah")
    assert approval.decided_at == desk.clock.now()
    assert approval.decision == BECOMES[decision].value
    assert (approval.reason is None) == (decision == "approve")


@pytest.mark.requirement("02-governance:64")
@pytest.mark.requirement("02-governance:65")
@pytest.mark.requirement("02-governance:66")
async def test_an_approval_queues_its_check_and_runs_nothing(desk: Desk) -> None:
    made = await desk.propose()
    await desk.engine.governance.approve(NOAH, made.proposal_id, note="As agreed.")

    assert await desk.rows(
        "SELECT args ->> 'approval_id' FROM public.procrastinate_jobs"
        " WHERE task_name = 'governance.resume'"
    ) == [(str(made.approval_id),)]
    assert await jobs(desk, "execute") == []
    assert desk.ledger.calls == []
    view = await desk.view(made.proposal_id)
    assert view.row.reason == "As agreed."
    assert view.history[-1].words == {"reason": "As agreed."}


@pytest.mark.requirement("02-governance:67")
@pytest.mark.requirement("02-governance:73")
async def test_request_approve_and_check_leave_exactly_their_events(desk: Desk) -> None:
    action_id = await desk.approved()
    await desk.engine.run_worker(queues=["effects"], drain=True)

    assert (await desk.trail(action_id))[:4] == [
        "proposed",
        "approval_requested",
        "approved",
        "revalidation_passed",
    ]


@pytest.mark.requirement("02-governance:68")
@pytest.mark.parametrize("first", DECISIONS)
@pytest.mark.parametrize("second", DECISIONS)
async def test_after_a_decision_there_is_no_other(desk: Desk, first: str, second: str) -> None:
    made = await desk.propose()
    await DECISIONS[first](desk, made.proposal_id)
    trail = await desk.trail(made.proposal_id)

    refusal = await refused(DECISIONS[second](desk, made.proposal_id))

    assert refusal.code == "already_decided"
    assert refusal.facts["decided_by"] == "noah"
    assert refusal.facts["status"] == BECOMES[first].value
    assert await desk.trail(made.proposal_id) == trail


@pytest.mark.requirement("02-governance:52")
@pytest.mark.requirement("02-governance:69")
@pytest.mark.requirement("02-governance:70")
@pytest.mark.requirement("02-governance:71")
@pytest.mark.requirement("02-governance:115")
@pytest.mark.parametrize("blank", ["", "  \n\t", "\u200b\u202e"])
async def test_a_refusal_without_a_reason_changes_nothing(desk: Desk, blank: str) -> None:
    made = await desk.propose()
    governance = desk.engine.governance

    for deciding in (
        governance.reject(NOAH, made.proposal_id, reason=blank),
        governance.defer(NOAH, made.proposal_id, reason=blank),
        governance.ask_back(NOAH, made.proposal_id, question=blank),
    ):
        assert (await refused(deciding)).code == "reason_missing"
    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING
    assert await desk.trail(made.proposal_id) == ["proposed", "approval_requested"]

    await governance.reject(NOAH, made.proposal_id, reason="Paid already.")
    assert (await desk.trail(made.proposal_id))[-1] == "rejected"
    assert await jobs(desk, "resume", "execute") == []
    await desk.work()
    assert desk.ledger.calls == []


@pytest.mark.requirement("02-governance:B11")
async def test_a_reason_of_ten_thousand_characters_is_kept_and_a_longer_one_refused(
    desk: Desk,
) -> None:
    made = await desk.propose()
    governance = desk.engine.governance
    long = await refused(governance.reject(NOAH, made.proposal_id, reason="x" * 10_001))
    assert long.code == "reason_too_long"
    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING

    await governance.reject(NOAH, made.proposal_id, reason="x" * 10_000)

    assert await desk.rows("SELECT length(reason) FROM cairnloop.tool_approvals") == [(10_000,)]
    other = await desk.propose()
    await governance.reject(NOAH, other.proposal_id, reason="a\x00\ud800b")
    assert (await desk.view(other.proposal_id)).row.reason == "a\ufffd\ufffdb"


@pytest.mark.requirement("02-governance:63")
async def test_what_waits_is_in_the_queue_and_what_is_decided_is_not(desk: Desk) -> None:
    conversation_id = await desk.conversation()
    made = await desk.propose(conversation_id=conversation_id)
    governance = desk.engine.governance

    assert [row.id for row in (await governance.queue(MAYA)).items] == [made.proposal_id]
    assert (await governance.counts(MAYA)).pending == 1
    assert (await desk.engine.conversations.inbox(MAYA)).items[0].actions_waiting == 1

    await governance.reject(NOAH, made.proposal_id, reason="No.")
    assert (await governance.queue(MAYA)).items == ()
    assert (await desk.engine.conversations.inbox(MAYA)).items[0].actions_waiting == 0


@pytest.mark.requirement("02-governance:B10")
async def test_nobody_approves_their_own_high_risk_action(desk: Desk) -> None:
    made = await desk.propose()

    own = await refused(desk.engine.governance.approve(MAYA, made.proposal_id))

    assert own.code == "own_proposal"
    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING
    assert (await desk.engine.governance.reject(MAYA, made.proposal_id, reason="Mine.")).status
    low = await desk.propose("credit")
    assert (await desk.engine.governance.approve(MAYA, low.proposal_id)).status


async def test_only_those_whom_the_host_lets_decide(desk: Desk) -> None:
    made = await desk.propose()
    desk.rights.deciders = {"lena"}

    for decision in DECISIONS.values():
        assert (await refused(decision(desk, made.proposal_id))).code == "may_not_decide"
    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING
    lena = Caller.operator("lena")
    assert (await desk.engine.governance.approve(lena, made.proposal_id)).status


@pytest.mark.requirement("02-governance:B9")
async def test_an_approval_after_the_deadline_expires_the_action_instead(desk: Desk) -> None:
    made = await desk.propose()
    desk.clock.advance(timedelta(hours=48, microseconds=1))

    late = await refused(desk.engine.governance.approve(NOAH, made.proposal_id))

    assert late.code == "approval_expired"
    assert await desk.status(made.proposal_id) is ApprovalStatus.EXPIRED
    assert (await desk.trail(made.proposal_id))[-1] == "expired"
    assert await jobs(desk, "resume") == []


async def test_exactly_at_the_deadline_is_in_time(desk: Desk) -> None:
    made = await desk.propose()
    desk.clock.advance(timedelta(hours=48))

    assert (await desk.engine.governance.approve(NOAH, made.proposal_id)).status


@pytest.mark.requirement("02-governance:72")
@pytest.mark.requirement("02-governance:74")
@pytest.mark.requirement("02-governance:B14")
async def test_what_nobody_decides_expires_also_without_its_job(desk: Desk) -> None:
    made = await desk.propose()
    decided = await desk.propose("credit")
    await desk.engine.governance.reject(NOAH, decided.proposal_id, reason="No.")
    await desk.sql("DELETE FROM public.procrastinate_jobs")
    desk.clock.advance(timedelta(hours=49))

    await desk.sweep()

    view = await desk.view(made.proposal_id)
    assert view.row.approval_status is ApprovalStatus.EXPIRED
    assert (view.approvals[0].decided_by, view.row.outcome_code) == (None, "expired")
    assert view.history[-1].actor_kind == "system"
    assert await desk.status(decided.proposal_id) is ApprovalStatus.REJECTED
    await desk.sweep()
    assert (await desk.trail(made.proposal_id)).count("expired") == 1


@pytest.mark.requirement("02-governance:74")
@pytest.mark.requirement("02-governance:75")
async def test_the_expiry_job_ends_what_waits_and_leaves_the_rest_alone(desk: Desk) -> None:
    made = await desk.propose()
    approved = await desk.approved("credit")
    desk.clock.advance(timedelta(hours=49))
    await desk.run_job("expire", made.proposal_id, made.approval_id)
    assert await desk.status(made.proposal_id) is ApprovalStatus.EXPIRED

    trail = await desk.trail(approved)
    await desk.run_job("expire", approved, 0)
    assert await desk.trail(approved) == trail
    assert await desk.status(approved) is ApprovalStatus.APPROVED


async def test_an_expiry_job_that_comes_early_waits_for_the_sweep(desk: Desk) -> None:
    made = await desk.propose()
    await desk.run_job("expire", made.proposal_id, made.approval_id)

    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING


@pytest.mark.requirement("02-governance:B15")
async def test_a_deferred_action_comes_back_at_its_moment_with_the_full_time(desk: Desk) -> None:
    made = await desk.propose()
    until = desk.clock.now() + timedelta(days=3)
    await desk.engine.governance.defer(NOAH, made.proposal_id, reason="Monday.", until=until)
    await desk.sweep()
    assert await desk.status(made.proposal_id) is ApprovalStatus.DEFERRED
    assert await jobs(desk, "reopen") == [("governance.reopen", until)]

    desk.clock.advance(timedelta(days=3))
    await desk.sweep()

    view = await desk.view(made.proposal_id)
    assert view.row.approval_status is ApprovalStatus.PENDING
    assert view.row.expires_at == desk.clock.now() + timedelta(hours=48)
    assert [one.number for one in view.approvals] == [1, 2]
    assert (await desk.trail(made.proposal_id))[-2:] == ["reopened", "approval_requested"]
    await desk.sweep()
    await desk.run_job("reopen", made.proposal_id, made.approval_id)
    assert len((await desk.view(made.proposal_id)).approvals) == 2


async def test_a_deferred_action_that_is_not_allowed_any_more_is_told_once_and_not_tried_for_ever(
    desk: Desk,
) -> None:
    made = await desk.propose()
    until = desk.clock.now() + timedelta(days=3)
    await desk.engine.governance.defer(NOAH, made.proposal_id, reason="Monday.", until=until)
    desk.clock.advance(timedelta(days=3))
    desk.rights.away = True
    await desk.sweep()
    assert await desk.status(made.proposal_id) is ApprovalStatus.DEFERRED

    desk.rights.away, desk.rights.held = False, set()
    for _ in range(3):
        await desk.sweep()
    view = await desk.view(made.proposal_id)
    assert view.row.approval_status is ApprovalStatus.INVALIDATED
    assert view.row.outcome_code == "missing_scopes"
    assert (await desk.trail(made.proposal_id)).count("revalidation_failed") == 1

    desk.rights.held = {"billing"}
    await desk.engine.governance.reopen(MAYA, made.proposal_id)
    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING


@pytest.mark.requirement("02-governance:B15")
async def test_no_scheduled_job_delays_the_check_of_an_approved_action(desk: Desk) -> None:
    action_id = await desk.approved()
    assert await jobs(desk, "expire")
    await desk.work()

    assert await desk.status(action_id) is ApprovalStatus.EXECUTED


@pytest.mark.parametrize(
    ("until", "code"),
    [
        (timedelta(0), "until_past"),
        (timedelta(days=-1), "until_past"),
        (None, "until_without_zone"),
    ],
)
async def test_a_moment_that_cannot_come_is_refused(
    desk: Desk, until: timedelta | None, code: str
) -> None:
    made = await desk.propose()
    moment = datetime(2031, 1, 1) if until is None else desk.clock.now() + until  # noqa: DTZ001

    refusal = await refused(
        desk.engine.governance.defer(NOAH, made.proposal_id, reason="Later.", until=moment)
    )

    assert refusal.code == code
    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING


async def test_a_question_returns_the_action_and_its_answer_brings_it_back(desk: Desk) -> None:
    made = await desk.propose()
    governance = desk.engine.governance
    await governance.ask_back(NOAH, made.proposal_id, question="Which order?")
    assert (await governance.queue(MAYA)).items == ()
    assert (await refused(governance.answer(MAYA, made.proposal_id, answer=" "))).code == (
        "reason_missing"
    )

    await governance.answer(MAYA, made.proposal_id, answer="The second one.")

    view = await desk.view(made.proposal_id)
    assert view.row.approval_status is ApprovalStatus.PENDING
    assert [event.words for event in view.history if event.words] == [
        {"reason": "Which order?"},
        {"answer": "The second one."},
    ]
    assert (await refused(governance.answer(MAYA, made.proposal_id, answer="More."))).code == (
        "not_reopenable"
    )


@pytest.mark.requirement("02-governance:58")
@pytest.mark.parametrize("ending", ["reject", "approve", "executed", "pending"])
async def test_what_is_final_or_still_waits_cannot_be_opened_again(desk: Desk, ending: str) -> None:
    made = await desk.propose()
    if ending in DECISIONS:
        await DECISIONS[ending](desk, made.proposal_id)
    if ending == "executed":
        await DECISIONS["approve"](desk, made.proposal_id)
        await desk.work()

    assert (await refused(desk.engine.governance.reopen(MAYA, made.proposal_id))).code == (
        "not_reopenable"
    )


async def test_what_is_opened_again_is_judged_anew(desk: Desk) -> None:
    made = await desk.propose()
    await DECISIONS["defer"](desk, made.proposal_id)
    desk.rights.held = set()
    blocked = await refused(desk.engine.governance.reopen(MAYA, made.proposal_id))
    assert blocked.code == "scope_invalid"
    assert await desk.status(made.proposal_id) is ApprovalStatus.DEFERRED

    desk.rights.held = {"billing"}
    desk.ledger.revisions["A-17"] = "2"
    await desk.engine.governance.reopen(MAYA, made.proposal_id)

    view = await desk.view(made.proposal_id)
    assert view.row.digest != made.digest
    assert [one.field for one in view.changes] == ["targets"]


@pytest.mark.parametrize("tool", ["refund", "grouped"])
async def test_what_is_opened_again_meets_the_wish_that_took_its_place(
    desk: Desk, tool: str
) -> None:
    first = await desk.propose(tool)
    desk.clock.advance(timedelta(hours=49))
    await desk.sweep()
    second = await desk.propose(tool, caller=MAYA if tool == "refund" else NOAH)
    assert second.proposal_id != first.proposal_id

    refusal = await refused(desk.engine.governance.reopen(MAYA, first.proposal_id))

    assert refusal.code == "already_proposed"
    assert refusal.facts["proposal_id"] == second.proposal_id


async def test_an_approver_s_own_version_takes_the_place_of_the_first_and_needs_another_person(
    desk: Desk,
) -> None:
    made = await desk.propose()
    governance = desk.engine.governance

    amended = await governance.amend(NOAH, made.proposal_id, {**REFUND, "amount": "80.00"})

    assert await desk.status(made.proposal_id) is ApprovalStatus.SUPERSEDED
    view = await desk.view(amended.proposal_id)
    assert view.supersedes_id == made.proposal_id
    assert view.row.proposed_by == "noah"
    assert amended.digest != made.digest
    assert (await refused(governance.approve(NOAH, amended.proposal_id))).code == "own_proposal"
    assert (await refused(governance.approve(NOAH, made.proposal_id))).code == "already_decided"
    await governance.approve(MAYA, amended.proposal_id)
    await desk.work()
    assert [what for _, what in desk.ledger.effects] == ["A-17:80.00"]


async def test_a_blocked_version_leaves_the_first_waiting(desk: Desk) -> None:
    made = await desk.propose()

    blocked = await refused(
        desk.engine.governance.amend(NOAH, made.proposal_id, {**REFUND, "amount": "9000"})
    )

    assert blocked.code == "policy_denied"
    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING


async def test_a_version_that_somebody_else_asks_for_already_leaves_both(desk: Desk) -> None:
    made = await desk.propose()
    other = await desk.propose(given={**REFUND, "amount": "80.00"}, caller=NOAH)

    refusal = await refused(
        desk.engine.governance.amend(NOAH, made.proposal_id, {**REFUND, "amount": "80.00"})
    )

    assert refusal.code == "already_proposed"
    assert refusal.facts["proposal_id"] == other.proposal_id
    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING


@pytest.mark.parametrize("decision", ["approve", "reject", "defer", "ask_back", "amend"])
async def test_nothing_is_decided_about_something_else_than_was_shown(
    desk: Desk, decision: str
) -> None:
    made = await desk.propose()
    governance = desk.engine.governance
    words: dict[str, Any] = {
        "reject": {"reason": "No."},
        "defer": {"reason": "No."},
        "ask_back": {"question": "Why?"},
        "amend": {"given": {**REFUND, "amount": "1.00"}},
    }.get(decision, {})

    refusal = await refused(
        getattr(governance, decision)(NOAH, made.proposal_id, expected_digest="0" * 64, **words)
    )

    assert refusal.code == "action_changed"
    assert refusal.facts["digest"] == made.digest
    assert await desk.status(made.proposal_id) is ApprovalStatus.PENDING


async def test_equal_actions_are_approved_together_each_with_its_own_digest(desk: Desk) -> None:
    made = [await desk.propose(given={**REFUND, "order": f"A-{n}"}) for n in range(4)]
    await DECISIONS["reject"](desk, made[2].proposal_id)
    shown = [(one.proposal_id, one.digest or "") for one in made]
    shown[3] = (made[3].proposal_id, "0" * 64)

    outcomes = await desk.engine.governance.approve_many(NOAH, shown)

    codes = [getattr(outcome, "code", "done") for _, outcome in outcomes]
    assert codes == ["done", "done", "already_decided", "action_changed"]
    await desk.work()
    assert sorted(what for _, what in desk.ledger.effects) == ["A-0:82.00", "A-1:82.00"]


async def test_different_or_too_many_actions_are_not_approved_together(desk: Desk) -> None:
    refund, credit = await desk.propose(), await desk.propose("credit")
    shown = [(one.proposal_id, one.digest or "") for one in (refund, credit)]
    governance = desk.engine.governance

    assert (await refused(governance.approve_many(NOAH, shown))).code == "proposals_differ"
    assert (await refused(governance.approve_many(NOAH, shown * 51))).code == "too_many"
    assert await desk.status(refund.proposal_id) is ApprovalStatus.PENDING


async def test_the_load_of_an_approver_can_be_read(desk: Desk) -> None:
    for n in range(6):
        made = await desk.propose(given={**REFUND, "order": f"A-{n}"})
        desk.clock.advance(timedelta(seconds=20 if n < 3 else 90))
        decision = "reject" if n == 5 else "approve"
        await DECISIONS[decision](desk, made.proposal_id)

    (load,) = await desk.engine.governance.approver_load(MAYA)

    assert (load.operator, load.decisions, load.approved, load.rejected) == ("noah", 6, 5, 1)
    assert (load.fastest_seconds, load.median_seconds) == (20, 55)
    assert load.busiest_minute == 3
    assert await desk.engine.governance.approver_load(Caller.operator("maya", "other")) == ()
