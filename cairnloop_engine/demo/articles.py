"""Loads the articles of a part through the knowledge service, one revision after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.core.text import safe, storable
from cairnloop_engine.demo.clock import StoryClock
from cairnloop_engine.demo.patience import until
from cairnloop_engine.demo.scenario import ArticleSeed, RevisionSeed
from cairnloop_engine.engine import Engine
from cairnloop_engine.knowledge.model import RevisionState
from cairnloop_engine.knowledge.reads import ArticleView

# How long after the last publication the search index was built, in the story.
INDEXED_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Library:
    """Writes articles in the name of the story's operator."""

    engine: Engine
    clock: StoryClock
    operator: Caller
    hidden_is_meant: bool = False

    async def load(self, articles: tuple[ArticleSeed, ...], *, now: datetime) -> None:
        """Bring every article to its last revision, and have the published ones indexed."""
        for seed in articles:
            await self._article(seed, now=now)
        published = [r.ago for seed in articles for r in seed.revisions if r.published]
        if published:
            self.clock.set(now - min(published) + INDEXED_AFTER)
            await until(self._all_indexed, retry=self._index, what="the search index")

    async def ids(self) -> Mapping[str, ArticleId]:
        """The articles of the workspace by their title as it is shown."""
        found: dict[str, ArticleId] = {}
        cursor: str | None = None
        while True:
            page = await self.engine.knowledge.articles(self.operator, cursor=cursor, limit=100)
            # The most recently changed come first: the first of a title is the one in use.
            for row in page.items:
                found.setdefault(row.title, row.id)
            cursor = page.next
            if cursor is None:
                return found

    async def _article(self, seed: ArticleSeed, *, now: datetime) -> None:
        article_id = (await self.ids()).get(shown_title(seed.title))
        for number, revision in enumerate(seed.revisions, start=1):
            self.clock.set(now - revision.ago)
            if article_id is None:
                made = await self.engine.knowledge.create(
                    self.operator, seed.title, revision.content
                )
                article_id = made.article_id
            else:
                await self._revision(article_id, number, revision)
            await self._publication(article_id, number, revision)

    async def _revision(self, article_id: ArticleId, number: int, revision: RevisionSeed) -> None:
        article = await self.engine.knowledge.article(self.operator, article_id)
        if article.version >= number:
            return
        await self.engine.knowledge.save_draft(
            self.operator, article_id, revision.content, expected_version=article.edit_version
        )

    async def _publication(
        self, article_id: ArticleId, number: int, revision: RevisionSeed
    ) -> None:
        article = await self.engine.knowledge.article(self.operator, article_id)
        if not revision.published or not _waits(article, number, revision):
            return
        await self.engine.knowledge.publish(
            self.operator, article_id, acknowledge_hidden=self.hidden_is_meant
        )

    async def _index(self) -> None:
        await self.engine.run_worker(queues=[Queues.INDEXING], drain=True)

    async def _all_indexed(self) -> bool:
        page = await self.engine.knowledge.articles(self.operator, limit=100)
        return all(row.indexed is not False for row in page.items)


def shown_title(title: str) -> str:
    """A title as the list of articles shows it."""
    return safe(" ".join(storable(title).split()))


def _waits(article: ArticleView, number: int, revision: RevisionSeed) -> bool:
    """Whether the story's own text stands there as a draft; what a person wrote stays theirs."""
    latest = article.latest
    return (
        latest.version == number
        and latest.state is RevisionState.DRAFT
        and latest.content == storable(revision.content)
    )
