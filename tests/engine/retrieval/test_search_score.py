"""The statement computes the same numbers as the arithmetic that is written down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, text

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.database import Read
from cairnloop_engine.retrieval import reads
from cairnloop_engine.retrieval.adapters.minilm import MINILM
from cairnloop_engine.retrieval.ranking import (
    Recipe,
    convex,
    inverse_frequency,
    keyword_share,
    term_frequency,
)
from tests.engine.retrieval.desk import MAYA

RECIPE = Recipe()
QUESTION = "How do I reset my API key?"


async def expected_share(read: Read, article_id: int, query: str) -> float:
    """BM25F by the book, from the stored postings and statistics."""
    q = read.qualified
    corpus = (
        await read.session.execute(
            text(f"SELECT n_docs, sum_title, sum_body FROM {q('search_corpora')}")
        )
    ).one()
    lexemes = await read.session.scalar(
        text("SELECT tsvector_to_array(to_tsvector('english', :query))"), {"query": query}
    )
    terms = []
    for lexeme in lexemes or []:
        known = await read.session.scalar(
            text(f"SELECT n_docs FROM {q('search_lexemes')} WHERE lexeme = :l"), {"l": lexeme}
        )
        posting = (
            await read.session.execute(
                text(
                    f"SELECT p.* FROM {q('search_postings')} p JOIN {q('search_docs')} d"
                    " ON d.id = p.doc_id WHERE d.article_id = :a AND p.lexeme = :l"
                ),
                {"a": article_id, "l": lexeme},
            )
        ).one_or_none()
        frequency = 0.0
        if posting is not None:
            frequency = term_frequency(
                RECIPE,
                tf_title=posting.tf_title,
                tf_body=posting.tf_body,
                len_title=posting.len_title,
                len_body=posting.len_body,
                mean_title=corpus.sum_title / corpus.n_docs,
                mean_body=corpus.sum_body / corpus.n_docs,
            )
        terms.append((inverse_frequency(corpus.n_docs, known or 0), frequency))
    return keyword_share(RECIPE, terms)


@pytest.mark.parametrize(
    "query",
    [
        "How do I reset my API key?",
        "invite a colleague to the team",
        "choose settings",
        "key zxqv",
        "the of and",
    ],
)
async def test_the_statement_and_the_arithmetic_agree(stocked: Engine, query: str) -> None:
    found = await stocked.retrieval.search(MAYA, query, limit=10)

    vector = await stocked.retrieval.embedding.query(query)
    async with stocked.db.read(MAYA) as read:
        stored = await read.session.execute(
            text(
                f"SELECT d.article_id, v.slot, CAST(v.embedding AS text)"
                f" FROM {read.qualified('search_vectors')} v"
                f" JOIN {read.qualified('search_docs')} d ON d.id = v.doc_id"
            )
        )
        nearest: dict[int, float] = {}
        for article_id, _, written in stored:
            other = np.array([float(n) for n in written.strip("[]").split(",")])
            cosine = float(vector @ other / np.linalg.norm(other))
            nearest[article_id] = max(cosine, nearest.get(article_id, -1.0))
        for hit in found.items:
            assert hit.article_id is not None
            share = await expected_share(read, hit.article_id, query)
            assert hit.why.bm25_share == pytest.approx(share, abs=1e-9)
            assert hit.why.cosine == pytest.approx(nearest[hit.article_id], abs=2e-3)
            assert hit.score == pytest.approx(convex(0.65, hit.why.cosine, share), abs=1e-6)
    assert len(found.items) == 4


@pytest.mark.requirement("03-retrieval-drafting:113")
@pytest.mark.parametrize("sorting", ["on", "off"])
async def test_a_small_workspace_in_a_large_index_gets_all_its_results(
    stocked: Engine, sorting: str
) -> None:
    """Whether Postgres sorts the workspace's rows or walks the vector index past its neighbours."""
    await crowd(stocked, n_vectors=800)
    vector = await stocked.retrieval.embedding.query(QUESTION)

    async with stocked.db.read(MAYA) as read:
        await read.session.execute(
            text("SELECT set_config('enable_sort', :sorting, true)"), {"sorting": sorting}
        )
        found = await reads.search(
            read,
            reads.Question(QUESTION, vector, 4),
            record=MINILM,
            config=stocked.retrieval.config,
        )

    assert len(found) == 4
    assert all(hit.why.cosine is not None for hit in found)


@pytest.mark.requirement("03-retrieval-drafting:113")
async def test_both_arms_read_an_index(stocked: Engine) -> None:
    """The postings are the inverted index here: theirs takes the place of a GIN index."""
    await crowd(stocked, n_vectors=800)
    vector = await stocked.retrieval.embedding.query(QUESTION)
    sent: list[tuple[str, Any]] = []

    def remember(*given: Any) -> None:
        sent.append((given[2], given[3]))

    sql = stocked.db.engine.sync_engine
    event.listen(sql, "before_cursor_execute", remember)
    try:
        async with stocked.db.read(MAYA) as read:
            await reads.search(
                read,
                reads.Question(QUESTION, vector, 4),
                record=MINILM,
                config=stocked.retrieval.config,
            )
    finally:
        event.remove(sql, "before_cursor_execute", remember)
    [(statement, values)] = [one for one in sent if "by_vector" in one[0]]
    async with stocked.db.engine.connect() as connection:
        # In a table this small, sorting all of the workspace's rows is the better plan.
        await connection.execute(text("SET LOCAL enable_sort = off"))
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", values)
        plan = "\n".join(row[0] for row in rows)

    assert "ix_search_vectors_minilm_int8" in plan
    assert "ix_search_postings_lexeme" in plan


async def crowd(engine: Engine, *, n_vectors: int) -> None:
    """Vectors of another workspace, all of them near every question."""
    vector = await engine.retrieval.embedding.query(QUESTION)
    rng = np.random.default_rng(1)
    noisy = vector + rng.normal(scale=0.01, size=(n_vectors, len(vector)))
    async with engine.db.work(Caller.operator("noor", "elsewhere")) as work:
        q = work.qualified
        await work.session.execute(text("SET LOCAL session_replication_role = replica"))
        corpus_id = await work.session.scalar(
            text(
                f"INSERT INTO {q('search_corpora')}"
                " (workspace, source_type, n_docs, sum_title, sum_body)"
                " VALUES ('elsewhere', 'knowledge_base', 1, 1, 1) RETURNING id"
            )
        )
        await work.session.execute(
            text(
                f"INSERT INTO {q('search_vectors')}"
                " (doc_id, model_id, slot, position, corpus_id, embedding)"
                " SELECT -n, 'minilm-int8', 0, 0, :corpus_id, CAST(e AS halfvec)"
                " FROM unnest(CAST(:embeddings AS text[])) WITH ORDINALITY AS u(e, n)"
            ),
            {
                "corpus_id": corpus_id,
                "embeddings": ["[" + ",".join(f"{x:.4f}" for x in row) + "]" for row in noisy],
            },
        )
        await work.session.execute(text(f"ANALYZE {q('search_vectors')}"))
