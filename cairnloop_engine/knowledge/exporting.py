"""Articles as files: where each goes, and what is written so that an import knows it again.

No IO in this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import has_hidden
from cairnloop_engine.knowledge.links import SUFFIXES, as_paths
from cairnloop_engine.knowledge.model import digest
from cairnloop_engine.knowledge.texts import Text

FENCE = "---"
LONGEST_NAME = 60
# Characters of a digest that tell a desk's texts apart.
SHORT = 16

_MARK = re.compile(rf"([0-9a-f]{{{SHORT}}})(?: ([0-9a-f]{{{SHORT}}}))?")
# What no system allows in a file's name, or reads as something else.
_UNSAFE = re.compile(r'[\\:*?"<>|\n]')
# YAML takes every other character as it is.
_NOT_PRINTABLE = re.compile("[\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Named:
    """What an article's file is named after."""

    article_id: ArticleId
    title: str
    source_path: str | None


@dataclass(frozen=True, slots=True)
class Exported:
    """What an exported file says of itself: short digests of its revision and of its own text."""

    revision: str
    text: str

    @classmethod
    def parse(cls, mark: object) -> Exported | None:
        """The mark in a front matter; None when it is none of ours."""
        found = _MARK.fullmatch(mark) if isinstance(mark, str) else None
        return None if found is None else cls(found[1], found[2] or found[1])

    def is_of(self, revision_digest: str) -> bool:
        """Whether it was written from this revision."""
        return short(revision_digest) == self.revision

    def wrote(self, text_digest: str) -> bool:
        """Whether the file still says what was written into it."""
        return short(text_digest) == self.text

    @property
    def mark(self) -> str:
        return self.revision if self.revision == self.text else f"{self.revision} {self.text}"


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One article as a file: ``path`` within the folder, ``text`` as it is written."""

    article_id: ArticleId
    version: int
    path: str
    text: str


def short(full: str) -> str:
    return full[:SHORT]


def keeps_its_path(source_path: str | None) -> bool:
    """Whether an article came from a file whose name is safe to write and to import again."""
    if source_path is None or has_hidden(source_path) or _UNSAFE.search(source_path):
        return False
    path = PurePosixPath(source_path)
    plain = all(not part.startswith(".") and part == part.strip(" ") for part in path.parts)
    return plain and not path.is_absolute() and path.suffix.lower() in SUFFIXES


def paths(articles: Iterable[Named]) -> dict[ArticleId, str]:
    """A file for each article: the one that it came from, else one named after title and id.

    No two differ by capital letters only, because some systems see one file there.
    """
    planned: dict[ArticleId, str] = {}
    taken: set[str] = set()
    left: list[Named] = []
    for article in articles:
        path = article.source_path
        if path is None or not keeps_its_path(path) or path.casefold() in taken:
            left.append(article)
            continue
        planned[article.article_id] = path
        taken.add(path.casefold())
    for article in left:
        path = _named_after(article)
        while path.casefold() in taken:
            path = f"{path.removesuffix('.md')}-{article.article_id}.md"
        planned[article.article_id] = path
        taken.add(path.casefold())
    return planned


def _named_after(article: Named) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", article.title.lower()).strip("-")[:LONGEST_NAME]
    return f"{plain.strip('-') or 'article'}-{article.article_id}.md"


def written(
    text: Text,
    path: str,
    source_path: str | None,
    *,
    draft: bool,
    files: Mapping[ArticleId, str],
) -> str:
    """The whole file: title and status in front, links as paths, and a mark where one is needed.

    A file that says what was imported from it needs none.
    """
    content = as_paths(text.content, path, files)
    front = [f"title: {quoted(text.title)}"]
    if draft:
        front.append("status: draft")
    if path != source_path or content != text.content:
        known = Exported(short(text.digest), short(digest(text.title, content)))
        front.append(f"exported: {quoted(known.mark)}")
    return "\n".join((FENCE, *front, FENCE, content))


def quoted(words: str) -> str:
    """A YAML string on one line, whatever the words hold; readable in any script."""
    plain = json.dumps(words, ensure_ascii=False)
    return _NOT_PRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", plain)
