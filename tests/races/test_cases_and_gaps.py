"""Two connections at one case, or at one question that found nothing: one winner, none doubled."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from cairnloop_engine import Engine, Settings
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.jobs import JobContext
from cairnloop_engine.retrieval import cases
from cairnloop_engine.retrieval.cases import INDEX_CASE_TASK
from cairnloop_engine.retrieval.gap_model import UiSurface
from cairnloop_engine.retrieval.gaps import REPEATED_WITHIN
from cairnloop_engine.retrieval.model import Grounding, GroundingStatus, Reason, SearchResult
from tests.builders import MAYA, answered_conversation, resolved_conversation
from tests.fakes import FixedClock

NOTHING = SearchResult(
    "refund policy",
    (),
    Grounding(GroundingStatus.ESCALATION, Reason.NO_CANONICAL_RESULTS, 0.0),
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.with_changes(embedder="hashing")


async def indexing(engine: Engine, conversation_id: ConversationId) -> None:
    args = cases.index_job("default", conversation_id).args
    await engine._wired.tasks[INDEX_CASE_TASK].run(JobContext(args, 1, 1))


async def state(engine: Engine) -> tuple[int, int, int, int]:
    """Cases, documents, vectors of passages that are gone, and what the statistics are off by."""
    async with engine.db.work(MAYA) as work:
        lock = await work.session.execute(
            text(
                "SELECT (SELECT count(*) FROM cairnloop.resolved_cases),"
                " (SELECT count(*) FROM cairnloop.search_docs),"
                " (SELECT count(*) FROM cairnloop.search_vectors v WHERE slot = 2 AND NOT EXISTS"
                "   (SELECT 1 FROM cairnloop.case_chunks c WHERE c.id = v.chunk_id)),"
                " coalesce((SELECT c.sum_body FROM cairnloop.search_corpora c), 0)"
                "   - coalesce((SELECT sum(tf_body) FROM cairnloop.search_postings), 0)"
            )
        )
        row = lock.one()
        return row[0], row[1], row[2], row[3]


@pytest.mark.parametrize("round_", range(6))
async def test_an_index_job_and_an_opening_leave_no_case_of_an_open_thread(
    engine: Engine, round_: int
) -> None:
    conversation_id = await resolved_conversation(engine)
    if round_ >= 3:
        await indexing(engine, conversation_id)
    runs = [
        indexing(engine, conversation_id),
        engine.conversations.reopen(MAYA, conversation_id),
        indexing(engine, conversation_id),
    ]

    await asyncio.gather(*(runs if round_ % 2 else reversed(runs)))

    assert await state(engine) == (0, 0, 0, 0)


async def test_two_closings_at_once_and_two_index_jobs_at_once_make_one_case(
    engine: Engine,
) -> None:
    conversation_id = await answered_conversation(engine)
    await asyncio.gather(*(engine.conversations.resolve(MAYA, conversation_id) for _ in range(5)))
    async with engine.db.read(MAYA) as read:
        queued = await read.session.scalar(
            text("SELECT count(*) FROM public.procrastinate_jobs WHERE task_name = :task"),
            {"task": INDEX_CASE_TASK},
        )

    await asyncio.gather(*(indexing(engine, conversation_id) for _ in range(4)))

    assert queued == 1
    assert await state(engine) == (1, 1, 0, 0)


async def test_cases_of_many_threads_at_once_keep_the_statistics_exact(engine: Engine) -> None:
    ids = [await resolved_conversation(engine, customer_ref=f"customer-{n}") for n in range(8)]
    await asyncio.gather(*(indexing(engine, one) for one in ids))

    await asyncio.gather(
        *(engine.conversations.reopen(MAYA, one) for one in ids[:4]),
        *(indexing(engine, one) for one in ids[4:]),
    )

    assert await state(engine) == (4, 4, 0, 0)


async def test_twenty_screens_that_find_nothing_are_one_event(
    engine: Engine, clock: FixedClock
) -> None:
    async def note() -> object:
        return await engine.gaps.note_search(MAYA, NOTHING, ui_surface=UiSurface.INBOX)

    first = await asyncio.gather(*(note() for _ in range(20)))
    clock.advance(REPEATED_WITHIN + timedelta(seconds=1))
    second = await asyncio.gather(*(note() for _ in range(20)))

    events = (await engine.gaps.recent(MAYA)).items
    assert (len(set(first)), len(set(second))) == (1, 1)
    assert [(event.id, event.occurrences) for event in events] == [
        (second[0], 20),
        (first[0], 20),
    ]
