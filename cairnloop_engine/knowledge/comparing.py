"""Two versions of an article side by side."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.core.database import Read
from cairnloop_engine.core.errors import NotFound
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge import queries
from cairnloop_engine.knowledge.diffing import unified
from cairnloop_engine.knowledge.model import RevisionState
from cairnloop_engine.knowledge.reads import no_version
from cairnloop_engine.knowledge.texts import Text

# A version's number and what it says.
Version = tuple[int, Text]


@dataclass(frozen=True, slots=True)
class RevisionDiff:
    """How one version of an article became another, as a unified diff.

    ``lines`` are raw: draw them through ``core.text.safe``. ``older`` 0 means: before the first.
    """

    article_id: ArticleId
    older: int
    newer: int
    lines: tuple[str, ...]


async def versions(
    read: Read, article_id: ArticleId, *, older: int | None, newer: int | None
) -> tuple[Version, Version]:
    """Two versions to compare; by default the published one with the newest.

    Raises:
        NotFound: ``article_not_found`` or ``revision_not_found``.
    """
    latest = await queries.latest_revision(read, article_id)
    if latest is None:
        raise NotFound("article_not_found", "There is no such article.", article_id=article_id)
    last = latest.version if newer is None else newer
    if older is None:
        current = await queries.revision_in(read, article_id, RevisionState.PUBLISHED)
        older = current.version if current is not None and current.version < last else last - 1
    return (
        (older, await _text(read, article_id, older)),
        (last, await _text(read, article_id, last)),
    )


def difference(article_id: ArticleId, older: Version, newer: Version) -> RevisionDiff:
    """What :func:`versions` found, compared."""
    names = (f"version {older[0]}", f"version {newer[0]}")
    lines = unified(older[1], newer[1], names=names)
    return RevisionDiff(article_id, older[0], newer[0], tuple(lines))


async def _text(read: Read, article_id: ArticleId, version: int) -> Text:
    if version == 0:
        return Text("", "")
    found = await queries.revision(read, article_id, version)
    if found is None:
        raise no_version(article_id, version)
    return Text(found.title, found.content)
