"""The SQL statements that look after the index: what is missing, what failed, how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, text, update

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.retrieval.tables import CorpusRow, DocumentRow, VectorRow


@dataclass(frozen=True, slots=True)
class Pending:
    """A document whose vectors of the current model are missing."""

    workspace: str
    article_id: ArticleId


async def note_error(work: Work, doc_id: int, code: str | None) -> None:
    """Remember why a document has no vectors; None when that is over."""
    await work.session.execute(
        update(DocumentRow).where(DocumentRow.id == doc_id).values(vectors_error=code)
    )


async def note_queued(work: Work, article_ids: Sequence[ArticleId]) -> None:
    await work.session.execute(
        update(DocumentRow)
        .where(DocumentRow.workspace == work.workspace, DocumentRow.article_id.in_(article_ids))
        .values(queued_at=work.now)
    )


def _has_vectors(model_id: str) -> ColumnElement[bool]:
    return (
        select(VectorRow.doc_id)
        .where(VectorRow.doc_id == DocumentRow.id, VectorRow.model_id == model_id)
        .exists()
    )


async def has_vectors(read: Read, doc_id: int, *, model_id: str) -> bool:
    """Whether the document's vectors of this model are recorded."""
    found = await read.session.scalar(
        select(_has_vectors(model_id)).select_from(DocumentRow).where(DocumentRow.id == doc_id)
    )
    return bool(found)


async def claim_pending(
    work: Work, *, model_id: str, queued_before: datetime, limit: int
) -> Sequence[Pending]:
    """Documents without vectors of this model whose job seems lost; marks them as queued.

    Looks at every workspace: the sweep serves all of them.
    """
    waiting = (
        select(DocumentRow.id)
        .where(
            DocumentRow.article_id.is_not(None),
            ~_has_vectors(model_id),
            DocumentRow.queued_at < queued_before,
        )
        .order_by(DocumentRow.queued_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = await work.session.execute(
        update(DocumentRow)
        .where(DocumentRow.id.in_(waiting))
        .values(queued_at=work.now)
        .returning(DocumentRow.workspace, DocumentRow.article_id)
    )
    return [
        Pending(workspace, ArticleId(article_id)) for workspace, article_id in found if article_id
    ]


@dataclass(frozen=True, slots=True)
class Counts:
    """How far the index of a workspace is, for one model."""

    n_documents: int
    n_ready: int
    n_failed: int
    n_vectors: int
    oldest_pending: datetime | None


async def counts(read: Read, *, model_id: str) -> Counts:
    ready = _has_vectors(model_id)
    found = await read.session.execute(
        select(
            func.count(),
            func.count().filter(ready),
            func.count().filter(~ready, DocumentRow.vectors_error.is_not(None)),
            func.min(DocumentRow.updated_at).filter(~ready),
        ).where(DocumentRow.workspace == read.workspace, DocumentRow.article_id.is_not(None))
    )
    n_documents, n_ready, n_failed, oldest = found.one()
    n_vectors = await read.session.scalar(
        select(func.count())
        .select_from(VectorRow)
        .join(CorpusRow, CorpusRow.id == VectorRow.corpus_id)
        .where(CorpusRow.workspace == read.workspace, VectorRow.model_id == model_id)
    )
    return Counts(n_documents, n_ready, n_failed, n_vectors or 0, oldest)


async def vector_index_exists(read: Read, model_id: str) -> bool:
    """Whether Postgres has a usable index over the vectors of this model."""
    found = await read.session.scalar(
        text(
            "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_am a ON a.oid = c.relam"
            " WHERE i.indrelid = CAST(:vectors AS regclass) AND i.indisvalid"
            " AND a.amname = 'hnsw'"
            " AND pg_get_expr(i.indpred, i.indrelid) LIKE :predicate"
        ),
        {
            "vectors": read.qualified("search_vectors"),
            "predicate": f"%'{model_id}'%",
        },
    )
    return bool(found)


async def errors(read: Read, *, limit: int) -> Sequence[tuple[ArticleId, str]]:
    """Articles whose vectors could not be made, with the code of what went wrong."""
    found = await read.session.execute(
        select(DocumentRow.article_id, DocumentRow.vectors_error)
        .where(
            DocumentRow.workspace == read.workspace,
            DocumentRow.article_id.is_not(None),
            DocumentRow.vectors_error.is_not(None),
        )
        .order_by(DocumentRow.article_id)
        .limit(limit)
    )
    return [(ArticleId(article_id), code or "") for article_id, code in found if article_id]


async def indexed_articles(read: Read) -> Sequence[ArticleId]:
    """Every article of the workspace that can be found."""
    found = await read.session.scalars(
        select(DocumentRow.article_id)
        .where(DocumentRow.workspace == read.workspace, DocumentRow.article_id.is_not(None))
        .order_by(DocumentRow.article_id)
    )
    return [ArticleId(article_id) for article_id in found if article_id]
