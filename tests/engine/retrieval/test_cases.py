"""Resolved conversations as evidence: indexed when closed, gone when opened, never personal."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, NotFound, Settings, Unavailable
from cairnloop_engine.conversations import service
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.jobs import JobContext
from cairnloop_engine.retrieval import case_jobs, cases
from cairnloop_engine.retrieval.case_jobs import LOST_AFTER
from cairnloop_engine.retrieval.case_texts import ACTIONS, ISSUE, RESOLUTION, tell
from cairnloop_engine.retrieval.cases import INDEX_CASE_TASK
from cairnloop_engine.retrieval.ports import Answer, EmbedderRecord, Purpose
from cairnloop_engine.wiring import HostParts
from tests.engine.retrieval.desk import MAYA, Scripted, index, publish
from tests.fakes import FixedClock

ACME = Caller.customer("acme")
ISSUE_WORDS = "My API key leaked, mail jane@example.com"


@pytest.fixture
def engine(scripted: Engine) -> Engine:
    """The sentence model has no part in these tests."""
    return scripted


async def answered(
    engine: Engine,
    *answers: str,
    subject: str | None = "Leaked key",
    words: str = ISSUE_WORDS,
    workspace: str = "default",
) -> ConversationId:
    """A conversation in which an agent answered."""
    received = await engine.conversations.ingest(
        Caller.customer("acme", workspace),
        customer_ref="acme",
        text=words,
        subject=subject,
        start_new=True,
    )
    for answer in answers or ("Which key is it?", "Revoke it under Settings."):
        await engine.conversations.reply(
            Caller.operator("maya", workspace), received.conversation_id, answer, hold=0
        )
    return received.conversation_id


async def resolved(engine: Engine, *answers: str, **given: Any) -> ConversationId:
    """A conversation that was answered and closed, and not indexed yet."""
    conversation_id = await answered(engine, *answers, **given)
    workspace = given.get("workspace", "default")
    await engine.conversations.resolve(Caller.operator("maya", workspace), conversation_id)
    return conversation_id


async def rows(engine: Engine, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    async with engine.db.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement), values)]


async def jobs(engine: Engine) -> list[JobContext]:
    """Every index job of a case that waits, oldest first."""
    found = await rows(
        engine,
        "SELECT id, args FROM public.procrastinate_jobs"
        " WHERE task_name = :task AND status = 'todo' ORDER BY id",
        task=INDEX_CASE_TASK,
    )
    return [JobContext(args, job_id, 1) for job_id, args in found]


async def run(engine: Engine, job: JobContext) -> None:
    await engine._wired.tasks[INDEX_CASE_TASK].run(job)


async def sweep(engine: Engine, name: str) -> None:
    [duty] = [one for one in engine._wired.sweeps if one.name == name]
    await duty.run()


async def indexed(engine: Engine) -> list[ConversationId]:
    found = await rows(engine, "SELECT conversation_id FROM cairnloop.resolved_cases ORDER BY 1")
    return [ConversationId(row[0]) for row in found]


async def stored(engine: Engine) -> tuple[int, int, int, int]:
    """How many cases, passages, documents and vectors there are."""
    ((cases_, chunks, documents, vectors),) = await rows(
        engine,
        "SELECT (SELECT count(*) FROM cairnloop.resolved_cases),"
        " (SELECT count(*) FROM cairnloop.case_chunks),"
        " (SELECT count(*) FROM cairnloop.search_docs WHERE case_id IS NOT NULL),"
        " (SELECT count(*) FROM cairnloop.search_vectors)",
    )
    return cases_, chunks, documents, vectors


STATISTICS = (
    "SELECT n_docs, sum_title, sum_body, ARRAY(SELECT lexeme || ' ' || n_docs"
    " FROM cairnloop.search_lexemes l WHERE l.corpus_id = c.id ORDER BY 1)"
    " FROM cairnloop.search_corpora c WHERE source_type = 'resolved_case'"
    " AND workspace = 'default'"
)


async def assert_exact(engine: Engine, *, n_docs: int) -> None:
    """The statistics are what the rows say."""
    before = await rows(engine, STATISTICS)
    async with engine.db.work(MAYA) as work:
        await cases.recount(work)
    assert before == await rows(engine, STATISTICS)
    assert before[0][0] == n_docs


@pytest.mark.requirement("03-retrieval-drafting:29")
async def test_closing_asks_for_the_index_in_its_own_transaction(engine: Engine) -> None:
    conversation_id = await answered(engine)

    with pytest.raises(ZeroDivisionError):
        async with engine.db.work(MAYA) as work:
            await service.resolve(work, conversation_id)
            raise ZeroDivisionError
    taken_back = await jobs(engine)
    await engine.conversations.resolve(MAYA, conversation_id)

    assert taken_back == []
    assert [job.args["conversation_id"] for job in await jobs(engine)] == [conversation_id]


@pytest.mark.requirement("03-retrieval-drafting:30")
@pytest.mark.requirement("03-retrieval-drafting:31")
async def test_a_closed_thread_becomes_a_redacted_case_with_passages_and_vectors(
    engine: Engine, clock: FixedClock
) -> None:
    await publish(engine, "Keys", "Press revoke")
    conversation_id = await resolved(engine)

    await index(engine)

    [case] = await rows(
        engine,
        "SELECT id, conversation_id, subject, issue_summary, resolution_note, actions_taken,"
        " cardinality(message_ids), resolved_at, workspace FROM cairnloop.resolved_cases",
    )
    assert case[1:] == (
        conversation_id,
        "Leaked key",
        "My API key leaked, mail [redacted-email]",
        "Revoke it under Settings.",
        ["Which key is it?"],
        3,
        clock.now(),
        "default",
    )
    chunks = await rows(
        engine, "SELECT case_id, position, heading FROM cairnloop.case_chunks ORDER BY position"
    )
    assert chunks == [
        (case[0], 0, ISSUE),
        (case[0], 1, RESOLUTION),
        (case[0], 2, ACTIONS),
    ]
    assert await rows(engine, "SELECT count(*) FROM cairnloop.chunks") == [(1,)]
    slots = await rows(
        engine,
        "SELECT slot, v.chunk_id IS NOT NULL, c.id = v.chunk_id FROM cairnloop.search_vectors v"
        " JOIN cairnloop.search_docs d ON d.id = v.doc_id AND d.case_id IS NOT NULL"
        " LEFT JOIN cairnloop.case_chunks c ON c.id = v.chunk_id ORDER BY slot, v.position",
    )
    assert slots == [(0, False, None), (1, False, None), *[(2, True, True)] * 3]
    everything = await rows(engine, "SELECT lexeme FROM cairnloop.search_postings")
    assert not any("jane" in row[0] for row in everything)
    await assert_exact(engine, n_docs=1)


@pytest.mark.requirement("03-retrieval-drafting:32")
async def test_closing_again_replaces_what_the_case_told(engine: Engine) -> None:
    conversation_id = await resolved(engine, "Revoke it.")
    await index(engine)
    before = await rows(engine, "SELECT id FROM cairnloop.case_chunks")
    await engine.conversations.reopen(MAYA, conversation_id)
    await engine.conversations.reply(MAYA, conversation_id, "Rotate it instead.", hold=0)
    await engine.conversations.resolve(MAYA, conversation_id)
    await index(engine)

    after = await rows(engine, "SELECT id, content FROM cairnloop.case_chunks ORDER BY position")
    assert [content for _, content in after][1:] == ["Rotate it instead.", "Revoke it."]
    assert not {row[0] for row in before} & {row[0] for row in after}
    await assert_exact(engine, n_docs=1)


@pytest.mark.requirement("03-retrieval-drafting:33")
async def test_a_conversation_that_is_not_there_is_refused_and_not_tried_again(
    engine: Engine,
) -> None:
    async with engine.db.work(MAYA) as work:
        await work.enqueue(cases.index_job("default", ConversationId(4711)))
    [job] = await jobs(engine)

    with pytest.raises(NotFound) as refused:
        await run(engine, job)
    await index(engine)

    assert refused.value.code == "conversation_not_found"
    assert await jobs(engine) == []
    assert await rows(engine, "SELECT count(*) FROM cairnloop.dead_letters") == [(0,)]


async def test_notes_and_replies_that_never_arrived_are_no_evidence(engine: Engine) -> None:
    conversation_id = await answered(engine, "Revoke it.")
    await engine.conversations.note(MAYA, conversation_id, "canary of a note")
    held = await engine.conversations.reply(MAYA, conversation_id, "canary taken back", hold=60)
    await engine.conversations.retract(MAYA, held.message_id)
    await engine.conversations.resolve(MAYA, conversation_id)
    await index(engine)

    [(told,)] = await rows(engine, "SELECT c::text FROM cairnloop.resolved_cases c")
    words = await rows(engine, "SELECT lexeme FROM cairnloop.search_postings")
    assert "Revoke it." in told
    assert "canary" not in told
    assert ("canari",) not in words


async def test_a_thread_that_nobody_answered_is_no_case(engine: Engine) -> None:
    received = await engine.conversations.ingest(ACME, customer_ref="acme", text="Hello?")
    await engine.conversations.note(MAYA, received.conversation_id, "Spam.")
    await engine.conversations.resolve(MAYA, received.conversation_id)
    await index(engine)

    assert await stored(engine) == (0, 0, 0, 0)


async def test_a_reply_that_was_on_its_way_when_the_thread_was_closed_makes_the_case(
    engine: Engine, clock: FixedClock
) -> None:
    received = await engine.conversations.ingest(ACME, customer_ref="acme", text="Which plan?")
    await engine.conversations.reply(MAYA, received.conversation_id, "Team.", hold=60)
    await engine.conversations.resolve(MAYA, received.conversation_id, force=True)
    await index(engine)
    before = await indexed(engine)

    clock.advance(timedelta(seconds=61))
    await sweep(engine, "release overdue replies")
    await index(engine)

    assert before == []
    assert await indexed(engine) == [received.conversation_id]


async def test_opening_takes_the_case_away_in_the_same_transaction(engine: Engine) -> None:
    conversation_id = await resolved(engine)
    other = await resolved(engine, words="Another matter")
    await index(engine)

    with pytest.raises(ZeroDivisionError):
        async with engine.db.work(MAYA) as work:
            await service.reopen(work, conversation_id)
            raise ZeroDivisionError
    kept = await indexed(engine)
    # The customer writes again: that opens it as well.
    await engine.conversations.ingest(
        ACME, customer_ref="acme", text="It leaked again", conversation_id=conversation_id
    )

    assert kept == [conversation_id, other]
    assert await indexed(engine) == [other]
    assert await stored(engine) == (1, 3, 1, 5)
    await assert_exact(engine, n_docs=1)


async def test_archiving_keeps_a_case_and_makes_none(engine: Engine) -> None:
    conversation_id = await resolved(engine)
    await engine.conversations.archive(MAYA, conversation_id)
    unresolved = await answered(engine)
    await engine.conversations.archive(MAYA, unresolved)
    await index(engine)
    archived = await indexed(engine)

    await engine.conversations.reopen(MAYA, conversation_id)
    await engine.conversations.reopen(MAYA, unresolved)
    await engine.conversations.archive(MAYA, conversation_id)
    await index(engine)

    assert archived == [conversation_id]
    assert await indexed(engine) == []


async def test_running_the_job_again_changes_and_embeds_nothing(
    engine: Engine, embedder: Scripted
) -> None:
    await resolved(engine)
    [job] = await jobs(engine)
    await run(engine, job)
    before = await rows(engine, "SELECT id FROM cairnloop.case_chunks")
    asked = len(embedder.asked)

    await run(engine, job)
    await index(engine)

    assert await rows(engine, "SELECT id FROM cairnloop.case_chunks") == before
    assert len(embedder.asked) == asked == 1
    await assert_exact(engine, n_docs=1)


async def test_a_thread_that_moved_on_since_it_was_read_is_left_alone(engine: Engine) -> None:
    conversation_id = await resolved(engine)
    async with engine.db.read(MAYA) as read:
        stale = await cases.source(read, conversation_id, nothing_done)
    told = tell(stale.subject, stale.spoken)
    await engine.conversations.reopen(MAYA, conversation_id)
    async with engine.db.work(MAYA) as work:
        assert await cases.write(work, stale, told, language="english") is None
    reopened = await indexed(engine)

    await engine.conversations.resolve(MAYA, conversation_id)
    await index(engine)
    async with engine.db.work(MAYA) as work:
        # What was read while it was open must not take away what is closed by now.
        assert await cases.write(work, stale, None, language="english") is None

    assert reopened == []
    assert await indexed(engine) == [conversation_id]


class Meanwhile:
    """An embedder that lets something happen while it works."""

    record = EmbedderRecord("meanwhile", 4, 0.65, None, "an embedder that takes a while")

    def __init__(self) -> None:
        self.happen: Callable[[], Coroutine[Any, Any, object]] | None = None

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Answer:
        happen, self.happen = self.happen, None
        if happen is not None:
            await contextvars.Context().run(asyncio.ensure_future, happen())
        return [[1.0, float(len(one)), 0.0, 1.0] for one in texts]


async def test_opening_while_the_vectors_are_made_wins(
    settings: Settings, clock: FixedClock
) -> None:
    embedder = Meanwhile()
    async with Engine(settings, clock=clock, host=HostParts(embedder=embedder)) as engine:
        conversation_id = await resolved(engine)
        embedder.happen = lambda: engine.conversations.reopen(MAYA, conversation_id)
        await index(engine)

        assert await stored(engine) == (0, 0, 0, 0)


async def test_vectors_of_a_text_that_was_replaced_meanwhile_are_dropped(
    settings: Settings, clock: FixedClock
) -> None:
    embedder = Meanwhile()
    async with Engine(settings, clock=clock, host=HostParts(embedder=embedder)) as engine:
        conversation_id = await resolved(engine)
        [job] = await jobs(engine)

        async def closed_again_with_another_answer() -> None:
            await engine.conversations.reopen(MAYA, conversation_id)
            await engine.conversations.reply(MAYA, conversation_id, "Rotate it.", hold=0)
            await engine.conversations.resolve(MAYA, conversation_id)
            await run(engine, (await jobs(engine))[-1])

        embedder.happen = closed_again_with_another_answer
        await run(engine, job)

        wrong = await rows(
            engine,
            "SELECT count(*) FROM cairnloop.search_vectors v WHERE slot = 2 AND NOT EXISTS"
            " (SELECT 1 FROM cairnloop.case_chunks c WHERE c.id = v.chunk_id)",
        )
        note = await rows(engine, "SELECT resolution_note FROM cairnloop.resolved_cases")
        assert wrong == [(0,)]
        assert note == [("Rotate it.",)]
        assert await stored(engine) == (1, 3, 1, 5)


async def test_an_embedder_that_is_away_leaves_the_words_and_is_asked_again(
    engine: Engine, embedder: Scripted, clock: FixedClock
) -> None:
    embedder.error = Unavailable("embedder_unavailable", "away")
    await resolved(engine)
    await index(engine)
    without = await stored(engine)
    async with engine.db.engine.begin() as connection:
        await connection.execute(text("TRUNCATE public.procrastinate_jobs CASCADE"))
    embedder.error = None

    await sweep(engine, "embed cases that lack vectors")
    too_early = await jobs(engine)
    clock.advance(LOST_AFTER + timedelta(seconds=1))
    await sweep(engine, "embed cases that lack vectors")
    await sweep(engine, "embed cases that lack vectors")
    queued = await jobs(engine)
    await index(engine)

    assert without == (1, 3, 1, 0)
    assert (too_early, len(queued)) == ([], 1)
    assert await stored(engine) == (1, 3, 1, 5)


async def test_vectors_that_could_not_be_made_are_replayed_once(
    engine: Engine, embedder: Scripted
) -> None:
    embedder.answer = []
    await resolved(engine)
    await index(engine)
    without = await stored(engine)
    failed = await rows(engine, "SELECT vectors_error FROM cairnloop.search_docs")
    embedder.answer = None

    first = await engine.retrieval.replay_failed(MAYA)
    second = await engine.retrieval.replay_failed(MAYA)
    await index(engine)

    assert (without, failed) == ((1, 3, 1, 0), [("embedder_answer_invalid",)])
    assert [(one.n_queued, one.n_cases) for one in (first, second)] == [(0, 1), (0, 0)]
    assert await stored(engine) == (1, 3, 1, 5)
    assert await rows(engine, "SELECT vectors_error FROM cairnloop.search_docs") == [(None,)]


async def test_another_model_embeds_beside_the_older_one(
    engine: Engine, settings: Settings, clock: FixedClock
) -> None:
    await resolved(engine)
    await index(engine)
    chunks = await rows(engine, "SELECT id FROM cairnloop.case_chunks")

    async with Engine(settings, clock=clock, host=HostParts(embedder=Meanwhile())) as other:
        clock.advance(LOST_AFTER + timedelta(seconds=1))
        await sweep(other, "embed cases that lack vectors")
        await index(other)

    models = "SELECT model_id, count(*) FROM cairnloop.search_vectors GROUP BY 1 ORDER BY 1"
    assert await rows(engine, models) == [("meanwhile", 5), ("scripted", 5)]
    assert await rows(engine, "SELECT id FROM cairnloop.case_chunks") == chunks


async def test_what_was_resolved_earlier_is_found_once_in_the_life_of_a_worker(
    engine: Engine, clock: FixedClock
) -> None:
    earlier = await resolved(engine)
    elsewhere = await resolved(engine, workspace="elsewhere")
    unanswered = await engine.conversations.ingest(
        Caller.customer("other"), customer_ref="other", text="Hello?"
    )
    await engine.conversations.resolve(MAYA, unanswered.conversation_id)
    async with engine.db.engine.begin() as connection:
        await connection.execute(text("TRUNCATE public.procrastinate_jobs CASCADE"))
    clock.advance(LOST_AFTER + timedelta(seconds=1))
    recent = await answered(engine, words="Another matter")
    await engine.conversations.resolve(MAYA, recent)

    await sweep(engine, "index earlier cases")
    await sweep(engine, "index earlier cases")

    asked = [(job.workspace, job.args["conversation_id"]) for job in await jobs(engine)]
    await index(engine)
    assert asked == [("default", recent), ("default", earlier), ("elsewhere", elsewhere)]
    assert await indexed(engine) == [earlier, elsewhere, recent]
    await assert_exact(engine, n_docs=2)


async def test_a_rebuild_of_cases_makes_words_and_statistics_anew(engine: Engine) -> None:
    conversation_id = await resolved(engine)
    not_yet = await resolved(engine, words="Another matter")
    elsewhere = await resolved(engine, workspace="elsewhere")
    await index(engine)
    async with engine.db.engine.begin() as connection:
        await connection.execute(text("DELETE FROM cairnloop.search_postings"))
        await connection.execute(text("DELETE FROM cairnloop.search_vectors"))
        await connection.execute(
            text("DELETE FROM cairnloop.resolved_cases WHERE conversation_id = :id"),
            {"id": not_yet},
        )
    async with engine.db.read(MAYA) as read:
        wanted = await cases.everything(read)
    rebuilt = await engine.retrieval.rebuild(MAYA)
    await index(engine)

    assert wanted == [conversation_id, not_yet]
    assert (rebuilt.n_queued, rebuilt.n_cases) == (0, 2)
    assert elsewhere in await indexed(engine)
    assert await stored(engine) == (3, 9, 3, 10)
    await assert_exact(engine, n_docs=2)
    [event] = [
        one
        for one in (await engine.audit.events(MAYA)).items
        if one.action == "retrieval.rebuild_requested"
    ]
    assert event.actor == "maya"


async def nothing_done(read: Read, conversation_id: ConversationId) -> tuple[str, ...]:
    """A desk without governed actions."""
    return ()


async def test_what_was_done_for_the_customer_is_told_by_whoever_knows(engine: Engine) -> None:
    conversation_id = await resolved(engine)
    [job] = await jobs(engine)

    async def done(read: Read, asked: ConversationId) -> tuple[str, ...]:
        return (f"Refund: 82.00 EUR in conversation {asked}, told jane@example.com",)

    [spec] = case_jobs.tasks(
        engine.db, engine.retrieval.embedding, engine.retrieval.config, actions=done
    )
    await spec.run(job)

    assert await rows(engine, "SELECT actions_taken FROM cairnloop.resolved_cases") == [
        ([f"Refund: 82.00 EUR in conversation {conversation_id}, told [redacted-email]"],)
    ]


async def test_erasing_a_conversation_after_its_case_leaves_nothing(engine: Engine) -> None:
    conversation_id = await resolved(engine)
    await index(engine)

    async with engine.db.work(MAYA) as work:
        await cases.remove(work, conversation_id)
        await cases.remove(work, conversation_id)
        await work.session.execute(
            text("DELETE FROM cairnloop.conversations WHERE id = :id"), {"id": conversation_id}
        )

    assert await stored(engine) == (0, 0, 0, 0)
    assert await rows(engine, "SELECT count(*) FROM cairnloop.search_postings") == [(0,)]
    await assert_exact(engine, n_docs=0)
