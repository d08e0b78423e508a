"""The knowledge slice as an edge sees it: one method, one transaction, one for each file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.ids import ArticleId, ChunkId
from cairnloop_engine.core.paging import Page
from cairnloop_engine.knowledge import comparing, exporting, files, reads, service
from cairnloop_engine.knowledge.comparing import RevisionDiff
from cairnloop_engine.knowledge.exporting import ExportFile
from cairnloop_engine.knowledge.folders import Follower, Intake, Tell, Trouble
from cairnloop_engine.knowledge.importing import ImportReport, Progress
from cairnloop_engine.knowledge.markdown import Link, parse
from cairnloop_engine.knowledge.model import (
    Archived,
    ArticleStatus,
    How,
    KnowledgeConfig,
    Published,
    Saved,
)
from cairnloop_engine.knowledge.reads import ArticleRow, ArticleView, PassageView
from cairnloop_engine.knowledge.texts import (
    Passages,
    Text,
    checked_content,
    checked_text,
    checked_title,
)

# What an article without a draft would publish.
NO_PASSAGES = Passages("", "", (), ())


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
        caller.acting()
        text = checked_text(title, content, self.config)
        links = await _links(text.content)

        async def run(work: Work) -> Saved:
            return await service.create(work, text, links)

        return await self.db.retrying(caller, run)

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
        caller.acting()
        body = checked_content(content, self.config)
        named = None if title is None else checked_title(title, self.config)
        links = await _links(body)

        async def run(work: Work) -> Saved:
            return await service.save_draft(
                work, article_id, body, links, title=named, expected_version=expected_version
            )

        return await self.db.retrying(caller, run)

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
        passages = await _cut(text) if text is not None else NO_PASSAGES

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

    async def diff(
        self,
        caller: Caller,
        article_id: ArticleId,
        *,
        older: int | None = None,
        newer: int | None = None,
    ) -> RevisionDiff:
        """How one version became another; by default, how the published one became the newest.

        Version 0 stands for the empty text before the first.

        Raises:
            NotFound: ``article_not_found`` or ``revision_not_found``.
        """
        async with self.db.read(caller) as read:
            old, new = await comparing.versions(read, article_id, older=older, newer=newer)
        # A thread, because long texts with little in common take a while.
        return await asyncio.to_thread(comparing.difference, article_id, old, new)

    async def import_folder(
        self,
        caller: Caller,
        folder: Path,
        *,
        publish: bool = True,
        acknowledge_hidden: bool = False,
        prune: bool = False,
        force: bool = False,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Take in every Markdown file of a folder; a bad file is reported, the rest goes on.

        With ``prune``, articles whose files are gone are archived; with ``force`` even most of
        them.

        Raises:
            Invalid: ``folder_missing``.
            Blocked: ``prune_too_many``; nothing was changed.
            Unavailable: the database went away; what was reported before is stored.
        """
        caller.acting()
        how = How(publish, acknowledge_hidden, prune, force)
        listing = await asyncio.to_thread(files.articles_in, folder)
        return await Intake(self.db, self.config, caller, how).run(listing, progress)

    def follow_folder(
        self,
        caller: Caller,
        *,
        how: How,
        stop: asyncio.Event,
        tell: Tell,
        trouble: Trouble,
        progress: Progress | None = None,
    ) -> Follower:
        """What keeps taking in a folder's changes, through any outage, until ``stop`` is set.

        ``tell`` hears of each change, ``trouble`` of what keeps it waiting.

        Raises:
            Forbidden: ``operator_missing``.
        """
        caller.acting()
        return Follower(self.db, self.config, caller, how, stop, tell, trouble, progress)

    async def export(self, caller: Caller) -> AsyncIterator[ExportFile]:
        """Every article that is not archived as a file: what is published, else its draft.

        The links between them are paths that work in the folder of these files.
        """
        async with self.db.read(caller) as read:
            named = await reads.named(read)
        paths = exporting.paths(named)
        for one in named:
            async with self.db.read(caller) as read:
                file = await reads.export_file(read, one, paths)
            if file is not None:
                yield file


async def _cut(text: Text) -> Passages:
    # A thread, because a long or hostile text takes seconds.
    return await asyncio.to_thread(Passages.of, text)


async def _links(content: str) -> tuple[Link, ...]:
    return (await asyncio.to_thread(parse, content)).links
