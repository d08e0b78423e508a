"""Search results as front ends see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.ids import ArticleId, ChunkId, RevisionId
from cairnloop_engine.core.text import safe
from cairnloop_engine.retrieval import queries
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.model import Hit, SourceType, Trust, Why
from cairnloop_engine.retrieval.ports import EmbedderRecord, Vector
from cairnloop_engine.retrieval.texts import telling_sentences

EXCERPT_LENGTH = 280
TITLE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Question:
    """A query on its way to the database. ``vector`` None searches by words alone."""

    text: str
    vector: Vector | None
    limit: int


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
