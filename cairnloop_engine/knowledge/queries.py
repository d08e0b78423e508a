"""Every SQL statement of the knowledge slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, and_, any_, func, insert, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import ArticleId, ChunkId, RevisionId
from cairnloop_engine.core.tables import UtcTime
from cairnloop_engine.knowledge.chunking import Chunk
from cairnloop_engine.knowledge.model import ArticleStatus, RevisionState
from cairnloop_engine.knowledge.tables import ChunkRow, RevisionRow, StoredArticleRow

CURRENT = aliased(RevisionRow)
DRAFT = aliased(RevisionRow)


@dataclass(frozen=True, slots=True)
class Listed:
    """One article with what its list entry tells of its revisions."""

    article: StoredArticleRow
    latest_version: int
    published_version: int | None
    draft_version: int | None
    indexed_at: datetime | None


async def lock_article(work: Work, article_id: ArticleId) -> StoredArticleRow | None:
    """The article, locked until the transaction ends; others may still link to it."""
    found = await work.session.scalars(
        select(StoredArticleRow)
        .where(StoredArticleRow.workspace == work.workspace, StoredArticleRow.id == article_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found.first()


async def lock_article_of(work: Work, source_path: str) -> StoredArticleRow | None:
    """The article that was imported from a file, locked."""
    found = await work.session.scalars(
        select(StoredArticleRow)
        .where(
            StoredArticleRow.workspace == work.workspace,
            StoredArticleRow.source_path == source_path,
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found.first()


async def insert_article(
    work: Work, title: str, source_path: str | None
) -> StoredArticleRow | None:
    """A new article, locked by its birth; None when the file already has one."""
    created = await work.session.scalars(
        upsert(StoredArticleRow)
        .values(
            workspace=work.workspace,
            status=ArticleStatus.DRAFT,
            title=title,
            source_path=source_path,
            edit_version=0,
            inserted_at=work.now,
            updated_at=work.now,
        )
        .on_conflict_do_nothing()
        .returning(StoredArticleRow)
    )
    return created.first()


async def article(read: Read, article_id: ArticleId) -> StoredArticleRow | None:
    found = await read.session.scalars(
        select(StoredArticleRow).where(
            StoredArticleRow.workspace == read.workspace, StoredArticleRow.id == article_id
        )
    )
    return found.first()


async def latest_revision(read: Read, article_id: ArticleId) -> RevisionRow | None:
    """The revision with the highest version, whatever its state."""
    found = await read.session.scalars(
        select(RevisionRow)
        .where(RevisionRow.workspace == read.workspace, RevisionRow.article_id == article_id)
        .order_by(RevisionRow.version.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return found.first()


async def revision_in(
    read: Read, article_id: ArticleId, state: RevisionState
) -> RevisionRow | None:
    """The article's one published revision, or its one draft."""
    found = await read.session.scalars(
        select(RevisionRow)
        .where(
            RevisionRow.workspace == read.workspace,
            RevisionRow.article_id == article_id,
            RevisionRow.state == state,
        )
        .execution_options(populate_existing=True)
    )
    return found.first()


async def history(read: Read, article_id: ArticleId) -> Sequence[RevisionRow]:
    """Every revision of an article, newest first."""
    found = await read.session.scalars(
        select(RevisionRow)
        .where(RevisionRow.workspace == read.workspace, RevisionRow.article_id == article_id)
        .order_by(RevisionRow.version.desc())
    )
    return found.all()


async def write_chunks(work: Work, revision_id: RevisionId, chunks: Sequence[Chunk]) -> None:
    await work.session.execute(
        insert(ChunkRow),
        [
            {
                "workspace": work.workspace,
                "revision_id": revision_id,
                "position": chunk.position,
                "heading": chunk.heading,
                "content": chunk.content,
            }
            for chunk in chunks
        ],
    )


async def published_ids(read: Read, *, after: int, limit: int) -> Sequence[ArticleId]:
    """Published articles in the order of their ids."""
    found = await read.session.scalars(
        select(StoredArticleRow.id)
        .where(
            StoredArticleRow.workspace == read.workspace,
            StoredArticleRow.status == ArticleStatus.PUBLISHED,
            StoredArticleRow.id > after,
        )
        .order_by(StoredArticleRow.id)
        .limit(limit)
    )
    return [ArticleId(article_id) for article_id in found]


async def revision(read: Read, article_id: ArticleId, version: int) -> RevisionRow | None:
    """One version of an article."""
    found = await read.session.scalars(
        select(RevisionRow).where(
            RevisionRow.workspace == read.workspace,
            RevisionRow.article_id == article_id,
            RevisionRow.version == version,
        )
    )
    return found.first()


async def in_use(read: Read) -> Sequence[StoredArticleRow]:
    """Every article that is not archived, in the order of their ids."""
    found = await read.session.scalars(
        select(StoredArticleRow)
        .where(
            StoredArticleRow.workspace == read.workspace,
            StoredArticleRow.status != ArticleStatus.ARCHIVED,
        )
        .order_by(StoredArticleRow.id)
    )
    return found.all()


async def digests(read: Read, article_ids: Sequence[ArticleId]) -> Sequence[tuple[str, ArticleId]]:
    """What each version of these articles says, oldest first, as digests."""
    found = await read.session.execute(
        select(RevisionRow.digest, RevisionRow.article_id)
        .where(
            RevisionRow.workspace == read.workspace,
            RevisionRow.article_id == any_(literal(list(article_ids), ARRAY(BigInteger))),
        )
        .order_by(RevisionRow.article_id, RevisionRow.version)
    )
    return [(row.digest, ArticleId(row.article_id)) for row in found]


async def chunks(read: Read, revision_id: RevisionId) -> Sequence[ChunkRow]:
    """The passages of a revision in reading order."""
    found = await read.session.scalars(
        select(ChunkRow)
        .where(ChunkRow.workspace == read.workspace, ChunkRow.revision_id == revision_id)
        .order_by(ChunkRow.position)
    )
    return found.all()


async def chunk(read: Read, chunk_id: ChunkId) -> tuple[ChunkRow, RevisionRow] | None:
    """One passage with the revision it stands in, current or not."""
    found = await read.session.execute(
        select(ChunkRow, RevisionRow)
        .join(RevisionRow, RevisionRow.id == ChunkRow.revision_id)
        .where(ChunkRow.workspace == read.workspace, ChunkRow.id == chunk_id)
    )
    row = found.first()
    return None if row is None else (row[0], row[1])


async def mark_indexed(work: Work, revision_id: RevisionId, at: datetime) -> None:
    await work.session.execute(
        update(RevisionRow)
        .where(RevisionRow.workspace == work.workspace, RevisionRow.id == revision_id)
        .values(indexed_at=at)
    )


async def articles(
    read: Read,
    *,
    status: ArticleStatus | None,
    title: str | None,
    before: tuple[datetime, int] | None,
    limit: int,
) -> list[Listed]:
    """Articles, the most recently changed first; ``title`` names words that stand in theirs."""
    latest = (
        select(func.max(RevisionRow.version))
        .where(RevisionRow.article_id == StoredArticleRow.id)
        .scalar_subquery()
    )
    query = (
        select(StoredArticleRow, latest, CURRENT.version, DRAFT.version, CURRENT.indexed_at)
        .outerjoin(
            CURRENT,
            and_(
                CURRENT.article_id == StoredArticleRow.id,
                CURRENT.state == RevisionState.PUBLISHED,
            ),
        )
        .outerjoin(
            DRAFT,
            and_(DRAFT.article_id == StoredArticleRow.id, DRAFT.state == RevisionState.DRAFT),
        )
        .where(StoredArticleRow.workspace == read.workspace)
        .order_by(StoredArticleRow.updated_at.desc(), StoredArticleRow.id.desc())
        .limit(limit)
    )
    if status is not None:
        query = query.where(StoredArticleRow.status == status)
    for word in (title or "").split():
        query = query.where(StoredArticleRow.title.icontains(word, autoescape=True))
    if before is not None:
        position = tuple_(StoredArticleRow.updated_at, StoredArticleRow.id)
        query = query.where(position < tuple_(literal(before[0], UtcTime), literal(before[1])))
    found = await read.session.execute(query)
    return [Listed(*row) for row in found]
