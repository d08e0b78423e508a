"""The queue as people see it: depth, workers, dead letters, and what they do with those."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from cairnloop_engine import Caller, Conflict, Engine, Forbidden, Invalid, NotFound, Settings
from cairnloop_engine.conversations.release import RELEASE_TASK
from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.core.jobs import JobContext, Queues, TaskSpec
from cairnloop_engine.drafting.service import DRAFT_TASK
from cairnloop_engine.operations.metrics import Metrics
from tests.builders import MAYA, new_conversation
from tests.engine.core.crew import at_work, drained, due_now, enqueue, queue, rows, write
from tests.waiting import until

SAM = Caller.operator("sam")


async def put_aside(
    engine: Engine, task: str = RELEASE_TASK, *, args: dict[str, Any] | None = None
) -> int:
    """A dead letter of this task, made as every one is; its number."""

    async def fails(_: JobContext) -> None:
        raise ZeroDivisionError

    await enqueue(engine, task, Queues.DELIVERY, **(args or {"workspace": "default"}))
    await drained(engine, [TaskSpec(task, Queues.DELIVERY, fails, retries=0)])
    return int(await write(engine, "SELECT max(id) FROM cairnloop.dead_letters"))


async def events(engine: Engine, caller: Caller = MAYA) -> list[tuple[str, str, int]]:
    page = await engine.audit.events(caller)
    return [(one.action, one.actor, one.subject_id) for one in page.items]


async def test_the_queues_are_told_with_their_workers_and_what_was_put_aside(
    engine: Engine,
) -> None:
    await put_aside(engine)
    await enqueue(engine, "t", Queues.MAIL)
    await write(engine, "UPDATE public.procrastinate_events SET at = at - interval '70 seconds'")

    go = asyncio.Event()

    async def body(_: JobContext) -> None:
        await go.wait()

    specs = [TaskSpec("busy", Queues.EFFECTS, body)]
    async with at_work(engine, specs, queues=(Queues.EFFECTS, Queues.SWEEP), concurrency=3):
        await enqueue(engine, "busy")

        async def is_told() -> Any:
            found = await engine.operations.jobs(MAYA)
            # A worker takes jobs a moment before its first heartbeat introduces it.
            told = [one for one in found.workers if one.running and one.concurrency]
            return found if told else None

        found = await until(is_told, within=20)
        go.set()

    depth = {one.queue: one for one in found.queues}
    assert list(depth) == [one.value for one in Queues]
    assert (depth["mail"].ready, depth["effects"].running, depth["delivery"].dead) == (1, 1, 1)
    assert 70 <= (found.oldest_seconds or 0) <= 90
    assert found.dead_letters == 1
    (worker,) = found.workers
    assert (worker.alive, worker.queues, worker.concurrency, worker.running) == (
        True,
        ("effects", "sweep"),
        3,
        1,
    )
    assert worker.heartbeat_seconds < 5
    assert (await engine.operations.jobs(MAYA)).workers == ()


async def test_a_silent_worker_is_told_as_such(engine: Engine) -> None:
    await write(
        engine,
        "INSERT INTO public.procrastinate_workers (last_heartbeat)"
        " VALUES (now() - interval '45 seconds'), (now() - interval '1 hour')",
    )
    (worker,) = (await engine.operations.jobs(MAYA)).workers
    assert (worker.alive, worker.concurrency) == (False, None)
    assert worker.queues == tuple(one.value for one in Queues)


async def test_dead_letters_are_listed_newest_first_and_tell_no_more_than_ids(
    engine: Engine,
) -> None:
    first = await put_aside(
        engine,
        args={"workspace": "other", "message_id": 7, "key": "12:3", "note": "Dear Ms Miller"},
    )
    second = await put_aside(engine)

    page = await engine.operations.dead_letters(MAYA, limit=1)
    assert [one.id for one in page.items] == [second]
    assert page.next is not None
    page = await engine.operations.dead_letters(MAYA, limit=1, cursor=page.next)
    assert page.next is None
    (letter,) = page.items
    assert (letter.id, letter.task, letter.workspace) == (first, RELEASE_TASK, "other")
    assert (letter.reason.value, letter.error_type, letter.status) == (
        "failed",
        "ZeroDivisionError",
        "waiting",
    )
    assert letter.ids == {"message_id": 7, "key": "12:3"}
    assert "Miller" not in repr(letter)


async def test_a_redriven_job_is_a_new_one_and_each_knows_of_the_other(engine: Engine) -> None:
    letter_id = await put_aside(engine, args={"workspace": "default", "message_id": 7})
    before = (await engine.operations.dead_letters(MAYA)).items[0]

    done = await engine.operations.redrive(MAYA, letter_id)

    assert done.dead_letter_id == letter_id
    assert done.job_id != before.job_id
    assert await rows(
        engine, "SELECT id, task_name, queue_name, args FROM public.procrastinate_jobs"
    ) == [(done.job_id, RELEASE_TASK, "delivery", {"workspace": "default", "message_id": 7})]
    assert (await engine.operations.dead_letters(MAYA)).items == ()
    (after,) = (await engine.operations.dead_letters(MAYA, settled_too=True)).items
    assert (after.status, after.redriven_by, after.new_job_id) == ("redriven", "maya", done.job_id)
    assert await events(engine) == [("operations.job_redriven", "maya", letter_id)]

    # It fails again: the new dead letter names the one that it came from.
    async def fails(_: JobContext) -> None:
        raise KeyError

    await drained(engine, [TaskSpec(RELEASE_TASK, Queues.DELIVERY, fails, retries=0)])
    (again,) = (await engine.operations.dead_letters(MAYA)).items
    assert (again.job_id, again.redrive_of) == (done.job_id, letter_id)


async def test_a_dead_letter_is_settled_once_and_the_second_hears_by_whom(engine: Engine) -> None:
    letter_id = await put_aside(engine)
    done = await engine.operations.redrive(MAYA, letter_id)

    for second in (
        engine.operations.redrive(SAM, letter_id),
        engine.operations.drop(SAM, letter_id, "no"),
    ):
        with pytest.raises(Conflict) as lost:
            await second
        assert lost.value.code == "dead_letter_settled"
        assert lost.value.facts == {"job_id": done.job_id, "by": "maya"}
    assert len(await queue(engine)) == 1
    assert len(await events(engine)) == 1


async def test_of_many_who_redrive_at_once_one_does(engine: Engine) -> None:
    letter_id = await put_aside(engine)

    tries = [engine.operations.redrive(MAYA, letter_id) for _ in range(8)]
    ended = await asyncio.gather(*tries, return_exceptions=True)

    assert sum(not isinstance(one, BaseException) for one in ended) == 1
    assert {one.code for one in ended if isinstance(one, Conflict)} == {"dead_letter_settled"}
    assert len(await queue(engine)) == 1


async def test_dropping_needs_a_reason_and_keeps_it(engine: Engine) -> None:
    letter_id = await put_aside(engine)
    for reason, code in ((" \u200b", "reason_missing"), ("x" * 501, "reason_too_long")):
        with pytest.raises(Invalid) as refusal:
            await engine.operations.drop(MAYA, letter_id, reason)
        assert refusal.value.code == code

    await engine.operations.drop(MAYA, letter_id, " The customer has left. ")

    assert await queue(engine) == []
    (letter,) = (await engine.operations.dead_letters(MAYA, settled_too=True)).items
    assert (letter.status, letter.dropped_by, letter.drop_reason) == (
        "dropped",
        "maya",
        "The customer has left.",
    )
    assert await events(engine) == [("operations.job_dropped", "maya", letter_id)]
    with pytest.raises(Conflict):
        await engine.operations.redrive(MAYA, letter_id)


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        (Caller.operator(None), "operator_missing"),
        (Caller.system("worker"), "operator_required"),
        (Caller.customer("acme"), "operator_required"),
    ],
)
async def test_only_a_named_operator_settles_a_dead_letter(
    engine: Engine, caller: Caller, code: str
) -> None:
    letter_id = await put_aside(engine)
    for settling in (
        engine.operations.redrive(caller, letter_id),
        engine.operations.drop(caller, letter_id, "no"),
    ):
        with pytest.raises(Forbidden) as refusal:
            await settling
        assert refusal.value.code == code
    assert await queue(engine) == []


async def test_what_is_not_there_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound) as refusal:
        await engine.operations.redrive(MAYA, 404)
    assert refusal.value.code == "dead_letter_not_found"


async def test_a_task_that_no_worker_of_this_release_has_stays_put_aside(engine: Engine) -> None:
    letter_id = await put_aside(engine, "test.gone")
    with pytest.raises(Misconfigured) as refusal:
        await engine.operations.redrive(MAYA, letter_id)
    assert refusal.value.code == "task_unknown"
    (letter,) = (await engine.operations.dead_letters(MAYA)).items
    assert letter.status == "waiting"
    assert await events(engine) == []


async def test_the_event_stands_in_the_trail_of_the_workspace_whose_job_it_is(
    engine: Engine,
) -> None:
    letter_id = await put_aside(engine, args={"workspace": "other"})
    await engine.operations.redrive(MAYA, letter_id)

    assert await events(engine) == []
    assert await events(engine, Caller.operator("sam", "other")) == [
        ("operations.job_redriven", "maya", letter_id)
    ]


async def test_a_drafting_request_that_was_put_aside_is_answered_after_its_redrive(
    settings: Settings,
) -> None:
    quick = settings.with_changes(embedder="hashing", draft_delay=0.0)
    async with Engine(quick) as engine:
        conversation_id = await new_conversation(engine)

        async def fails(_: JobContext) -> None:
            raise ZeroDivisionError

        await due_now(engine)
        await drained(engine, [TaskSpec(DRAFT_TASK, Queues.DRAFTING, fails, retries=0)])
        (letter,) = (await engine.operations.dead_letters(MAYA)).items
        assert (letter.task, letter.queue) == (DRAFT_TASK, "drafting")
        assert await write(engine, "SELECT count(*) FROM cairnloop.pending_work") == 1

        await engine.operations.redrive(MAYA, letter.id)
        await engine.run_worker(queues=["drafting"], drain=True)

        assert await engine.drafting.pending_for(MAYA, conversation_id) is not None
        assert await write(engine, "SELECT count(*) FROM cairnloop.pending_work") == 0


async def test_metrics_count_what_was_put_aside(engine: Engine) -> None:
    await put_aside(engine)
    written = Metrics().written(await engine.operations.numbers()).decode()
    assert 'cairnloop_jobs{queue="delivery",state="dead"} 1.0' in written
    assert 'cairnloop_jobs{queue="mail",state="dead"} 0.0' in written


async def test_the_doctor_names_the_queues_in_which_something_was_put_aside(
    engine: Engine,
) -> None:
    await put_aside(engine)
    report = await engine.operations.doctor(MAYA)
    (found,) = [check for check in report.checks if check.id == "jobs"]
    assert found.summary.startswith("Look: 1 put aside (delivery)")
    assert "cairnloop jobs dead" in (found.remedy or "")


async def test_the_queue_is_pruned_by_the_settings(settings: Settings) -> None:
    async with Engine(settings.with_changes(finished_job_hours=1.0)) as engine:
        await enqueue(engine, "t")
        await write(engine, "UPDATE public.procrastinate_jobs SET status = 'succeeded'")
        await write(engine, "UPDATE public.procrastinate_events SET at = at - interval '2 hours'")
        (sweep,) = [one for one in engine._wired.sweeps if one.name == "prune the queue"]
        assert sweep.every == timedelta(minutes=5)
        await sweep.run()
        assert await queue(engine) == []
