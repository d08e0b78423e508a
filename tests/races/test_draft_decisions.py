"""Two connections at one draft, in both orders: one winner, and never two messages."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from cairnloop_engine import CairnloopError, Engine
from cairnloop_engine.conversations import release, service
from cairnloop_engine.conversations.service import CustomerMessage
from cairnloop_engine.core.database import Work
from cairnloop_engine.drafting import decisions
from cairnloop_engine.drafting.model import Approval, DraftingConfig
from cairnloop_engine.drafting.reads import DraftView
from tests.engine.drafting.desk import ACME, MAYA, NOOR, Desk, open_desk
from tests.fakes import FixedClock

CONFIG = DraftingConfig()
NOW = timedelta(0)
Act = Callable[[Work], Awaitable[object]]


@pytest.fixture
def desk(engine: Engine, clock: FixedClock) -> Desk:
    return open_desk(engine, clock)


def approving(draft: DraftView, *, hold: timedelta = NOW, edit: str | None = None) -> Act:
    async def act(work: Work) -> object:
        return await decisions.approve(
            work, draft.id, Approval(edit=edit), hold=hold, config=CONFIG
        )

    return act


def discarding(draft: DraftView) -> Act:
    async def act(work: Work) -> object:
        return await decisions.discard(work, draft.id)

    return act


def writing(words: str) -> Act:
    async def act(work: Work) -> object:
        return await service.ingest(
            work,
            CustomerMessage("acme", words),
            max_length=1000,
            reopen_window=timedelta(days=14),
        )

    return act


def replying(draft: DraftView) -> Act:
    async def act(work: Work) -> object:
        return await release.post_reply(
            work, draft.conversation_id, "My own answer", hold=NOW, max_length=1000
        )

    return act


def resolving(draft: DraftView) -> Act:
    async def act(work: Work) -> object:
        return await service.resolve(work, draft.conversation_id, force=True)

    return act


@asynccontextmanager
async def second_waits(
    desk: Desk, second: Awaitable[object]
) -> AsyncIterator[asyncio.Task[object]]:
    """Start the second while the first holds its locks; go on once it really waits for them."""
    task = asyncio.ensure_future(second)
    async with asyncio.timeout(5):
        while not await desk.rows(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ):
            assert not task.done(), "the second did not have to wait"
    yield task


async def overtaken(desk: Desk, first: Act, second: Act, *, by: object = MAYA) -> str:
    """The first acts and commits while the second already waits; the second's outcome."""

    async def run_second() -> object:
        async with desk.db.work(ACME if by is ACME else NOOR) as work:
            return await second(work)

    async with desk.db.work(MAYA) as work:
        await first(work)
        # The second must not inherit the first's open transaction from this task's context.
        async with second_waits(desk, _apart(run_second)) as waiting:
            pass
    try:
        await waiting
    except CairnloopError as refusal:
        return refusal.code
    return "done"


def _apart(run: Callable[[], Awaitable[object]]) -> asyncio.Future[object]:
    return contextvars.Context().run(asyncio.ensure_future, run())


async def answers(desk: Desk, draft: DraftView) -> list[str]:
    rows = await desk.rows(
        "SELECT content FROM cairnloop.messages WHERE role = 'agent' AND delivery <> 'retracted'"
        " AND conversation_id = :id ORDER BY sequence",
        id=draft.conversation_id,
    )
    return [row["content"] for row in rows]


@pytest.mark.requirement("03-retrieval-drafting:105")
async def test_the_second_of_two_approvals_is_refused(desk: Desk) -> None:
    draft = await desk.drafted()

    second = await overtaken(desk, approving(draft), approving(draft, edit="Other words"))

    assert second == "draft_already_decided"
    assert await answers(desk, draft) == [draft.customer_reply]
    assert await desk.decisions() == [("approved", "operator maya")]


@pytest.mark.requirement("03-retrieval-drafting:105")
@pytest.mark.parametrize("hold", [0.0, 60.0])
async def test_ten_approvals_at_once_send_one_message(desk: Desk, hold: float) -> None:
    draft = await desk.drafted()

    outcomes_ = await asyncio.gather(
        *(desk.drafting.approve(MAYA, draft.id, hold=hold) for _ in range(10)),
        return_exceptions=True,
    )

    refusals = [one for one in outcomes_ if isinstance(one, BaseException)]
    assert len(refusals) == 9
    assert {getattr(one, "code", one) for one in refusals} <= {
        "draft_already_decided",
        "database_busy",
    }
    assert len(await answers(desk, draft)) == 1
    assert len(await desk.decisions()) == 1


async def test_a_discard_that_waits_behind_an_approval_is_refused(desk: Desk) -> None:
    draft = await desk.drafted()

    assert await overtaken(desk, approving(draft), discarding(draft)) == "draft_already_decided"

    assert len(await answers(desk, draft)) == 1
    assert await desk.statuses() == ["approved"]


async def test_an_approval_that_waits_behind_a_discard_sends_nothing(desk: Desk) -> None:
    draft = await desk.drafted()

    assert await overtaken(desk, discarding(draft), approving(draft)) == "draft_already_decided"

    assert await answers(desk, draft) == []
    assert await desk.statuses() == ["discarded"]


async def test_an_approval_that_waits_behind_a_customer_message_sends_nothing(desk: Desk) -> None:
    draft = await desk.drafted()

    second = await overtaken(desk, writing("Wait, I mean the other one"), approving(draft))

    assert second == "draft_stale"
    assert await answers(desk, draft) == []
    assert (await desk.drafting.draft(MAYA, draft.id)).stale


async def test_a_customer_message_that_waits_behind_an_approval_gets_its_own_draft(
    desk: Desk,
) -> None:
    draft = await desk.drafted()

    second = await overtaken(desk, approving(draft), writing("And another thing"), by=ACME)

    assert second == "done"
    assert await answers(desk, draft) == [draft.customer_reply]
    newer = await desk.draft_for(draft.conversation_id)
    assert newer.grounding.query.startswith("And another thing")


async def test_an_approval_that_waits_behind_a_reply_sends_nothing(desk: Desk) -> None:
    draft = await desk.drafted()

    assert await overtaken(desk, replying(draft), approving(draft)) == "draft_already_decided"

    assert await answers(desk, draft) == ["My own answer"]


@pytest.mark.parametrize("approval_first", [True, False])
async def test_an_approval_and_a_closing_leave_one_truth(desk: Desk, approval_first: bool) -> None:
    draft = await desk.drafted()
    pair = (approving(draft), resolving(draft))

    second = await overtaken(desk, *(pair if approval_first else pair[::-1]))

    assert second == ("done" if approval_first else "draft_already_decided")
    assert len(await answers(desk, draft)) == int(approval_first)


async def test_an_approval_again_that_waits_behind_a_retraction_sends_the_second_time_only(
    desk: Desk,
) -> None:
    draft = await desk.drafted()
    decided = await desk.drafting.approve(MAYA, draft.id, hold=60)

    async def retracting(work: Work) -> object:
        assert decided.message_id is not None
        return await release.retract(work, decided.message_id)

    assert await overtaken(desk, retracting, approving(draft)) == "done"

    assert await answers(desk, draft) == [draft.customer_reply]
    assert [word for word, _ in await desk.decisions()] == ["approved", "retracted", "approved"]


async def test_a_retraction_behind_the_release_leaves_the_draft_sent(
    desk: Desk, clock: FixedClock
) -> None:
    draft = await desk.drafted()
    decided = await desk.drafting.approve(MAYA, draft.id, hold=60)
    message_id = decided.message_id
    assert message_id is not None
    clock.advance(timedelta(seconds=60))

    async def releasing(work: Work) -> object:
        return await release.release(work, message_id)

    async def retracting(work: Work) -> object:
        return await release.retract(work, message_id)

    assert await overtaken(desk, releasing, retracting) == "already_released"

    assert await desk.statuses() == ["approved"]


@pytest.mark.parametrize("round_", range(6))
async def test_a_storm_of_everything_keeps_the_rules(desk: Desk, round_: int) -> None:
    draft = await desk.drafted()

    async def write() -> object:
        return await desk.customer_writes(f"Again {round_}")

    acts: list[Callable[[], Awaitable[object]]] = [
        lambda: desk.drafting.approve(MAYA, draft.id, hold=0),
        lambda: desk.drafting.approve(NOOR, draft.id, hold=0, even_if_stale=True),
        lambda: desk.drafting.discard(NOOR, draft.id),
        write,
        lambda: desk.drafting.request(MAYA, draft.conversation_id),
        lambda: desk.conversations.resolve(MAYA, draft.conversation_id, force=True),
    ]
    order = acts[round_:] + acts[:round_]
    results = await asyncio.gather(*(act() for act in order), return_exceptions=True)
    assert all(isinstance(one, CairnloopError) for one in results if isinstance(one, Exception))
    await desk.run_due()

    rows = await desk.rows(
        "SELECT (SELECT count(*) FROM cairnloop.messages WHERE draft_id = :id) AS sent,"
        " (SELECT count(*) FROM cairnloop.drafts WHERE status IN ('pending', 'edited')) AS waiting",
        id=draft.id,
    )
    status = (await desk.drafting.draft(MAYA, draft.id)).status.value
    assert rows[0]["sent"] == (1 if status == "approved" else 0)
    assert rows[0]["waiting"] <= 1


async def test_jobs_of_one_question_on_two_connections_record_one_draft(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes()
    clock.advance(timedelta(seconds=5))
    [job] = await desk.waiting_jobs()

    await asyncio.gather(*(desk.drafter.run(job) for _ in range(5)))

    assert await desk.statuses() == ["pending"]
    assert await desk.pending(received.conversation_id) is not None


async def test_a_draft_recorded_behind_a_customer_message_stands_down(
    desk: Desk, clock: FixedClock
) -> None:
    await desk.customer_writes("First question")
    clock.advance(timedelta(seconds=5))
    [job] = await desk.waiting_jobs()

    async def run_job() -> None:
        await desk.drafter.run(job)

    async with desk.db.work(ACME) as work:
        await writing("Second question")(work)
        async with second_waits(desk, _apart(run_job)) as waiting:
            pass
    await waiting

    assert await desk.statuses() == []


async def test_a_reply_taken_back_between_reading_and_recording_does_not_lose_the_draft(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes()
    replied = await desk.conversations.reply(MAYA, received.conversation_id, "Mine", hold=60)
    clock.advance(timedelta(seconds=5))
    [job] = await desk.waiting_jobs()

    async def run_job() -> None:
        await desk.drafter.run(job)

    async with desk.db.work(MAYA) as work:
        await release.retract(work, replied.message_id)
        # The job still reads a reply on its way, and waits for the lock to say so.
        async with second_waits(desk, _apart(run_job)) as waiting:
            pass
    await waiting
    await desk.run_due()

    assert await desk.statuses() == ["pending"]
