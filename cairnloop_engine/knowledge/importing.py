"""Taking a file into the knowledge base: the same file twice changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Conflict
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import safe
from cairnloop_engine.knowledge import queries, service
from cairnloop_engine.knowledge.model import ArticleStatus, Origin, RevisionState
from cairnloop_engine.knowledge.service import Passages, Text
from cairnloop_engine.knowledge.tables import RevisionRow, StoredArticleRow

PATH_LENGTH = 300


class ImportStatus(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImportItem:
    """What became of one file. ``path`` and ``message`` may be shown, ``code`` is for programs."""

    path: str
    status: ImportStatus
    article_id: ArticleId | None = None
    message: str = ""
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """One item for each file, in the order of the folder."""

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
class Incoming:
    """One readable file on its way in. ``source_path`` is its name within the workspace."""

    source_path: str
    text: Text
    passages: Passages
    publish: bool
    acknowledge_hidden: bool


async def take(work: Work, incoming: Incoming) -> ImportItem:
    """Create, update or leave alone the article of one file.

    Raises:
        Conflict: ``draft_in_progress`` when a person is editing the article.
        Invalid: ``article_empty`` or ``hidden_characters``.
        Forbidden: ``operator_required``.
    """
    service.check_author(work)
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


async def _update(work: Work, article: StoredArticleRow, incoming: Incoming) -> ImportItem:
    latest = await queries.latest_revision(work, ArticleId(article.id))
    if latest is not None and latest.digest == incoming.text.digest:
        waits = latest.state is RevisionState.DRAFT and latest.origin is Origin.IMPORT
        if not (waits and incoming.publish):
            return _item(incoming, article, ImportStatus.UNCHANGED)
        await _publish(work, article, latest, incoming)
        return _item(incoming, article, ImportStatus.UPDATED)
    if (
        latest is not None
        and latest.state is RevisionState.DRAFT
        and latest.origin is Origin.EDITOR
    ):
        raise Conflict(
            "draft_in_progress",
            "The file changed, but the article has a draft by an operator. Publish that first.",
            article_id=article.id,
        )
    await _store(work, article, latest, incoming)
    return _item(incoming, article, ImportStatus.UPDATED)


async def _store(
    work: Work, article: StoredArticleRow, latest: RevisionRow | None, incoming: Incoming
) -> None:
    draft = await service.write_draft(work, article, latest, incoming.text, Origin.IMPORT)
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


def _item(
    incoming: Incoming, article: StoredArticleRow, status: ImportStatus, message: str = ""
) -> ImportItem:
    return ImportItem(
        safe(incoming.source_path, limit=PATH_LENGTH), status, ArticleId(article.id), message
    )
