"""The knowledge slice as an edge sees it: one method, one transaction, one for each file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.errors import Invalid, Refused
from cairnloop_engine.core.ids import ArticleId, ChunkId
from cairnloop_engine.core.paging import Page
from cairnloop_engine.core.text import safe, storable
from cairnloop_engine.knowledge import files, importing, reads, service
from cairnloop_engine.knowledge.importing import (
    ImportItem,
    ImportReport,
    ImportStatus,
    Incoming,
    Progress,
)
from cairnloop_engine.knowledge.model import (
    Archived,
    ArticleStatus,
    KnowledgeConfig,
    Published,
    Saved,
)
from cairnloop_engine.knowledge.reads import ArticleRow, ArticleView, PassageView
from cairnloop_engine.knowledge.service import Passages, Text, checked_text


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What an edge may do with articles."""

    db: Database
    config: KnowledgeConfig = field(default_factory=KnowledgeConfig)

    async def articles(
        self,
        caller: Caller,
        *,
        status: ArticleStatus | None = None,
        title: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ArticleRow]:
        """A page of articles, the most recently changed first; of ``title`` each word counts."""
        async with self.db.read(caller) as read:
            return await reads.articles(
                read, status=status, title=title, cursor=cursor, limit=limit
            )

    async def article(self, caller: Caller, article_id: ArticleId) -> ArticleView:
        """One article with its revisions.

        Raises:
            NotFound: ``article_not_found``.
        """
        async with self.db.read(caller) as read:
            return await reads.article(read, article_id)

    async def passage(self, caller: Caller, chunk_id: ChunkId) -> PassageView:
        """The passage behind a citation, current or not.

        Raises:
            NotFound: ``passage_not_found``.
        """
        async with self.db.read(caller) as read:
            return await reads.passage(read, chunk_id)

    async def create(self, caller: Caller, title: str, content: str) -> Saved:
        """Begin an article as a draft.

        Raises:
            Invalid: ``title_blank``, ``title_too_long`` or ``article_too_large``.
        """
        text = checked_text(title, content, self.config)
        async with self.db.work(caller) as work:
            return await service.create(work, text)

    async def save_draft(
        self,
        caller: Caller,
        article_id: ArticleId,
        content: str,
        *,
        expected_version: int,
        title: str | None = None,
    ) -> Saved:
        """Store an edit. ``expected_version`` is the ``edit_version`` that was read before.

        Raises:
            NotFound: ``article_not_found``.
            Conflict: ``version_conflict`` or ``article_archived``.
            Invalid: ``title_blank``, ``title_too_long`` or ``article_too_large``.
        """
        async with self.db.work(caller) as work:
            return await service.save_draft(
                work,
                article_id,
                content,
                self.config,
                title=title,
                expected_version=expected_version,
            )

    async def publish(
        self,
        caller: Caller,
        article_id: ArticleId,
        *,
        acknowledge_hidden: bool = False,
        expected_version: int | None = None,
    ) -> Published:
        """Make the draft the current revision, to be found by its words at once.

        ``expected_version`` is the ``edit_version`` that was shown: nothing else is published.

        Raises:
            NotFound: ``article_not_found``.
            Conflict: ``nothing_to_publish``, ``article_archived`` or ``version_conflict``.
            Invalid: ``article_empty`` or ``hidden_characters``.
        """
        caller.acting()
        async with self.db.read(caller) as read:
            text = await reads.draft_text(read, article_id)
        passages = await _cut(text) if text is not None else Passages("", "", ())

        async def run(work: Work) -> Published:
            return await service.publish(
                work,
                article_id,
                passages,
                acknowledge_hidden=acknowledge_hidden,
                expected_version=expected_version,
            )

        return await self.db.retrying(caller, run)

    async def archive(self, caller: Caller, article_id: ArticleId) -> Archived:
        """Take an article out of use.

        Raises:
            NotFound: ``article_not_found``.
        """

        async def run(work: Work) -> Archived:
            return await service.archive(work, article_id)

        return await self.db.retrying(caller, run)

    async def import_folder(
        self,
        caller: Caller,
        folder: Path,
        *,
        publish: bool = True,
        acknowledge_hidden: bool = False,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Take in every Markdown file of a folder; a bad file is reported, the rest goes on.

        Raises:
            Invalid: ``folder_missing``.
            Unavailable: the database went away; what was reported before is stored.
        """
        caller.acting()
        paths = await asyncio.to_thread(files.articles_in, folder)
        items: list[ImportItem] = []
        for path in paths:
            name = path.relative_to(folder).as_posix()
            try:
                incoming = await self._incoming(
                    path, folder, name, publish=publish, acknowledge_hidden=acknowledge_hidden
                )
                item = await self._take(caller, incoming)
            except Refused as refused:
                item = ImportItem(
                    safe(name, limit=importing.PATH_LENGTH),
                    ImportStatus.FAILED,
                    message=refused.message,
                    code=refused.code,
                )
            items.append(item)
            if progress is not None:
                progress(len(items), len(paths), item)
        return ImportReport(tuple(items))

    async def _incoming(
        self, path: Path, folder: Path, name: str, *, publish: bool, acknowledge_hidden: bool
    ) -> Incoming:
        if storable(name) != name:
            raise Invalid("file_name_not_text", "The file's name is not valid text.")
        limit = self.config.max_article_bytes
        found = await asyncio.to_thread(files.read_article, path, folder, limit=limit)
        text = checked_text(found.title, found.content, self.config)
        return Incoming(
            source_path=name,
            text=text,
            passages=await _cut(text),
            publish=publish and found.publish,
            acknowledge_hidden=acknowledge_hidden,
        )

    async def _take(self, caller: Caller, incoming: Incoming) -> ImportItem:
        async def run(work: Work) -> ImportItem:
            return await importing.take(work, incoming)

        return await self.db.retrying(caller, run)


async def _cut(text: Text) -> Passages:
    # A thread, because a long or hostile file takes seconds.
    return await asyncio.to_thread(Passages.of, text)
