"""Articles as files: Markdown with a title in front, which an import reads back unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cairnloop_cli.boundary import Desk
from cairnloop_engine.core.errors import Invalid, JsonObject
from cairnloop_engine.knowledge.model import ArticleStatus, RevisionState

if TYPE_CHECKING:
    from cairnloop_engine.knowledge.reads import ArticleView, RevisionView

PAGE = 200
LONGEST_NAME = 60


async def export_articles(desk: Desk, folder: Path, tick: Callable[[], None]) -> list[JsonObject]:
    """Write each article that is not archived; returns what went where.

    Raises:
        Invalid: ``folder_unwritable``.
    """
    items: list[JsonObject] = []
    cursor: str | None = None
    while True:
        page = await desk.engine.knowledge.articles(desk.caller, cursor=cursor, limit=PAGE)
        for row in page.items:
            if row.status is ArticleStatus.ARCHIVED:
                continue
            article = await desk.engine.knowledge.article(desk.caller, row.id)
            revision = article.published or article.latest
            path = file_name(article)
            _write(folder, path, markdown(revision))
            items.append({"article_id": row.id, "version": revision.version, "path": path})
            tick()
        cursor = page.next
        if cursor is None:
            return items


def markdown(revision: RevisionView) -> str:
    """A revision as a file. A JSON string is valid YAML, whatever the title holds."""
    front = [f"title: {json.dumps(revision.title)}"]
    if revision.state is RevisionState.DRAFT:
        front.append("status: draft")
    return "---\n" + "\n".join(front) + "\n---\n" + revision.content


def file_name(article: ArticleView) -> str:
    """Where it came from, when it came from a file; else its title and id."""
    if article.source_path is not None:
        parts = PurePosixPath(article.source_path).parts
        if parts and all(part not in ("/", "..") for part in parts):
            return article.source_path
    plain = re.sub(r"[^a-z0-9]+", "-", article.title.lower()).strip("-")[:LONGEST_NAME]
    return f"{plain or 'article'}-{article.id}.md"


def _write(folder: Path, name: str, text: str) -> None:
    target = folder / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.resolve().is_relative_to(folder.resolve()):
            raise Invalid("folder_unwritable", "A link leads out of the folder.")
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Invalid(
            "folder_unwritable", f"{name} cannot be written ({error.strerror})."
        ) from error
