"""Running: once, on record before and after, and never twice under one approval."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cairnloop_engine import CairnloopError, Done, Engine, Settings
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.governance import hostcode, jobs
from cairnloop_engine.governance.model import ApprovalStatus, AttemptState
from cairnloop_engine.governance.tools import Permanent, Transient
from cairnloop_engine.wiring import HostParts
from tests.engine.governance.desk import MAYA, NOAH, Desk
from tests.engine.governance.tools import ALL, Ledger
from tests.postgres import TestCluster
from tests.waiting import until

FAILURES = {"execution_attempt_failed", "execution_failed", "revalidation_failed"}


async def ready(desk: Desk, tool: str = "refund", given: Any = None) -> tuple[ProposalId, int]:
    """An action that waits for its run, and its approval."""
    made = await desk.propose(tool, given)
    await desk.engine.governance.approve(NOAH, made.proposal_id)
    assert made.approval_id is not None
    await desk.run_job("resume", made.proposal_id, made.approval_id)
    await desk.sql("DELETE FROM public.procrastinate_jobs")
    return made.proposal_id, made.approval_id


async def note(desk: Desk, content: str = "Called the bank.") -> tuple[ProposalId, int, int]:
    conversation_id = await desk.conversation()
    given = {"conversation_id": conversation_id, "content": content}
    action_id, approval_id = await ready(desk, "internal_note", given)
    return action_id, approval_id, conversation_id


async def notes(desk: Desk) -> int:
    counted = await desk.rows(
        "SELECT count(*) FROM cairnloop.messages WHERE role = 'internal_note'"
        " AND run_key IS NOT NULL"
    )
    return int(str(counted[0][0]))


async def settle_waits(desk: Desk) -> None:
    """Let every waiting job be due."""
    await desk.sql("UPDATE public.procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")
    await desk.engine.run_worker(queues=["effects"], drain=True)


@pytest.mark.requirement("02-governance:83")
@pytest.mark.requirement("02-governance:93")
async def test_the_note_is_written_exactly_once_with_its_record(desk: Desk) -> None:
    action_id, approval_id, conversation_id = await note(desk)
    await desk.run_job("execute", action_id, approval_id)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTED
    assert view.row.result_state.value == "succeeded"
    assert view.row.outcome == f"Note {view.attempts[0].facts['message_id']} was added."
    assert (await desk.trail(action_id))[-1] == "execution_succeeded"
    assert await notes(desk) == 1
    thread = await desk.engine.conversations.thread(MAYA, conversation_id)  # type: ignore[arg-type]
    assert thread.messages[-1].content == "Called the bank."
    assert thread.messages[-1].customer_position is None

    # Even a second run of the tool itself, under the same key, finds the first note.
    await desk.sql("DELETE FROM cairnloop.tool_executions")
    await desk.sql("UPDATE cairnloop.tool_approvals SET status = 'execution_pending'")
    await desk.sql("UPDATE cairnloop.tool_proposals SET live = true, result_state = 'not_executed'")
    await desk.run_job("execute", action_id, approval_id)
    assert await notes(desk) == 1
    assert (await desk.view(action_id)).row.approval_status is ApprovalStatus.EXECUTED


@pytest.mark.requirement("02-governance:84")
async def test_what_has_succeeded_is_not_touched_whatever_its_approval_says(desk: Desk) -> None:
    action_id = await desk.approved()
    await desk.work()
    await desk.sql("UPDATE cairnloop.tool_approvals SET status = 'execution_pending'")
    before = await desk.rows("SELECT * FROM cairnloop.tool_approvals")
    trail = await desk.trail(action_id)

    await desk.run_job("execute", action_id, (await desk.view(action_id)).row.approval_id)

    assert await desk.rows("SELECT * FROM cairnloop.tool_approvals") == before
    assert await desk.trail(action_id) == trail
    assert len(desk.ledger.calls) == 1


@pytest.mark.requirement("02-governance:85")
async def test_a_run_of_what_does_not_wait_for_it_does_nothing(desk: Desk) -> None:
    pending = await desk.propose()
    approved = await desk.approved("credit")
    for action_id, approval_id in (
        (pending.proposal_id, pending.approval_id),
        (approved, (await desk.view(approved)).row.approval_id),
        (ProposalId(999), 999),
        (pending.proposal_id, 999),
    ):
        await desk.run_job("execute", action_id, approval_id)

    assert desk.ledger.calls == []
    assert await desk.status(pending.proposal_id) is ApprovalStatus.PENDING
    assert await desk.rows("SELECT count(*) FROM cairnloop.tool_executions") == [(0,)]


@pytest.mark.requirement("02-governance:86")
async def test_two_runs_of_one_approval_have_one_effect(desk: Desk) -> None:
    action_id, approval_id = await ready(desk)
    for job_id in (1, 2):
        await desk.run_job("execute", action_id, approval_id, job_id=job_id)

    assert len(desk.ledger.effects) == 1
    assert await desk.status(action_id) is ApprovalStatus.EXECUTED


@pytest.mark.requirement("02-governance:88")
@pytest.mark.requirement("02-governance:90")
@pytest.mark.requirement("02-governance:92")
async def test_a_failure_without_an_effect_is_tried_again_later_under_the_same_key(
    desk: Desk,
) -> None:
    desk.ledger.fail(Transient("The bank is closed."))
    action_id, approval_id = await ready(desk)
    await desk.run_job("execute", action_id, approval_id, job_id=1)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTION_PENDING
    assert view.row.attempts == 1
    assert (view.attempts[0].state, view.attempts[0].summary) == (
        AttemptState.FAILED,
        "The bank is closed.",
    )
    assert (await desk.trail(action_id))[-1] == "execution_attempt_failed"
    ((scheduled,),) = await desk.rows("SELECT scheduled_at FROM public.procrastinate_jobs")
    assert scheduled == desk.clock.now() + timedelta(seconds=2)

    await settle_waits(desk)
    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTED
    assert [one.attempt for one in view.attempts] == [1, 2]
    assert [run.attempt for run in desk.ledger.calls] == [1, 2]
    (key,) = {run.run_key for run in desk.ledger.calls}
    assert key == view.attempts[0].run_key
    assert len(key) == 64
    assert key != view.idempotency_key


@pytest.mark.requirement("02-governance:89")
@pytest.mark.requirement("02-governance:B4")
async def test_three_failures_without_an_effect_end_it_with_three_numbered_attempts(
    desk: Desk,
) -> None:
    desk.ledger.fail(*[Transient("Closed.")] * 5)
    action_id, approval_id = await ready(desk)
    await desk.run_job("execute", action_id, approval_id)
    for _ in range(4):
        await settle_waits(desk)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTION_FAILED
    assert view.row.outcome == "Closed."
    assert view.row.result_state.value == "failed"
    assert len(desk.ledger.calls) == 3
    assert desk.ledger.effects == []
    ended = [
        (event.event.removeprefix("governance."), event.facts["attempt"])
        for event in view.history
        if event.event.endswith("failed")
    ]
    assert ended == [
        ("execution_attempt_failed", 1),
        ("execution_attempt_failed", 2),
        ("execution_failed", 3),
    ]
    await desk.sweep()
    assert await desk.rows("SELECT count(*) FROM public.procrastinate_jobs") == [(0,)]


async def test_a_failure_for_good_is_not_tried_again(desk: Desk) -> None:
    desk.ledger.fail(Permanent("The account is closed."))
    action_id, approval_id = await ready(desk)
    await desk.run_job("execute", action_id, approval_id)

    view = await desk.view(action_id)
    assert (view.row.approval_status, view.row.outcome) == (
        ApprovalStatus.EXECUTION_FAILED,
        "The account is closed.",
    )
    assert await desk.rows("SELECT count(*) FROM public.procrastinate_jobs") == [(0,)]


@pytest.mark.requirement("02-governance:91")
async def test_a_run_is_never_repeated_by_the_queue_on_its_own(desk: Desk) -> None:
    runner = desk.runner
    specs = {spec.name: spec for spec in jobs.tasks(runner.db, runner.gates, runner.config)}

    assert specs["governance.execute"].retries == 0
    assert {specs[f"governance.{name}"].queue for name in ("execute", "resume")} == {Queues.EFFECTS}


@pytest.mark.requirement("02-governance:94")
@pytest.mark.requirement("02-governance:95")
async def test_the_record_of_a_success_names_approver_policy_and_attempt(desk: Desk) -> None:
    action_id = await desk.approved()
    desk.clock.advance(timedelta(minutes=5))
    await desk.work()

    view = await desk.view(action_id)
    (approval,) = view.approvals
    assert (approval.decided_by, approval.decision) == ("noah", "approved")
    assert approval.finished_at == desk.clock.now()
    assert approval.decided_at == desk.clock.now() - timedelta(minutes=5)
    assert view.policy.mode == "requires_approval"
    events = {event.event.removeprefix("governance."): event for event in view.history}
    assert events["approved"].actor == "noah"
    assert events["execution_succeeded"].facts["attempt"] == 1
    assert not FAILURES & set(events)


@pytest.mark.requirement("02-governance:B5")
async def test_an_effect_behind_a_timeout_is_asked_for_again_under_the_same_key_and_is_one(
    desk: Desk,
) -> None:
    done: set[str] = set()

    async def commits_then_times_out() -> None:
        done.add(desk.ledger.calls[-1].run_key)
        raise TimeoutError

    desk.ledger.troubles.append(commits_then_times_out)
    action_id, approval_id = await ready(desk, "credit")
    await desk.run_job("execute", action_id, approval_id)
    await settle_waits(desk)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTED
    assert [one.state for one in view.attempts] == [AttemptState.UNKNOWN, AttemptState.CONFIRMED]
    # The target does nothing for a key that it has seen: one effect in all.
    assert done == {key for key, _ in desk.ledger.effects}


@pytest.mark.requirement("02-governance:B6")
async def test_many_workers_at_one_approval_make_one_call(desk: Desk) -> None:
    action_id, approval_id = await ready(desk)
    await asyncio.gather(
        *(desk.run_job("execute", action_id, approval_id, job_id=job) for job in range(1, 13))
    )

    assert len(desk.ledger.calls) == 1
    assert (await desk.trail(action_id)).count("execution_started") == 1


@pytest.mark.requirement("02-governance:B14")
@pytest.mark.parametrize("when", ["approved", "execution_pending"])
async def test_a_lost_job_is_queued_again_within_one_sweep_and_once(desk: Desk, when: str) -> None:
    if when == "approved":
        action_id = await desk.approved()
        await desk.sql("DELETE FROM public.procrastinate_jobs")
    else:
        action_id, _ = await ready(desk)
    await desk.sweep()
    assert await desk.rows("SELECT count(*) FROM public.procrastinate_jobs") == [(0,)]

    desk.clock.advance(timedelta(seconds=6))
    await asyncio.gather(*(desk.sweep() for _ in range(3)))

    assert await desk.rows("SELECT count(*) FROM public.procrastinate_jobs") == [(1,)]
    await desk.work()
    assert await desk.status(action_id) is ApprovalStatus.EXECUTED
    assert len(desk.ledger.effects) == 1


@pytest.mark.requirement("02-governance:B11")
@pytest.mark.parametrize(
    "answer",
    [
        Done("x" * 10_000),
        Done("a\x00\ud800b", {"k\x00": "v\x00", "n": float("nan"), "i": 10**5000}),
        Done(None, None),  # type: ignore[arg-type]
        Done(7, [1]),  # type: ignore[arg-type]
        Done({"a": 1}, {"deep": {"a": object()}}),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("within", [False, True])
async def test_a_result_of_any_kind_can_be_recorded(
    desk: Desk, answer: Done, within: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(*_: object) -> Done:
        desk.ledger.effects.append(("", ""))
        return answer

    if within:
        action_id, approval_id, _ = await note(desk)
        monkeypatch.setattr(type(_tool(desk, "internal_note")), "run_within", run)
    else:
        action_id, approval_id = await ready(desk)
        monkeypatch.setattr(type(_tool(desk, "refund")), "run", run)
    await desk.run_job("execute", action_id, approval_id)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTED
    assert view.row.outcome
    assert len(desk.ledger.effects) == 1


def _tool(desk: Desk, name: str) -> Any:
    return desk.engine.governance.gates.registry.find(name)


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (Permanent("Not here."), ApprovalStatus.EXECUTION_FAILED),
        (RuntimeError("secret-4711"), ApprovalStatus.EXECUTION_PENDING),
        (None, ApprovalStatus.EXECUTION_FAILED),
    ],
)
async def test_what_a_failing_tool_wrote_in_the_database_is_taken_back(
    desk: Desk,
    trouble: Exception | None,
    status: ApprovalStatus,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    action_id, approval_id, _ = await note(desk)
    tool = type(_tool(desk, "internal_note"))
    writes = tool.run_within

    async def run(*given: Any) -> Any:
        await writes(*given)
        if trouble is not None:
            raise trouble
        return "no result"

    monkeypatch.setattr(tool, "run_within", run)
    await desk.run_job("execute", action_id, approval_id)

    assert await desk.status(action_id) is status
    assert await notes(desk) == 0
    assert "4711" not in caplog.text
    monkeypatch.undo()
    if status is ApprovalStatus.EXECUTION_PENDING:
        await settle_waits(desk)
        assert await notes(desk) == 1


async def test_a_tool_inside_the_database_that_never_ends_is_a_failed_attempt(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    action_id, approval_id, _ = await note(desk)

    async def run(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(type(_tool(desk, "internal_note")), "run_within", run)
    monkeypatch.setattr(jobs, "WAITING", timedelta(seconds=-29.7))
    await desk.run_job("execute", action_id, approval_id)

    (attempt,) = (await desk.view(action_id)).attempts
    assert (attempt.state, attempt.code) == (AttemptState.FAILED, "timeout")
    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_PENDING


async def test_a_note_for_a_conversation_that_is_not_there_fails_for_good(desk: Desk) -> None:
    given = {"conversation_id": 4711, "content": "Hello?"}
    action_id, approval_id = await ready(desk, "internal_note", given)
    await desk.run_job("execute", action_id, approval_id)

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTION_FAILED
    assert "4711" in (view.row.outcome or "")


async def test_the_notes_of_two_conversations_into_each_other_do_not_deadlock(desk: Desk) -> None:
    one, other = await desk.conversation(), await desk.conversation("Another")
    second = await desk.engine.conversations.ingest(
        MAYA, customer_ref="cust-2", text="Hi", start_new=True
    )
    pairs = [(one, second.conversation_id), (second.conversation_id, one)] * 4
    assert other == one
    ids = []
    for number, (beside, into) in enumerate(pairs):
        made = await desk.propose(
            "internal_note",
            {"conversation_id": into, "content": f"Note {number}"},
            conversation_id=beside,
        )
        await desk.engine.governance.approve(NOAH, made.proposal_id)
        await desk.run_job("resume", made.proposal_id, made.approval_id)
        ids.append((made.proposal_id, made.approval_id))

    await asyncio.gather(*(desk.run_job("execute", *one) for one in ids))

    assert await notes(desk) == len(pairs)
    for action_id, _ in ids:
        assert "execution_attempt_failed" not in await desk.trail(action_id)


@pytest.mark.slow
async def test_an_outcome_is_recorded_once_postgres_is_back(
    private_cluster: TestCluster, home: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostcode.log, "disabled", True)
    settings = Settings.load(database_url=private_cluster.copy_template("outage"), home=home)
    host = HostParts(tools=[tool(ledger) for tool in ALL])

    async def outage() -> None:
        await asyncio.to_thread(private_cluster.server.stop, "immediate")
        asyncio.get_running_loop().call_later(
            0.5, lambda: asyncio.ensure_future(asyncio.to_thread(private_cluster.server.start))
        )

    async with Engine(settings, host=host) as engine:
        made = await engine.governance.propose(MAYA, "charge", {"order": "A-17", "amount": "82.00"})
        await engine.governance.approve(NOAH, made.proposal_id)
        ledger.troubles.append(outage)
        stop = asyncio.Event()
        working = asyncio.create_task(engine.run_worker(queues=["effects"], stop=stop))

        async def executed() -> bool:
            try:
                view = await engine.governance.action(MAYA, made.proposal_id)
            except CairnloopError:
                return False
            return view.row.approval_status is ApprovalStatus.EXECUTED

        await until(executed, within=45, what="the outcome is on record")
        stop.set()
        await working
        view = await engine.governance.action(MAYA, made.proposal_id)
        assert [one.state for one in view.attempts] == [AttemptState.CONFIRMED]
        assert len(ledger.calls) == len(ledger.effects) == 1
