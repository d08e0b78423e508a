"""A set of documents in an engine, by the services that an operator uses, and searches in it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter

from benchmarks.beir import Document, Query
from benchmarks.scoring import Found
from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.errors import Unavailable
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.drafting.ports import CustomerTurn
from cairnloop_engine.drafting.query import build_query
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.facade import Retrieval
from cairnloop_engine.retrieval.model import Hit
from cairnloop_engine.retrieval.ports import EmbedderRecord, Purpose, Vectors
from cairnloop_engine.retrieval.ranking import Fusion

AT_ONCE = 4
LONGEST_TITLE = 150
# How much the cosine of a resolved case counts: short, untitled texts share few words.
CASE_ALPHA = 0.85

Names = Mapping[ArticleId, str]


class Away:
    """An embedder that is never there, so that words alone are searched."""

    def __init__(self, record: EmbedderRecord) -> None:
        self.record = record

    async def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        raise Unavailable("embedder_unavailable", "This search is by words alone.")


async def stock(
    engine: Engine, caller: Caller, documents: Sequence[Document]
) -> dict[ArticleId, str]:
    """Write and publish every document; which article is which. Vectors are the worker's."""
    turn = asyncio.Semaphore(AT_ONCE)
    names: dict[ArticleId, str] = {}

    async def put(document: Document) -> None:
        async with turn:
            saved = await engine.knowledge.create(caller, title_of(document), document.text)
            await engine.knowledge.publish(caller, saved.article_id, acknowledge_hidden=True)
            names[saved.article_id] = document.id

    async with asyncio.TaskGroup() as putting:
        for document in documents:
            putting.create_task(put(document))
    return names


async def index(engine: Engine, caller: Caller) -> int:
    """Let a worker make every vector; returns how many there are."""
    await engine.run_worker(queues=["indexing"], drain=True)
    status = await engine.retrieval.status(caller)
    assert status.n_pending == 0, status
    return status.n_vectors


def title_of(document: Document) -> str:
    """An article needs a title; a document without one is called by its first words."""
    words = " ".join((document.title or document.text).split())
    if len(words) <= LONGEST_TITLE:
        return words
    return words[:LONGEST_TITLE].rsplit(" ", 1)[0]


def question(query: Query) -> str:
    """What the drafter would search for after these turns."""
    if len(query.turns) == 1:
        return query.turns[0]
    # A reply stands between two turns, so the last one alone is unanswered.
    return build_query(CustomerTurn(None, query.turns[::-1], unanswered=1))


async def ask(retrieval: Retrieval, caller: Caller, names: Names, query: Query) -> Found:
    """One search through the front door, with how sure it makes us."""
    text = question(query)
    began = perf_counter()
    result = await retrieval.search(caller, text, limit=10, explain=True)
    total_ms = (perf_counter() - began) * 1000
    assert result.trace is not None
    best = result.items[0] if result.items else None
    return Found(
        ranking=tuple(names[hit.article_id] for hit in result.items if hit.article_id is not None),
        score=_sureness(best),
        search_ms=result.trace.search_ms,
        total_ms=total_ms,
        strong=result.grounding.may_reply,
        fused=0.0 if best is None else best.score,
    )


def _sureness(best: Hit | None) -> float:
    """The cosine of the best passage, because the title's never decides; else the score."""
    if best is None:
        return 0.0
    return best.score if best.why.cos_chunk is None else best.why.cos_chunk


def variants(retrieval: Retrieval) -> dict[str, Retrieval]:
    """Our search as it is, and what it would be with one thing changed."""
    config, recipe = retrieval.config, retrieval.config.recipe
    customary = replace(recipe, rrf_k=60.0, rrf_vector_weight=1.0)
    away = Embedding(
        Away(retrieval.embedding.record),
        query_timeout_s=1,
        passage_timeout_s=1,
        remembered_queries=1,
    )
    return {
        "cairnloop": retrieval,
        "cairnloop, RRF (k 5, vectors x2)": replace(
            retrieval, config=replace(config, fusion=Fusion.RRF)
        ),
        "cairnloop, RRF (k 60)": replace(
            retrieval, config=replace(config, fusion=Fusion.RRF, recipe=customary)
        ),
        "cairnloop, weighted as for cases": replace(
            retrieval, config=replace(config, alpha=CASE_ALPHA)
        ),
        "BM25F alone": replace(retrieval, embedding=away),
    }
