"""The index follows what is published: words at once, vectors soon, nothing of the past."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Invalid, Settings
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.retrieval.identifiers import MARK
from cairnloop_engine.retrieval.jobs import LOST_AFTER
from tests.engine.retrieval.desk import (
    MAYA,
    Remembering,
    Scripted,
    duty,
    index,
    publish,
    stock,
)
from tests.fakes import FixedClock


async def statistics(engine: Engine) -> tuple[object, ...]:
    """What is stored about words, and what the postings say it should be."""
    async with engine.db.read(MAYA) as read:
        q = read.qualified
        rows = await read.session.execute(
            text(
                f"""
                SELECT c.n_docs, c.sum_title, c.sum_body,
                  (SELECT count(*) FROM {q("search_docs")} d WHERE d.corpus_id = c.id),
                  (SELECT coalesce(sum(tf_title), 0) FROM {q("search_postings")} p
                    WHERE p.corpus_id = c.id AND NOT starts_with(p.lexeme, '{MARK}')),
                  (SELECT coalesce(sum(tf_body), 0) FROM {q("search_postings")} p
                    WHERE p.corpus_id = c.id AND NOT starts_with(p.lexeme, '{MARK}')),
                  (SELECT count(*) FROM (
                    (SELECT lexeme, n_docs FROM {q("search_lexemes")} WHERE corpus_id = c.id)
                    EXCEPT
                    (SELECT lexeme, count(*) FROM {q("search_postings")}
                      WHERE corpus_id = c.id GROUP BY lexeme)) wrong),
                  (SELECT count(*) FROM {q("search_postings")} p
                    LEFT JOIN {q("search_lexemes")} l USING (corpus_id, lexeme)
                    WHERE l.lexeme IS NULL)
                FROM {q("search_corpora")} c WHERE c.workspace = 'default'
                """
            )
        )
        return tuple(rows.one())


def assert_exact(found: tuple[object, ...], *, n_docs: int) -> None:
    n_stored, sum_title, sum_body, n_actual, titles, bodies, wrong, unknown = found
    assert (n_stored, n_actual) == (n_docs, n_docs)
    assert (sum_title, sum_body) == (titles, bodies)
    assert (wrong, unknown) == (0, 0)


async def vectors(engine: Engine, article_id: ArticleId) -> list[tuple[str, int]]:
    async with engine.db.read(MAYA) as read:
        rows = await read.session.execute(
            text(
                f"SELECT v.model_id, v.slot FROM {read.qualified('search_vectors')} v"
                f" JOIN {read.qualified('search_docs')} d ON d.id = v.doc_id"
                " WHERE d.article_id = :article_id ORDER BY v.slot, v.position"
            ),
            {"article_id": article_id},
        )
        return [(row.model_id, row.slot) for row in rows]


async def rewrite(engine: Engine, article_id: ArticleId, body: str) -> None:
    view = await engine.knowledge.article(MAYA, article_id)
    await engine.knowledge.save_draft(MAYA, article_id, body, expected_version=view.edit_version)
    await engine.knowledge.publish(MAYA, article_id)


async def sweep(engine: Engine) -> None:
    await duty(engine, "index what is missing")


async def test_vectors_follow_a_publication(engine: Engine) -> None:
    article_id = await publish(engine, "Keys", "## A\nOne\n## B\nTwo")
    before = await engine.retrieval.status(MAYA)

    await index(engine)

    after = await engine.retrieval.status(MAYA)
    assert (before.n_pending, after.n_pending, after.n_ready) == (1, 0, 1)
    assert [slot for _, slot in await vectors(engine, article_id)] == [0, 1, 2, 2]
    assert (await engine.knowledge.article(MAYA, article_id)).indexed
    assert after.healthy


async def test_the_index_job_run_twice_changes_nothing(engine: Engine, minilm: Remembering) -> None:
    article_id = await publish(engine, "Keys", "## A\nOne")
    await index(engine)
    before = await vectors(engine, article_id)

    await engine.retrieval.rebuild(MAYA, article_ids=[article_id])
    await index(engine)

    assert await vectors(engine, article_id) == before
    assert_exact(await statistics(engine), n_docs=1)


async def test_publishing_again_drops_the_vectors_of_the_older_text_at_once(
    engine: Engine,
) -> None:
    article_id = await publish(engine, "Keys", "## A\nOne\n## B\nTwo")
    await index(engine)

    await rewrite(engine, article_id, "Only one passage now")
    at_once = await vectors(engine, article_id)
    await index(engine)

    assert at_once == []
    assert [slot for _, slot in await vectors(engine, article_id)] == [0, 1, 2]


async def test_statistics_stay_exact_through_edits_and_archiving(engine: Engine) -> None:
    ids = list((await stock(engine)).values())
    await rewrite(engine, ids[0], "Entirely other words about settings")
    await engine.knowledge.archive(MAYA, ids[1])

    assert_exact(await statistics(engine), n_docs=3)


async def test_statistics_stay_exact_when_many_publish_at_once(engine: Engine) -> None:
    saved = [
        await engine.knowledge.create(MAYA, f"Article {n}", f"Common words and number {n}")
        for n in range(12)
    ]

    await asyncio.gather(*(engine.knowledge.publish(MAYA, s.article_id) for s in saved))
    await asyncio.gather(
        *(engine.knowledge.archive(MAYA, s.article_id) for s in saved[:4]),
        *(rewrite(engine, s.article_id, "Words of a second version") for s in saved[4:8]),
    )

    assert_exact(await statistics(engine), n_docs=8)


async def test_an_article_archived_before_its_vectors_is_not_indexed(engine: Engine) -> None:
    article_id = await publish(engine, "Keys", "Text")
    await engine.knowledge.archive(MAYA, article_id)

    await index(engine)

    assert await vectors(engine, article_id) == []
    assert (await engine.retrieval.status(MAYA)).n_documents == 0


@pytest.mark.requirement("03-retrieval-drafting:100")
@pytest.mark.parametrize(
    "answer", [[], [[1.0, 0.0]] * 3, [[float("nan")] * 4] * 3, [[0.0] * 4] * 3]
)
async def test_a_broken_answer_changes_no_vector_and_is_told(
    scripted: Engine, embedder: Scripted, answer: list[list[float]]
) -> None:
    article_id = await publish(scripted, "Keys", "Press revoke")
    await index(scripted)
    before = await vectors(scripted, article_id)
    embedder.answer = answer

    await scripted.retrieval.rebuild(MAYA, article_ids=[article_id])
    await index(scripted)

    status = await scripted.retrieval.status(MAYA)
    assert len(before) == 3
    assert await vectors(scripted, article_id) == before
    assert [(f.article_id, f.code) for f in status.failures] == [
        (article_id, "embedder_answer_invalid")
    ]
    found = await scripted.retrieval.search(MAYA, "revoke")
    assert [hit.article_id for hit in found.items] == [article_id]


async def test_a_lost_job_is_asked_for_again_once(engine: Engine, clock: FixedClock) -> None:
    article_id = await publish(engine, "Keys", "Press revoke")
    async with engine.db.engine.begin() as connection:
        await connection.execute(text("TRUNCATE public.procrastinate_jobs CASCADE"))

    await sweep(engine)
    await index(engine)
    too_early = await vectors(engine, article_id)
    clock.advance(LOST_AFTER + timedelta(seconds=1))
    await sweep(engine)
    await sweep(engine)

    async with engine.db.read(MAYA) as read:
        queued = await read.session.scalar(
            text("SELECT count(*) FROM public.procrastinate_jobs WHERE status = 'todo'")
        )
    await index(engine)
    assert too_early == []
    assert queued == 1
    assert len(await vectors(engine, article_id)) == 3


async def test_a_rebuild_makes_words_and_vectors_anew(engine: Engine) -> None:
    await stock(engine)
    await index(engine)
    async with engine.db.work(MAYA) as work:
        for table in ("search_postings", "search_lexemes", "search_vectors"):
            await work.session.execute(text(f"DELETE FROM {work.qualified(table)}"))
        await work.session.execute(
            text(
                f"UPDATE {work.qualified('search_corpora')}"
                " SET n_docs = 77, sum_title = 5, sum_body = 5"
            )
        )
        await work.session.execute(
            text(f"UPDATE {work.qualified('search_docs')} SET len_title = 0, len_body = 0")
        )

    rebuilt = await engine.retrieval.rebuild(MAYA)
    await index(engine)

    assert rebuilt.n_queued == 4
    assert_exact(await statistics(engine), n_docs=4)
    assert (await engine.retrieval.search(MAYA, "How do I reset my API key?")).grounding.may_reply


async def test_an_empty_selection_rebuilds_nothing(engine: Engine) -> None:
    await stock(engine)

    with pytest.raises(Invalid) as refused:
        await engine.retrieval.rebuild(MAYA, article_ids=[])

    assert refused.value.code == "nothing_selected"


async def test_pending_vectors_without_a_worker_become_a_problem(
    engine: Engine, clock: FixedClock
) -> None:
    await stock(engine)
    at_first = await engine.retrieval.status(MAYA)

    clock.advance(timedelta(minutes=6))

    later = await engine.retrieval.status(MAYA)
    assert at_first.problems == ()
    assert [p.code for p in later.problems] == ["vectors_pending"]
    assert (await engine.retrieval.status(Caller.operator("x", "elsewhere"))).n_documents == 0


WORKER = """
import asyncio, sys
from cairnloop_engine import Engine, Settings

async def main():
    settings = Settings.load(database_url=sys.argv[1], embedder="hashing")
    async with Engine(settings) as engine:
        await engine.run_worker(queues=["indexing"], drain=True)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_a_worker_killed_between_words_and_vectors_loses_nothing(
    own_database: str, home: Path, clock: FixedClock
) -> None:
    settings = Settings.load(database_url=own_database, home=home, embedder="hashing")
    async with Engine(settings, clock=clock) as engine:
        article_id = await publish(engine, "Keys", "Press revoke")
        doomed = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WORKER,
            own_database,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "CAIRNLOOP_CRASH_AT": "retrieval.vectors_made"},
        )
        async with asyncio.timeout(60):
            assert await doomed.wait() == -signal.SIGKILL
        found = await engine.retrieval.search(MAYA, "revoke")
        left = await vectors(engine, article_id)
        clock.advance(LOST_AFTER + timedelta(seconds=1))
        await sweep(engine)
        await index(engine)

        assert [hit.article_id for hit in found.items] == [article_id]
        assert left == []
        assert len(await vectors(engine, article_id)) == 3
