"""Folders of Markdown: taken in once, or followed for as long as somebody wants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.errors import Blocked, CairnloopError, Invalid, Refused, Unavailable
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import safe
from cairnloop_engine.knowledge import files, importing, link_queries
from cairnloop_engine.knowledge.files import Listing
from cairnloop_engine.knowledge.importing import (
    ImportItem,
    ImportReport,
    Incoming,
    Known,
    Progress,
)
from cairnloop_engine.knowledge.model import How, ImportStatus, KnowledgeConfig
from cairnloop_engine.knowledge.texts import Passages, checked_text
from cairnloop_engine.knowledge.watching import FolderWatch, Seen

T = TypeVar("T")

POLL_S = 1.0
# A file that a person's draft kept out is tried again after so many looks.
TRY_AGAIN_AFTER = 15
RETRY_S = 2.0


@dataclass(slots=True)
class Intake:
    """Takes files of one folder in: one transaction each, a bad one never stops the rest."""

    db: Database
    config: KnowledgeConfig
    caller: Caller
    how: How

    async def run(self, listing: Listing, progress: Progress | None) -> ImportReport:
        """The whole folder.

        Raises:
            Blocked: ``prune_too_many``, before anything is done.
            Unavailable: the database went away; what was reported before is stored.
        """
        known = await self.attempt(self.known)
        gone = missing(listing, known)
        if self.how.prune:
            check_prune(len(gone), known, force=self.how.force)
        items = await self.take(listing, listing.files, known, progress)
        taken = {item.article_id for item in items}
        gone = [name for name in gone if known.files[name] not in taken]
        return ImportReport(
            (*items, *_unreadable(listing), *await self.let_go(gone, known, prune=self.how.prune))
        )

    async def attempt(self, act: Callable[[], Awaitable[T]]) -> T:
        """One step that needs the database."""
        return await act()

    async def known(self) -> Known:
        async with self.db.read(self.caller) as read:
            return await importing.known(read)

    async def take(
        self,
        listing: Listing,
        paths: Sequence[Path],
        known: Known,
        progress: Progress | None = None,
    ) -> list[ImportItem]:
        """These files of the folder, then the links between them and the rest."""
        items: list[ImportItem] = []
        for path in paths:
            item = await self._one(listing, path, known)
            items.append(item)
            if progress is not None:
                progress(len(items), len(paths), item)
        return await self.attempt(lambda: self._linked(items))

    async def let_go(self, names: Sequence[str], known: Known, *, prune: bool) -> list[ImportItem]:
        """Say which articles have lost their files, and archive them when that is wanted."""
        items: list[ImportItem] = []
        for name in names:
            article_id = known.files[name]
            if not prune:
                shown = safe(name, limit=importing.PATH_LENGTH)
                note = "not in this folder; the article stays"
                items.append(ImportItem(shown, ImportStatus.MISSING, article_id, note))
                continue
            items.append(await self._drop(name, article_id))
        return items

    async def _drop(self, name: str, article_id: ArticleId) -> ImportItem:
        async def run(work: Work) -> ImportItem:
            return await importing.drop(work, name, article_id)

        try:
            return await self.attempt(lambda: self.db.retrying(self.caller, run))
        except Refused as refused:
            return importing.failed(name, refused)

    async def _one(self, listing: Listing, path: Path, known: Known) -> ImportItem:
        name = listing.name(path)
        lines_before = 0
        try:
            incoming = await self._incoming(listing, path, known)
            lines_before = incoming.lines_before

            async def run(work: Work) -> ImportItem:
                return await importing.take(work, incoming)

            return await self.attempt(lambda: self.db.retrying(self.caller, run))
        except Refused as refused:
            return importing.failed(name, refused, lines_before=lines_before)

    async def _incoming(self, listing: Listing, path: Path, known: Known) -> Incoming:
        name = files.checked_name(listing.name(path))
        limit = self.config.max_article_bytes
        found = await asyncio.to_thread(files.read_article, path, listing.folder, limit=limit)
        text = checked_text(found.title, found.content, self.config)
        mark = found.exported
        return Incoming(
            source_path=name,
            text=text,
            # A thread, because a long or hostile file takes seconds.
            passages=await asyncio.to_thread(Passages.of, text),
            publish=self.how.publish and found.publish,
            acknowledge_hidden=self.how.acknowledge_hidden,
            lines_before=found.lines_before,
            exported=mark,
            export_of=None if mark is None else known.texts.get(mark.revision),
        )

    async def _linked(self, items: Sequence[ImportItem]) -> list[ImportItem]:
        """The items with the links of their articles that lead nowhere."""
        ids = [item.article_id for item in items if item.article_id is not None]
        if not ids:
            return list(items)
        # Also when nothing is new: an import that was cut short left this undone.
        await self.db.retrying(self.caller, link_queries.resolve)
        async with self.db.read(self.caller) as read:
            broken = await importing.broken_links(read, ids)
        return [
            item
            if item.article_id is None or item.article_id not in broken
            else replace(item, broken_links=broken[item.article_id])
            for item in items
        ]


Tell = Callable[[ImportItem], None]
Trouble = Callable[[CairnloopError], None]


class _Stopped(Exception):
    """Somebody asked to stop; what was taken in is stored, and the rest is for the next time."""


@dataclass(slots=True)
class Follower(Intake):
    """Keeps taking in what changes, through any outage, until ``stop`` is set.

    ``tell`` hears of each change, ``trouble`` of what keeps it from going on for now.
    """

    stop: asyncio.Event
    tell: Tell
    trouble: Trouble
    progress: Progress | None = None
    poll_s: float = POLL_S
    _kept_out: set[str] = field(default_factory=set)
    _said: str | None = None
    _n_archived: int = 0
    _looks: int = 0

    async def follow(self, folder: Path) -> None:
        """Take in the folder, then whatever changes in it.

        Raises:
            Invalid: ``folder_missing`` at the beginning; later it is waited for.
            Blocked: ``prune_too_many`` at the beginning; later those articles stay.
        """
        watch = FolderWatch(folder)
        first = await asyncio.to_thread(watch.look)
        try:
            report = await self.run(first.listing, self.progress)
            self._report(report.items)
            while not await self._pause(self.poll_s):
                await self._look(watch)
        except _Stopped:
            return

    async def attempt(self, act: Callable[[], Awaitable[T]]) -> T:
        while not self.stop.is_set():
            try:
                done = await act()
            except Unavailable as error:
                self._say_once(error)
                await self._pause(error.retry_after or RETRY_S)
            else:
                self._said = None
                return done
        raise _Stopped

    async def _look(self, watch: FolderWatch) -> None:
        self._looks += 1
        if self._looks % TRY_AGAIN_AFTER == 0:
            for name in self._kept_out:
                watch.forget(name)
        try:
            seen = await asyncio.to_thread(watch.look)
        except Invalid as error:
            self._say_once(error)
            return
        self._said = None
        if seen.changed or seen.gone:
            await self._changes(seen)

    async def _changes(self, seen: Seen) -> None:
        known = await self.attempt(self.known)
        items = await self.take(seen.listing, seen.changed, known)
        gone = [name for name in seen.gone if name in known.files]
        # What went one by one counts together: it is the same wrong folder.
        lost, before = self._n_archived + len(gone), self._n_archived + len(known.files)
        prune = self.how.prune and _may_prune(lost, before, force=self.how.force)
        let_go = await self.let_go(gone, known, prune=prune)
        self._n_archived += sum(1 for item in let_go if item.status is ImportStatus.ARCHIVED)
        self._report([*items, *let_go])

    def _report(self, items: Sequence[ImportItem]) -> None:
        for item in items:
            kept_out = item.code == "draft_in_progress"
            told = kept_out and item.path in self._kept_out
            if kept_out:
                self._kept_out.add(item.path)
            else:
                self._kept_out.discard(item.path)
            if item.status is not ImportStatus.UNCHANGED and not told:
                self.tell(item)

    def _say_once(self, error: CairnloopError) -> None:
        if self._said != error.code:
            self._said = error.code
            self.trouble(error)

    async def _pause(self, seconds: float) -> bool:
        """Wait; True when somebody asked to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            return False
        return True


def missing(listing: Listing, known: Known) -> list[str]:
    """Names of files that articles came from and that are not in the folder."""
    present = {listing.name(path) for path in listing.files}
    return sorted(name for name in known.files if name not in present and listing.covers(name))


def check_prune(n_gone: int, known: Known, *, force: bool) -> None:
    """Refuse to archive most of a knowledge base: that is a wrong folder, hardly ever a wish.

    Raises:
        Blocked: ``prune_too_many``.
    """
    if not _may_prune(n_gone, len(known.files), force=force):
        raise Blocked(
            "prune_too_many",
            f"{n_gone:,} of {len(known.files):,} articles that came from files would be archived. "
            "Nothing was changed. If this is the right folder, repeat it with --force.",
            missing=n_gone,
            known=len(known.files),
        )


def _may_prune(n_gone: int, n_known: int, *, force: bool) -> bool:
    return force or n_gone * 2 <= n_known


def _unreadable(listing: Listing) -> list[ImportItem]:
    return [
        ImportItem(
            safe(listing.name(path), limit=importing.PATH_LENGTH),
            ImportStatus.FAILED,
            message="The folder cannot be read; what is in it was left alone.",
            code="folder_unreadable",
        )
        for path in listing.unreadable
    ]
