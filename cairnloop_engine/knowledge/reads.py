"""Articles as front ends see them: frozen views, safe to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.core.database import Read
from cairnloop_engine.core.errors import Invalid, NotFound
from cairnloop_engine.core.ids import ArticleId, ChunkId, RevisionId
from cairnloop_engine.core.paging import Page, checked_limit, decode_cursor, encode_cursor
from cairnloop_engine.core.text import has_hidden, safe, storable
from cairnloop_engine.knowledge import link_queries, queries
from cairnloop_engine.knowledge.exporting import ExportFile, Named, written
from cairnloop_engine.knowledge.link_queries import Linked
from cairnloop_engine.knowledge.model import ArticleStatus, Origin, RevisionState
from cairnloop_engine.knowledge.queries import Listed
from cairnloop_engine.knowledge.tables import RevisionRow, StoredArticleRow
from cairnloop_engine.knowledge.texts import Text


@dataclass(frozen=True, slots=True)
class ArticleRow:
    """One article in a list. ``indexed`` is None while nothing of it is published."""

    id: ArticleId
    title: str
    status: ArticleStatus
    version: int
    published_version: int | None
    has_draft: bool
    indexed: bool | None
    source_path: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RevisionView:
    """One version of an article. ``content`` is raw: draw it through ``core.text.safe``."""

    id: RevisionId
    version: int
    state: RevisionState
    origin: Origin
    title: str
    content: str
    author: str
    hidden_characters: bool
    published_at: datetime | None
    published_by: str | None
    indexed: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link to another article. ``article_id`` None when ``target`` names none (yet)."""

    label: str
    target: str
    article_id: ArticleId | None
    title: str | None
    # It leads to nothing, or to an article that is archived.
    broken: bool


@dataclass(frozen=True, slots=True)
class BacklinkView:
    """Another article whose draft or published text links here."""

    article_id: ArticleId
    title: str
    label: str


@dataclass(frozen=True, slots=True)
class ArticleView:
    """An article with its revisions, newest first, and the links of the newest one.

    ``edit_version`` is what :meth:`Knowledge.save_draft` expects back as ``expected_version``.
    """

    id: ArticleId
    title: str
    status: ArticleStatus
    edit_version: int
    source_path: str | None
    inserted_at: datetime
    updated_at: datetime
    revisions: tuple[RevisionView, ...]
    links: tuple[LinkView, ...]
    backlinks: tuple[BacklinkView, ...]

    @property
    def latest(self) -> RevisionView:
        """What an editor opens: the draft when there is one, else the newest revision."""
        return self.revisions[0]

    @property
    def published(self) -> RevisionView | None:
        return self._in(RevisionState.PUBLISHED)

    @property
    def draft(self) -> RevisionView | None:
        return self._in(RevisionState.DRAFT)

    @property
    def content(self) -> str:
        return self.latest.content

    @property
    def version(self) -> int:
        return self.latest.version

    @property
    def indexed(self) -> bool | None:
        """Whether the published revision has its vectors; None when none is published."""
        current = self.published
        return None if current is None else current.indexed

    def as_of(self, version: int) -> RevisionView:
        """One of its versions.

        Raises:
            NotFound: ``revision_not_found``.
        """
        for revision in self.revisions:
            if revision.version == version:
                return revision
        raise no_version(self.id, version)

    def _in(self, state: RevisionState) -> RevisionView | None:
        return next((r for r in self.revisions if r.state is state), None)


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A passage as the index needs it: raw."""

    id: ChunkId
    position: int
    heading: str
    content: str


@dataclass(frozen=True, slots=True)
class PublishedText:
    """What is published of an article right now, raw, with its passages in reading order."""

    article_id: ArticleId
    revision_id: RevisionId
    title: str
    content: str
    chunks: tuple[StoredChunk, ...]


@dataclass(frozen=True, slots=True)
class PassageView:
    """A cited passage, also when its revision is no longer current."""

    chunk_id: ChunkId
    article_id: ArticleId
    revision_id: RevisionId
    version: int
    current: bool
    title: str
    heading: str
    content: str


async def articles(
    read: Read,
    *,
    status: ArticleStatus | None,
    title: str | None = None,
    cursor: str | None,
    limit: int,
) -> Page[ArticleRow]:
    """A page of articles, the most recently changed first; ``title`` as in the query."""
    rows = await queries.articles(
        read,
        status=status,
        title=None if title is None else storable(title),
        before=_position(cursor),
        limit=checked_limit(limit) + 1,
    )
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        last = shown[-1].article
        following = encode_cursor([last.updated_at.isoformat(), last.id])
    return Page(tuple(_listed(row) for row in shown), following)


async def article(read: Read, article_id: ArticleId) -> ArticleView:
    """One article with all its revisions.

    Raises:
        NotFound: ``article_not_found``.
    """
    row = await queries.article(read, article_id)
    if row is None:
        raise NotFound("article_not_found", "There is no such article.", article_id=article_id)
    history = await queries.history(read, article_id)
    return _article(
        row,
        history,
        links=await link_queries.links(read, RevisionId(history[0].id)),
        backlinks=await link_queries.backlinks(read, article_id),
    )


async def named(read: Read) -> list[Named]:
    """What the files of all articles in use are named after."""
    return [
        Named(ArticleId(row.id), row.title, row.source_path) for row in await queries.in_use(read)
    ]


async def export_file(
    read: Read, article: Named, paths: Mapping[ArticleId, str]
) -> ExportFile | None:
    """One article as a file; None when it was archived meanwhile."""
    current = await queries.revision_in(read, article.article_id, RevisionState.PUBLISHED)
    draft = current is None
    if current is None:
        current = await queries.revision_in(read, article.article_id, RevisionState.DRAFT)
    if current is None:
        return None
    path = paths[article.article_id]
    text = written(
        Text(current.title, current.content), path, article.source_path, draft=draft, files=paths
    )
    return ExportFile(article.article_id, current.version, path, text)


def no_version(article_id: ArticleId, version: int) -> NotFound:
    """What to raise where an article lacks a version."""
    return NotFound(
        "revision_not_found",
        f"This article has no version {version}.",
        article_id=article_id,
        version=version,
    )


async def draft_text(read: Read, article_id: ArticleId) -> Text | None:
    """The text that publishing would publish; None when there is no draft."""
    draft = await queries.revision_in(read, article_id, RevisionState.DRAFT)
    return None if draft is None else Text(draft.title, draft.content)


async def published_text(read: Read, article_id: ArticleId) -> PublishedText | None:
    """What is to be indexed of an article; None when nothing of it is published."""
    revision = await queries.revision_in(read, article_id, RevisionState.PUBLISHED)
    if revision is None:
        return None
    revision_id = RevisionId(revision.id)
    rows = await queries.chunks(read, revision_id)
    return PublishedText(
        article_id=article_id,
        revision_id=revision_id,
        title=revision.title,
        content=revision.content,
        chunks=tuple(
            StoredChunk(ChunkId(row.id), row.position, row.heading, row.content) for row in rows
        ),
    )


async def published_ids(read: Read, *, after: int, limit: int) -> Sequence[ArticleId]:
    """Published articles in the order of their ids, a piece at a time."""
    return await queries.published_ids(read, after=after, limit=limit)


async def passage(read: Read, chunk_id: ChunkId) -> PassageView:
    """The passage behind a citation.

    Raises:
        NotFound: ``passage_not_found``.
    """
    found = await queries.chunk(read, chunk_id)
    if found is None:
        raise NotFound("passage_not_found", "There is no such passage.", chunk_id=chunk_id)
    chunk, revision = found
    return PassageView(
        chunk_id=chunk_id,
        article_id=ArticleId(revision.article_id),
        revision_id=RevisionId(revision.id),
        version=revision.version,
        current=revision.state is RevisionState.PUBLISHED,
        title=safe(revision.title),
        heading=safe(chunk.heading),
        content=chunk.content,
    )


def _listed(row: Listed) -> ArticleRow:
    return ArticleRow(
        id=ArticleId(row.article.id),
        title=safe(row.article.title),
        status=row.article.status,
        version=row.latest_version,
        published_version=row.published_version,
        has_draft=row.draft_version is not None,
        indexed=None if row.published_version is None else row.indexed_at is not None,
        source_path=None if row.article.source_path is None else safe(row.article.source_path),
        updated_at=row.article.updated_at,
    )


def _article(
    row: StoredArticleRow,
    revisions: Sequence[RevisionRow],
    *,
    links: Sequence[Linked],
    backlinks: Sequence[tuple[StoredArticleRow, str]],
) -> ArticleView:
    return ArticleView(
        id=ArticleId(row.id),
        title=safe(row.title),
        status=row.status,
        edit_version=row.edit_version,
        source_path=None if row.source_path is None else safe(row.source_path),
        inserted_at=row.inserted_at,
        updated_at=row.updated_at,
        revisions=tuple(_revision(revision) for revision in revisions),
        links=tuple(_link(linked) for linked in links),
        backlinks=tuple(
            BacklinkView(ArticleId(source.id), safe(source.title), safe(label))
            for source, label in backlinks
        ),
    )


def _link(linked: Linked) -> LinkView:
    found = linked.article
    return LinkView(
        label=safe(linked.label),
        target=safe(linked.target),
        article_id=None if found is None else ArticleId(found.id),
        title=None if found is None else safe(found.title),
        broken=found is None or found.status is ArticleStatus.ARCHIVED,
    )


def _revision(row: RevisionRow) -> RevisionView:
    return RevisionView(
        id=RevisionId(row.id),
        version=row.version,
        state=row.state,
        origin=row.origin,
        title=safe(row.title),
        content=row.content,
        author=safe(row.author_id, limit=120),
        hidden_characters=has_hidden(row.content) or has_hidden(row.title),
        published_at=row.published_at,
        published_by=None if row.published_by is None else safe(row.published_by, limit=120),
        indexed=row.indexed_at is not None,
        updated_at=row.updated_at,
    )


def _position(cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    moment, article_id = decode_cursor(cursor, length=2)
    refused = Invalid("cursor_invalid", "This page cursor belongs to another list; start again.")
    if not isinstance(moment, str) or not isinstance(article_id, int):
        raise refused
    try:
        return datetime.fromisoformat(moment), article_id
    except ValueError as error:
        raise refused from error
