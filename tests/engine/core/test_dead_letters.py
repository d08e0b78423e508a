"""Jobs that used up their tries: put aside with their reason, in the step that ends their run."""

from __future__ import annotations

import asyncio

import pytest

from cairnloop_engine import Engine, Unavailable
from cairnloop_engine.core.errors import Misconfigured, UnknownOutcome
from cairnloop_engine.core.jobs import UNAVAILABLE_RETRIES, JobContext, Queues, TaskSpec
from cairnloop_engine.core.retention import Retention, prune
from cairnloop_engine.core.verdicts import MOST_RESCUES
from tests.engine.core.crew import (
    drained,
    due_now,
    enqueue,
    letters,
    queue,
    rescue,
    rows,
    write,
)
from tests.waiting import until

TASK = "test.task"
SECRET = "hunter2 of somebody@example.com"


def failing(error: Exception, **more: int) -> TaskSpec:
    async def body(_: JobContext) -> None:
        raise error

    return TaskSpec(TASK, Queues.EFFECTS, body, **more)  # type: ignore[arg-type]


def away() -> Unavailable:
    return Unavailable("provider_away", "The provider does not answer.")


async def run_until_settled(engine: Engine, spec: TaskSpec, *, most: int = 60) -> int:
    """How many runs it takes until the queue is empty."""
    runs = 0
    for _ in range(most):
        await due_now(engine)
        runs += (await drained(engine, [spec])).ran
        if not await queue(engine):
            return runs
    raise AssertionError(f"not settled after {most} rounds")


@pytest.mark.parametrize("retries", [0, 2])
async def test_a_bug_uses_up_its_retries_and_is_put_aside(engine: Engine, retries: int) -> None:
    await enqueue(engine, TASK, workspace="other", message_id=7)

    assert await run_until_settled(engine, failing(ZeroDivisionError(), retries=retries)) == (
        retries + 1
    )
    assert await letters(engine) == [(TASK, "failed", retries + 1)]


async def test_an_effect_that_is_not_repeated_by_the_queue_is_not_repeated_after_an_outage_either(
    engine: Engine,
) -> None:
    await enqueue(engine, TASK)

    assert await run_until_settled(engine, failing(away(), retries=0, outage_retries=0)) == 1
    assert await letters(engine) == [(TASK, "outage", 1)]


async def test_an_unknown_outcome_is_never_repeated(engine: Engine) -> None:
    await enqueue(engine, TASK)

    unknown = UnknownOutcome("outcome_unknown", "It may have happened.")
    assert await run_until_settled(engine, failing(unknown)) == 1
    assert await letters(engine) == [(TASK, "unknown_outcome", 1)]


async def test_an_outage_that_lasts_is_put_aside_in_the_end(engine: Engine) -> None:
    await enqueue(engine, TASK)

    assert await run_until_settled(engine, failing(away(), outage_retries=2)) == 3
    assert await letters(engine) == [(TASK, "outage", 3)]


async def test_errors_outages_and_rescues_each_have_a_budget_of_their_own(engine: Engine) -> None:
    planned = [away(), away(), away(), ZeroDivisionError(), ZeroDivisionError()]

    async def body(_: JobContext) -> None:
        raise planned.pop(0)

    spec = TaskSpec(TASK, Queues.EFFECTS, body, retries=1, outage_retries=3)
    await enqueue(engine, TASK)

    # One error after three outages is the first error, and is tried again.
    assert await run_until_settled(engine, spec) == 5
    assert planned == []
    assert await letters(engine) == [(TASK, "failed", 5)]


async def test_a_task_that_this_release_does_not_know_waits_for_one_that_does(
    engine: Engine,
) -> None:
    await enqueue(engine, "test.of_a_newer_release")
    await drained(engine, [])

    assert await queue(engine) == [("test.of_a_newer_release", "todo", 1)]
    assert await letters(engine) == []
    await write(
        engine, "UPDATE cairnloop.job_troubles SET outages = :most", most=UNAVAILABLE_RETRIES
    )
    await due_now(engine)
    await drained(engine, [])
    assert await letters(engine) == [("test.of_a_newer_release", "task_unknown", 2)]


async def test_a_dead_letter_tells_all_but_what_an_error_quotes(engine: Engine) -> None:
    job_id = await enqueue(engine, TASK, workspace="other", message_id=7)
    await run_until_settled(engine, failing(ValueError(SECRET), retries=0))

    (letter,) = await rows(
        engine,
        "SELECT workspace, job_id, queue, args, error_type, error_text, rescues,"
        " enqueued_at IS NOT NULL AND enqueued_at <= first_trouble_at,"
        " first_trouble_at <= died_at, redrive_of FROM cairnloop.dead_letters",
    )
    assert letter[:5] == (
        "other",
        job_id,
        "effects",
        {"workspace": "other", "message_id": 7},
        "ValueError",
    )
    assert letter[6:] == (0, True, True, None)
    everything = await rows(engine, "SELECT to_jsonb(d)::text FROM cairnloop.dead_letters AS d")
    assert "hunter2" not in str(everything)
    assert "body" not in letter[5]
    assert letter[5].startswith(f"in {__name__}, line ")


async def test_words_of_our_own_errors_are_kept_without_addresses(engine: Engine) -> None:
    await enqueue(engine, TASK)
    wrong = Misconfigured("part_missing", "Nothing is set up for somebody@example.com.")
    await run_until_settled(engine, failing(wrong, retries=0))

    ((kind, words),) = await rows(
        engine, "SELECT error_type, error_text FROM cairnloop.dead_letters"
    )
    assert kind == "part_missing"
    assert words.startswith("Nothing is set up")
    assert "example.com" not in words


async def test_a_job_is_in_the_queue_or_put_aside_at_every_moment(engine: Engine) -> None:
    """The move is one step: what refuses the one half keeps the other from happening."""
    await enqueue(engine, TASK)
    await write(
        engine,
        "ALTER TABLE cairnloop.dead_letters ADD CONSTRAINT nothing_for_now"
        " CHECK (task <> 'test.task')",
    )
    try:
        tries = asyncio.create_task(run_until_settled(engine, failing(KeyError(), retries=0)))
        running = "SELECT count(*) FROM public.procrastinate_jobs WHERE status = 'doing'"
        await until(lambda: write(engine, running), within=20)
        assert await letters(engine) == []
    finally:
        await write(engine, "ALTER TABLE cairnloop.dead_letters DROP CONSTRAINT nothing_for_now")
    assert await tries == 1
    assert await letters(engine) == [(TASK, "failed", 1)]


async def test_a_rescued_job_that_recovers_leaves_no_dead_letter(engine: Engine) -> None:
    async def body(_: JobContext) -> None: ...

    spec = TaskSpec(TASK, Queues.EFFECTS, body)
    await enqueue(engine, TASK)
    for _ in range(MOST_RESCUES - 1):
        await write(engine, "UPDATE public.procrastinate_jobs SET status = 'doing'")
        assert await rescue(engine, [spec]) == 1
    assert (await drained(engine, [spec])).ran == 1

    assert (await queue(engine), await letters(engine)) == ([], [])


async def test_the_same_work_that_dies_again_is_one_letter_until_somebody_settles_it(
    engine: Engine,
) -> None:
    count = "SELECT deaths, attempts, job_id FROM cairnloop.dead_letters ORDER BY id"
    spec = failing(KeyError(), retries=0)
    for _ in range(3):
        last = await enqueue(engine, TASK, workspace="default", article_id=7)
        await run_until_settled(engine, spec)
    assert await rows(engine, count) == [(3, 3, last)]

    other = await enqueue(engine, TASK, workspace="default", article_id=8)
    await run_until_settled(engine, spec)
    assert await rows(engine, count) == [(3, 3, last), (1, 1, other)]

    await write(
        engine,
        "UPDATE cairnloop.dead_letters SET dropped_at = now(), dropped_by = 'maya',"
        " drop_reason = 'old' WHERE job_id = :job",
        job=last,
    )
    again = await enqueue(engine, TASK, workspace="default", article_id=7)
    await run_until_settled(engine, spec)
    assert (await rows(engine, count))[-1] == (1, 1, again)


async def test_many_equal_jobs_are_put_aside_in_one_sweep(engine: Engine) -> None:
    for _ in range(3):
        await enqueue(engine, TASK)
    await write(engine, "UPDATE public.procrastinate_jobs SET status = 'failed'")
    await pruned(engine)
    assert await queue(engine) == []
    assert await write(engine, "SELECT deaths FROM cairnloop.dead_letters") == 3


async def old(engine: Engine, days: int) -> None:
    await write(
        engine,
        "UPDATE public.procrastinate_events SET at = at - make_interval(days => :days)",
        days=days,
    )


async def pruned(engine: Engine, retention: Retention | None = None) -> int:
    return await prune(engine.db, retention or Retention())


async def test_what_is_settled_is_pruned_after_its_time_and_not_before(engine: Engine) -> None:
    for status in ("succeeded", "cancelled", "aborted", "todo", "doing"):
        await enqueue(engine, f"test.{status}")
        await write(
            engine,
            "UPDATE public.procrastinate_jobs SET status = CAST(:status AS"
            " public.procrastinate_job_status) WHERE task_name = :task",
            status=status,
            task=f"test.{status}",
        )
    assert await pruned(engine) == 0
    await old(engine, days=2)

    assert await pruned(engine) == 3
    assert [name for name, _, _ in await queue(engine)] == ["test.todo", "test.doing"]


async def test_a_row_that_somebody_marked_failed_becomes_a_dead_letter_and_is_not_pruned(
    engine: Engine,
) -> None:
    await enqueue(engine, TASK)
    await write(engine, "UPDATE public.procrastinate_jobs SET status = 'failed'")
    await old(engine, days=200)

    await pruned(engine)
    assert (await queue(engine), await letters(engine)) == ([], [(TASK, "failed", 1)])


async def test_a_job_that_was_tried_often_keeps_the_newest_event_of_each_kind(
    engine: Engine,
) -> None:
    await enqueue(engine, TASK)
    for status in ("doing", "todo") * 5:
        await write(
            engine,
            "UPDATE public.procrastinate_jobs"
            " SET status = CAST(:status AS public.procrastinate_job_status)",
            status=status,
        )
    await old(engine, days=2)
    assert await pruned(engine) == 8
    kinds = await rows(engine, "SELECT type::text FROM public.procrastinate_events ORDER BY id")
    assert kinds == [("deferred",), ("started",), ("deferred_for_retry",)]


@pytest.mark.parametrize(
    ("settled", "days", "left"),
    [
        ("", 5_000, 1),
        ("redriven_at = now(), redriven_by = 'maya', new_job_id = 99", 89, 1),
        ("redriven_at = now(), redriven_by = 'maya', new_job_id = 99", 91, 0),
        ("dropped_at = now(), dropped_by = 'maya', drop_reason = 'old'", 91, 0),
    ],
    ids=["waiting for years", "redriven lately", "redriven long ago", "dropped long ago"],
)
async def test_only_dead_letters_that_somebody_settled_are_pruned(
    engine: Engine, settled: str, days: int, left: int
) -> None:
    await enqueue(engine, TASK)
    await run_until_settled(engine, failing(KeyError(), retries=0))
    if settled:
        await write(engine, f"UPDATE cairnloop.dead_letters SET {settled}")
    for column in ("died_at", "redriven_at", "dropped_at"):
        await write(
            engine,
            f"UPDATE cairnloop.dead_letters SET {column} = {column} - make_interval(days => :days)",
            days=days,
        )

    await pruned(engine)
    assert len(await letters(engine)) == left


async def test_notes_about_jobs_and_workers_that_are_gone_are_pruned(engine: Engine) -> None:
    await write(
        engine,
        "INSERT INTO cairnloop.job_troubles VALUES (404, 1, 0, 0, now(), now())",
    )
    await write(engine, "INSERT INTO cairnloop.job_workers VALUES (404, NULL, 4, now())")
    await write(
        engine,
        "INSERT INTO public.procrastinate_workers (last_heartbeat)"
        " VALUES (now()), (now() - interval '1 hour')",
    )
    assert await pruned(engine) == 3
    assert await write(engine, "SELECT count(*) FROM public.procrastinate_workers") == 1


async def test_two_workers_do_not_prune_at_the_same_time(engine: Engine) -> None:
    await enqueue(engine, TASK)
    await write(engine, "UPDATE public.procrastinate_jobs SET status = 'succeeded'")
    await old(engine, days=2)

    async with engine.db.engine.begin() as other:
        await other.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('cairnloop.retention'))")
        assert await pruned(engine) == 0
    assert await pruned(engine) == 1
