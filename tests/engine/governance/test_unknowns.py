"""What nobody can know: asked of the target, repeated only where harmless, settled by a person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from cairnloop_engine import Conflict, Invalid, Reconciled, Trace
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.governance import execution, queries
from cairnloop_engine.governance.hostcode import Outcome, Report
from cairnloop_engine.governance.model import ApprovalStatus, AttemptState, ResultState
from cairnloop_engine.governance.records import wish_of
from cairnloop_engine.governance.tools import Permanent, Transient, Unknown
from tests.engine.governance.desk import MAYA, NOAH, Desk
from tests.engine.governance.test_executing import ready, settle_waits

Troubles = Callable[[], Awaitable[None]]
UNCLEAR = Reconciled(Trace.UNCLEAR)


def after_the_effect(desk: Desk, error: BaseException) -> None:
    """The next call does what it should, and fails then."""

    async def trouble() -> None:
        desk.ledger.effects.append((desk.ledger.calls[-1].run_key, "done"))
        raise error

    desk.ledger.troubles.append(trouble)


async def unsettled(desk: Desk, error: BaseException | None = None) -> ProposalId:
    """A refund of which nobody knows whether it happened."""
    after_the_effect(desk, error or ConnectionResetError())
    action_id, approval_id = await ready(desk)
    await desk.run_job("execute", action_id, approval_id)
    await settle_waits(desk)
    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN
    return action_id


@pytest.mark.parametrize(
    "error",
    [Unknown("lost"), TimeoutError(), RuntimeError("secret-4711"), asyncio.CancelledError()],
)
async def test_an_unclear_outcome_is_never_repeated_and_waits_for_a_person(
    desk: Desk, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    action_id = await unsettled(desk, error)
    for _ in range(3):
        desk.clock.advance(timedelta(minutes=10))
        await desk.sweep()
        await settle_waits(desk)

    view = await desk.view(action_id)
    assert len(desk.ledger.calls) == 1
    assert view.row.result_state is ResultState.UNKNOWN
    assert view.row.waits
    assert [one.state for one in view.attempts] == [AttemptState.UNKNOWN]
    assert [row.id for row in (await desk.engine.governance.queue(MAYA)).items] == [action_id]
    assert (await desk.engine.governance.counts(MAYA)).unknown == 1
    assert (await desk.trail(action_id))[-2:] == ["execution_attempt_failed", "execution_unknown"]
    assert "4711" not in caplog.text + str(view)


@pytest.mark.parametrize(
    ("outcome", "status", "state", "result"),
    [
        ("confirmed", "executed", AttemptState.CONFIRMED, ResultState.SUCCEEDED),
        ("failed", "execution_failed", AttemptState.FAILED, ResultState.FAILED),
    ],
)
async def test_a_person_settles_what_nobody_could_know(
    desk: Desk, outcome: str, status: str, state: AttemptState, result: ResultState
) -> None:
    action_id = await unsettled(desk)
    governance = desk.engine.governance

    settled = await governance.settle(MAYA, action_id, outcome=outcome, note="Saw the statement.")

    assert settled.status.value == status
    view = await desk.view(action_id)
    assert view.attempts[0].state is state
    assert view.row.result_state is result
    assert view.row.outcome == "Settled by maya: it " + (
        "happened." if outcome == "confirmed" else "did not happen."
    )
    assert view.row.decided_by == "noah"
    event = view.history[-1]
    assert (event.actor, event.words) == ("maya", {"reason": "Saw the statement."})
    with pytest.raises(Conflict) as refused:
        await governance.settle(NOAH, action_id, outcome="failed", note="No.")
    assert refused.value.code == "not_unknown"
    await settle_waits(desk)
    assert len(desk.ledger.calls) == 1


async def test_only_an_unknown_outcome_can_be_settled_with_a_clear_word_and_a_note(
    desk: Desk,
) -> None:
    made = await desk.propose("credit")
    action_id = await unsettled(desk)
    governance = desk.engine.governance

    for settling, code in (
        (governance.settle(MAYA, made.proposal_id, outcome="failed", note="No."), "not_unknown"),
        (governance.settle(MAYA, action_id, outcome="perhaps", note="No."), "outcome_invalid"),
        (governance.settle(MAYA, action_id, outcome="failed", note=" "), "reason_missing"),
    ):
        with pytest.raises((Conflict, Invalid)) as refused:
            await settling
        assert refused.value.code == code
    for decision in (
        governance.approve(NOAH, action_id),
        governance.reopen(NOAH, action_id),
        governance.reject(NOAH, action_id, reason="No."),
    ):
        with pytest.raises(Conflict):
            await decision
    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN


async def test_an_equal_wish_meets_the_unsettled_one_and_does_not_run_beside_it(desk: Desk) -> None:
    action_id = await unsettled(desk)

    again = await desk.propose()

    assert (again.proposal_id, again.duplicate) == (action_id, True)


async def test_a_target_that_knows_of_the_effect_confirms_it_without_a_second_call(
    desk: Desk,
) -> None:
    after_the_effect(desk, TimeoutError())
    action_id, approval_id = await ready(desk, "charge")
    await desk.run_job("execute", action_id, approval_id)
    await settle_waits(desk)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTED
    assert [(one.state, one.code) for one in view.attempts] == [
        (AttemptState.CONFIRMED, "reconciled")
    ]
    assert len(desk.ledger.calls) == 1
    assert (await desk.trail(action_id))[-2:] == ["reconciled", "execution_succeeded"]


async def test_a_target_that_knows_of_no_effect_lets_it_be_tried_again(desk: Desk) -> None:
    desk.ledger.fail(TimeoutError())
    action_id, approval_id = await ready(desk, "charge")
    await desk.run_job("execute", action_id, approval_id)
    await settle_waits(desk)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTED
    assert [one.state for one in view.attempts] == [AttemptState.FAILED, AttemptState.CONFIRMED]
    assert len(desk.ledger.effects) == 1
    assert len({run.run_key for run in desk.ledger.calls}) == 1


async def test_a_target_that_never_tells_is_asked_a_few_times_and_then_a_person(desk: Desk) -> None:
    desk.ledger.fail(TimeoutError())
    desk.ledger.traces.extend([UNCLEAR] * 20)
    action_id, approval_id = await ready(desk, "charge")
    await desk.run_job("execute", action_id, approval_id)
    for _ in range(8):
        await settle_waits(desk)

    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN
    assert len(desk.ledger.calls) == 1
    assert len(desk.ledger.traces) == 15


@pytest.mark.parametrize(
    "answer",
    [None, True, "absent", Reconciled("absent"), Reconciled(None), RuntimeError()],  # type: ignore[arg-type]
)
async def test_an_answer_of_the_target_that_is_no_answer_never_leads_to_a_second_call(
    desk: Desk, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reconcile(self: object, run_key: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    tool: Any = desk.engine.governance.gates.registry.find("charge")
    monkeypatch.setattr(type(tool), "reconcile", reconcile)
    after_the_effect(desk, TimeoutError())
    action_id, approval_id = await ready(desk, "charge")
    await desk.run_job("execute", action_id, approval_id)
    for _ in range(8):
        await settle_waits(desk)

    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN
    assert len(desk.ledger.calls) == 1


async def test_a_harmless_tool_is_run_again_three_times_and_then_a_person_settles(
    desk: Desk,
) -> None:
    desk.ledger.fail(*[TimeoutError()] * 9)
    action_id, approval_id = await ready(desk, "credit")
    await desk.run_job("execute", action_id, approval_id)
    for _ in range(6):
        await settle_waits(desk)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTION_UNKNOWN
    assert [run.attempt for run in desk.ledger.calls] == [1, 2, 3]
    assert len({run.run_key for run in desk.ledger.calls}) == 1
    assert (await desk.trail(action_id)).count("execution_attempt_failed") == 3


@pytest.mark.parametrize("last", [Permanent("Closed."), Transient("Busy.")])
async def test_a_clear_failure_after_an_unclear_one_does_not_hide_it(
    desk: Desk, last: Exception
) -> None:
    desk.ledger.fail(TimeoutError(), last, last, last)
    action_id, approval_id = await ready(desk, "credit")
    await desk.run_job("execute", action_id, approval_id)
    for _ in range(6):
        await settle_waits(desk)

    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN


@pytest.mark.parametrize("cause", ["expired", "title changed", "tool gone"])
async def test_an_unclear_outcome_is_not_lost_in_another_state(desk: Desk, cause: str) -> None:
    desk.ledger.fail(TimeoutError())
    action_id, approval_id = await ready(desk, "credit")
    await desk.run_job("execute", action_id, approval_id)
    if cause == "expired":
        desk.clock.advance(timedelta(hours=49))
    elif cause == "title changed":
        await desk.sql("UPDATE cairnloop.tool_proposals SET title = 'Other'")
    else:
        await desk.sql("UPDATE cairnloop.tool_proposals SET tool_ref = 'gone'")
    await settle_waits(desk)

    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN
    assert len(desk.ledger.calls) == 1


async def test_a_directory_that_is_away_does_not_hide_an_unclear_outcome(desk: Desk) -> None:
    desk.ledger.fail(TimeoutError())
    action_id, approval_id = await ready(desk)
    await desk.run_job("execute", action_id, approval_id)
    desk.rights.away = True
    await settle_waits(desk)

    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN


async def claimed(
    desk: Desk, tool: str = "refund", *, started: bool, job_id: int = 1
) -> tuple[ProposalId, int, Any]:
    """An attempt in flight whose worker says nothing more: dead, or only standing still."""
    action_id, approval_id = await ready(desk, tool)
    found: Any = await desk.runner.gates.judge(wish_of(await _found(desk, action_id)))
    turn = execution.Turn(action_id, approval_id, job_id, "token-of-the-first")
    async with desk.engine.db.work(Caller.system("governance")) as work:
        claim = await execution.claim(work, turn, found, config=desk.runner.config)
    assert claim is not None
    if started:
        async with desk.engine.db.work(Caller.system("governance")) as work:
            assert await execution.start(work, claim)
    return action_id, approval_id, claim


async def _found(desk: Desk, action_id: ProposalId) -> Any:
    async with desk.engine.db.read(MAYA) as read:
        return await queries.proposal(read, action_id)


@pytest.mark.parametrize(
    ("started", "state", "status"),
    [
        (False, AttemptState.FAILED, ApprovalStatus.EXECUTED),
        (True, AttemptState.UNKNOWN, ApprovalStatus.EXECUTION_UNKNOWN),
    ],
)
async def test_an_attempt_whose_worker_died_is_ended_by_the_same_job_s_next_run(
    desk: Desk, started: bool, state: AttemptState, status: ApprovalStatus
) -> None:
    action_id, approval_id, _ = await claimed(desk, started=started)
    await desk.run_job("execute", action_id, approval_id, job_id=1)

    view = await desk.view(action_id)
    assert view.attempts[0].state is state
    assert view.row.approval_status is status
    assert len(desk.ledger.calls) == (0 if started else 1)


async def test_another_job_leaves_a_running_attempt_alone_until_it_must_be_dead(desk: Desk) -> None:
    action_id, approval_id, _ = await claimed(desk, started=True)
    await desk.run_job("execute", action_id, approval_id, job_id=2)
    assert (await desk.view(action_id)).attempts[0].state is AttemptState.STARTED

    desk.clock.advance(timedelta(seconds=91))
    await desk.run_job("execute", action_id, approval_id, job_id=2)

    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN
    assert desk.ledger.calls == []


async def test_a_worker_that_was_taken_for_dead_may_not_say_how_it_went(desk: Desk) -> None:
    action_id, approval_id, claim = await claimed(desk, started=True)
    await desk.run_job("execute", action_id, approval_id, job_id=1)
    trail = await desk.trail(action_id)

    async with desk.engine.db.work(Caller.system("governance")) as work:
        report = Report(Outcome.CONFIRMED, "confirmed")
        assert not await execution.record(work, claim, report, config=desk.runner.config)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTION_UNKNOWN
    assert view.attempts[0].state is AttemptState.UNKNOWN
    assert await desk.trail(action_id) == [*trail, "late_outcome"]
    assert view.history[-1].facts["outcome"] == "confirmed"


async def test_a_worker_that_was_taken_for_dead_before_the_call_does_not_call(desk: Desk) -> None:
    action_id, approval_id, claim = await claimed(desk, started=False)
    await desk.run_job("execute", action_id, approval_id, job_id=1)

    async with desk.engine.db.work(Caller.system("governance")) as work:
        assert not await execution.start(work, claim)
    assert len(desk.ledger.calls) == 1


async def test_an_outcome_whose_commit_was_not_answered_is_recorded_once(desk: Desk) -> None:
    action_id, _, claim = await claimed(desk, started=True)
    report = Report(Outcome.CONFIRMED, "confirmed")
    for _ in range(2):
        async with desk.engine.db.work(Caller.system("governance")) as work:
            assert await execution.record(work, claim, report, config=desk.runner.config)

    trail = await desk.trail(action_id)
    assert trail.count("execution_succeeded") == 1
    assert "late_outcome" not in trail
