"""Taking a file into the knowledge base: the same file twice changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.errors import Conflict, Refused
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import safe
from cairnloop_engine.knowledge import exporting, link_queries, queries, service
from cairnloop_engine.knowledge.exporting import Exported
from cairnloop_engine.knowledge.model import (
    ArticleStatus,
    ImportStatus,
    Origin,
    RevisionState,
)
from cairnloop_engine.knowledge.tables import RevisionRow, StoredArticleRow
from cairnloop_engine.knowledge.texts import Passages, Text

PATH_LENGTH = 300


@dataclass(frozen=True, slots=True)
class ImportItem:
    """What became of one file. ``path`` and ``message`` may be shown, ``code`` is for programs.

    ``line`` counts from 1 in the file. ``broken_links`` are links of its article that lead to no
    article in use; they are no failure.
    """

    path: str
    status: ImportStatus
    article_id: ArticleId | None = None
    message: str = ""
    code: str | None = None
    line: int | None = None
    broken_links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """One item for each file in the order of the folder, then those of files that are missing."""

    items: tuple[ImportItem, ...]

    def count(self, status: ImportStatus) -> int:
        return sum(1 for item in self.items if item.status is status)

    @property
    def failed(self) -> tuple[ImportItem, ...]:
        return tuple(item for item in self.items if item.status is ImportStatus.FAILED)


class Progress(Protocol):
    """Told after each file: how many are done, of how many, and what became of this one."""

    def __call__(self, done: int, total: int, item: ImportItem, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a workspace before a folder is taken in.

    ``files`` are the articles that came from files, by name. ``texts`` are the articles that are
    not exported to the file that they came from, most often because there is none, by the short
    digests of what they said: an export of one is recognised by it.
    """

    files: Mapping[str, ArticleId]
    texts: Mapping[str, exporting.Named]


@dataclass(frozen=True, slots=True)
class Incoming:
    """One readable file on its way in. ``source_path`` is its name within the workspace."""

    source_path: str
    text: Text
    passages: Passages
    publish: bool
    acknowledge_hidden: bool
    # Where its text begins in the file: what a front matter takes away.
    lines_before: int = 0
    exported: Exported | None = None
    # The article that this is an export of, when its file was another or none.
    export_of: exporting.Named | None = None

    def says(self, digest: str) -> bool:
        """Whether the file still says what the revision with this digest says."""
        if self.text.digest == digest:
            return True
        known = self.exported
        return known is not None and known.is_of(digest) and known.wrote(self.text.digest)


async def known(read: Read) -> Known:
    """What an import has to know of the articles that there are."""
    named = [
        exporting.Named(ArticleId(row.id), row.title, row.source_path)
        for row in await queries.in_use(read)
    ]
    planned = exporting.paths(named)
    elsewhere = {one.article_id: one for one in named if planned[one.article_id] != one.source_path}
    return Known(
        files={one.source_path: one.article_id for one in named if one.source_path is not None},
        texts={
            exporting.short(digest): elsewhere[article_id]
            for digest, article_id in await queries.digests(read, list(elsewhere))
        },
    )


async def take(work: Work, incoming: Incoming) -> ImportItem:
    """Create, update or leave alone the article of one file.

    Raises:
        Conflict: ``draft_in_progress`` when a person is editing the article.
        Invalid: ``article_empty`` or ``hidden_characters``.
        Forbidden: ``operator_required``.
    """
    service.check_author(work)
    adopted = await _adopt(work, incoming)
    if adopted is not None:
        return await _update(work, adopted, incoming)
    article = await queries.insert_article(work, incoming.text.title, incoming.source_path)
    if article is not None:
        await _store(work, article, None, incoming)
        return _item(incoming, article, ImportStatus.CREATED)
    article = await queries.lock_article_of(work, incoming.source_path)
    if article is None:
        raise Conflict("article_changed", "The article was removed meanwhile; import it again.")
    if article.status is ArticleStatus.ARCHIVED:
        return _item(incoming, article, ImportStatus.UNCHANGED, "archived here, left alone")
    return await _update(work, article, incoming)


async def _adopt(work: Work, incoming: Incoming) -> StoredArticleRow | None:
    """The article that was exported to this file, and from now on is kept in it."""
    named = incoming.export_of
    if named is None:
        return None
    article = await queries.lock_article(work, named.article_id)
    if article is None or article.status is ArticleStatus.ARCHIVED:
        return None
    if article.source_path != named.source_path:
        # Another import took it in meanwhile.
        return None
    article.source_path = incoming.source_path
    return article


async def _update(work: Work, article: StoredArticleRow, incoming: Incoming) -> ImportItem:
    latest = await queries.latest_revision(work, ArticleId(article.id))
    if latest is None:
        raise AssertionError("an article has a revision from its birth")
    current = await queries.revision_in(work, ArticleId(article.id), RevisionState.PUBLISHED)
    # What waits here from an earlier import is outdated by any other file.
    waits = latest.state is RevisionState.DRAFT and latest.origin is Origin.IMPORT
    compared = (latest,) if waits else (latest, current)
    is_current = any(incoming.says(row.digest) for row in compared if row is not None)
    if is_current or article.source_digest == incoming.text.digest:
        article.source_digest = incoming.text.digest
        return await _leave(work, article, latest, incoming, edited=not is_current)
    if _is_a_persons(latest):
        raise Conflict(
            "draft_in_progress",
            "The file changed, but the article has a draft by an operator. Publish that first.",
            article_id=article.id,
        )
    await _store(work, article, latest, incoming)
    return _item(incoming, article, ImportStatus.UPDATED)


def _is_a_persons(latest: RevisionRow) -> bool:
    return latest.state is RevisionState.DRAFT and latest.origin is Origin.EDITOR


async def _leave(
    work: Work,
    article: StoredArticleRow,
    latest: RevisionRow,
    incoming: Incoming,
    *,
    edited: bool,
) -> ImportItem:
    waits = latest.state is RevisionState.DRAFT and latest.origin is Origin.IMPORT
    if waits and incoming.publish and latest.digest == incoming.text.digest:
        await _publish(work, article, latest, incoming)
        return _item(incoming, article, ImportStatus.UPDATED)
    note = "edited here since" if edited else ""
    return _item(incoming, article, ImportStatus.UNCHANGED, note)


async def _store(
    work: Work, article: StoredArticleRow, latest: RevisionRow | None, incoming: Incoming
) -> None:
    article.source_digest = incoming.text.digest
    draft = await service.write_draft(
        work,
        article,
        latest,
        incoming.text,
        links=incoming.passages.links,
        origin=Origin.IMPORT,
    )
    if incoming.publish:
        await _publish(work, article, draft, incoming)


async def _publish(
    work: Work, article: StoredArticleRow, draft: RevisionRow, incoming: Incoming
) -> None:
    await service.publish_draft(
        work,
        article,
        draft,
        incoming.passages,
        acknowledge_hidden=incoming.acknowledge_hidden,
    )


async def drop(work: Work, path: str, article_id: ArticleId) -> ImportItem:
    """Archive the article whose file is gone, and let go of the file's name.

    Should the file come back, it becomes an article of its own.

    Raises:
        Conflict: ``draft_in_progress`` when a person is editing the article.
        Forbidden: ``operator_required``.
    """
    service.check_author(work)
    shown = safe(path, limit=PATH_LENGTH)
    article = await queries.lock_article(work, article_id)
    if article is None or article.source_path != path:
        return ImportItem(shown, ImportStatus.UNCHANGED, article_id, "changed meanwhile")
    if article.status is ArticleStatus.ARCHIVED:
        return ImportItem(shown, ImportStatus.UNCHANGED, article_id, "archived before")
    latest = await queries.latest_revision(work, article_id)
    if latest is not None and _is_a_persons(latest):
        raise Conflict(
            "draft_in_progress",
            "The file is gone, but the article has a draft by an operator. Archive it by hand.",
            article_id=article_id,
        )
    article.source_path = article.source_digest = None
    await service.archive_locked(work, article, file_gone=shown)
    return ImportItem(shown, ImportStatus.ARCHIVED, article_id, "its file is gone")


async def broken_links(
    read: Read, article_ids: Sequence[ArticleId]
) -> Mapping[ArticleId, tuple[str, ...]]:
    """The links of each of these articles that lead to no article in use, safe to show."""
    found: dict[ArticleId, list[str]] = {}
    for article_id, target in await link_queries.broken(read, article_ids):
        found.setdefault(article_id, []).append(safe(target, limit=PATH_LENGTH))
    return {article_id: tuple(targets) for article_id, targets in found.items()}


def failed(path: str, refused: Refused, *, lines_before: int = 0) -> ImportItem:
    """Why a file was not taken in; ``lines_before`` its text, when the refusal is about that."""
    line = refused.facts.get("line")
    # A new article that was refused is not there any more.
    about = refused.facts.get("article_id") if refused.code == "draft_in_progress" else None
    return ImportItem(
        safe(path, limit=PATH_LENGTH),
        ImportStatus.FAILED,
        article_id=ArticleId(about) if isinstance(about, int) else None,
        message=refused.message,
        code=refused.code,
        line=line + lines_before if isinstance(line, int) else None,
    )


def _item(
    incoming: Incoming, article: StoredArticleRow, status: ImportStatus, message: str = ""
) -> ImportItem:
    return ImportItem(
        safe(incoming.source_path, limit=PATH_LENGTH), status, ArticleId(article.id), message
    )
