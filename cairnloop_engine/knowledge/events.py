"""What happens to articles that other slices act on, inside the same transaction."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.core.ids import ArticleId, RevisionId


@dataclass(frozen=True, slots=True)
class ArticlePublished:
    """A revision became the current one; its chunks are written, the older one's are history.

    ``body`` is everything in it that can be read, without markup.
    """

    article_id: ArticleId
    revision_id: RevisionId
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class ArticleArchived:
    """An article was taken out of use."""

    article_id: ArticleId
