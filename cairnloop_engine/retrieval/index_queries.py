"""The SQL statements that look after the index: what is missing, what failed, how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, text, update

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


async def claim_failed(work: Work) -> Sequence[ArticleId]:
    """Articles of the workspace whose vectors could not be made; they count as queued again."""
    found = await work.session.scalars(
        update(DocumentRow)
        .where(
            DocumentRow.workspace == work.workspace,
            DocumentRow.article_id.is_not(None),
            DocumentRow.vectors_error.is_not(None),
        )
        .values(vectors_error=None, queued_at=work.now)
        .returning(DocumentRow.article_id)
    )
    return sorted(ArticleId(article_id) for article_id in found if article_id)


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
    work: Work, *, model_id: str, queued_before: datetime, failed_before: datetime, limit: int
) -> Sequence[Pending]:
    """Articles without vectors of this model whose job seems lost; marks them as queued.

    One whose vectors could not be made is left alone for longer. Looks at every workspace: the
    sweep serves all of them.
    """
    waiting = (
        select(DocumentRow.id)
        .where(
            DocumentRow.article_id.is_not(None),
            ~_has_vectors(model_id),
            DocumentRow.queued_at < queued_before,
            or_(DocumentRow.vectors_error.is_(None), DocumentRow.queued_at < failed_before),
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
    last_changed_at: datetime | None
    # Cases as well as articles.
    n_searchable: int
    n_failed_cases: int


async def counts(read: Read, *, model_id: str) -> Counts:
    ready = _has_vectors(model_id)
    found = await read.session.execute(
        select(
            func.count(),
            func.count().filter(ready),
            func.count().filter(~ready, DocumentRow.vectors_error.is_not(None)),
            func.min(DocumentRow.updated_at).filter(~ready),
            func.max(DocumentRow.updated_at),
        ).where(DocumentRow.workspace == read.workspace, DocumentRow.article_id.is_not(None))
    )
    n_documents, n_ready, n_failed, oldest, newest = found.one()
    n_vectors = await read.session.scalar(
        select(func.count())
        .select_from(VectorRow)
        .join(CorpusRow, CorpusRow.id == VectorRow.corpus_id)
        .where(CorpusRow.workspace == read.workspace, VectorRow.model_id == model_id)
    )
    beside = await read.session.execute(
        select(
            func.count(),
            func.count().filter(
                DocumentRow.case_id.is_not(None), ~ready, DocumentRow.vectors_error.is_not(None)
            ),
        ).where(DocumentRow.workspace == read.workspace)
    )
    n_searchable, n_failed_cases = beside.one()
    return Counts(
        n_documents,
        n_ready,
        n_failed,
        n_vectors or 0,
        oldest,
        newest,
        n_searchable,
        n_failed_cases,
    )


@dataclass(frozen=True, slots=True)
class ModelCounts:
    """How much of a workspace one model has vectors of."""

    model_id: str
    n_documents: int
    n_vectors: int


async def models(read: Read) -> Sequence[ModelCounts]:
    """Every model of which the workspace holds vectors."""
    by_document = (
        select(VectorRow.model_id, VectorRow.doc_id, func.count().label("n_vectors"))
        .join(CorpusRow, CorpusRow.id == VectorRow.corpus_id)
        .where(CorpusRow.workspace == read.workspace)
        .group_by(VectorRow.model_id, VectorRow.doc_id)
        .subquery()
    )
    found = await read.session.execute(
        select(by_document.c.model_id, func.count(), func.sum(by_document.c.n_vectors))
        .group_by(by_document.c.model_id)
        .order_by(by_document.c.model_id)
    )
    return [ModelCounts(model_id, n, int(n_vectors)) for model_id, n, n_vectors in found]


# Which model answers


async def serving_model(read: Read) -> str | None:
    """The model whose vectors answer the workspace's searches; None before any covered it."""
    found = await read.session.scalar(
        select(func.max(CorpusRow.serving_model)).where(CorpusRow.workspace == read.workspace)
    )
    return None if found is None else str(found)


async def workspaces_served_otherwise(read: Read, model_id: str) -> Sequence[str]:
    """Every workspace in which another model, or none, answers."""
    found = await read.session.scalars(
        select(CorpusRow.workspace)
        .where(CorpusRow.serving_model.is_distinct_from(model_id))
        .distinct()
        .order_by(CorpusRow.workspace)
    )
    return list(found)


async def is_served_otherwise(read: Read, model_id: str) -> bool:
    """Whether a corpus of the workspace is answered by another model, or by none."""
    found = await read.session.scalar(
        select(func.count())
        .select_from(CorpusRow)
        .where(
            CorpusRow.workspace == read.workspace,
            CorpusRow.serving_model.is_distinct_from(model_id),
        )
    )
    return bool(found)


async def lock_served_otherwise(work: Work, model_id: str) -> Sequence[str | None]:
    """What answers in the corpora that this model does not answer in; locks those."""
    found = await work.session.execute(
        select(CorpusRow.id, CorpusRow.serving_model)
        .where(
            CorpusRow.workspace == work.workspace,
            CorpusRow.serving_model.is_distinct_from(model_id),
        )
        .order_by(CorpusRow.id)
        .with_for_update()
    )
    return [serving for _, serving in found]


async def is_covered(read: Read, model_id: str) -> bool:
    """Whether everything that can be found in the workspace has vectors of this model."""
    lacking = (
        select(DocumentRow.id)
        .where(DocumentRow.workspace == read.workspace, ~_has_vectors(model_id))
        .limit(1)
    )
    return await read.session.scalar(lacking) is None


async def serve(work: Work, model_id: str) -> None:
    await work.session.execute(
        update(CorpusRow)
        .where(CorpusRow.workspace == work.workspace)
        .values(serving_model=model_id)
    )


async def prune_models(work: Work, *, kept: str, queued_before: datetime, limit: int) -> int:
    """Delete vectors of other models where the kept one answers; returns how many.

    Only of documents whose vectors were asked for before that time. Looks at every workspace.
    """
    q = work.qualified
    other = (
        f"(SELECT v.ctid AS place FROM {q('search_vectors')} v"  # noqa: S608 - our own names
        f" JOIN {q('search_docs')} d ON d.id = v.doc_id AND d.queued_at < :queued_before"
        " WHERE v.corpus_id = c.id AND v.model_id {sign} :kept LIMIT :limit)"
    )
    found = await work.session.execute(
        text(
            f"DELETE FROM {q('search_vectors')} WHERE ctid = ANY (ARRAY("  # noqa: S608
            f"SELECT o.place FROM {q('search_corpora')} c CROSS JOIN LATERAL"
            # Two ranges of the index: whatever is not equal would have to be looked for.
            f" ({other.format(sign='<')} UNION ALL {other.format(sign='>')}) o"
            " WHERE c.serving_model = :kept LIMIT :limit)) RETURNING 1"
        ),
        {"kept": kept, "queued_before": queued_before, "limit": limit},
    )
    return len(found.all())


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
