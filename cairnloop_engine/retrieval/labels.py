"""Labelled questions: which article answers each, or none. Read line by line; no IO here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cairnloop_engine.core.errors import Invalid, JsonValue
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import normalise_line, safe, storable

MOST_LABELS = 20_000
MOST_TOLD = 50


@dataclass(frozen=True, slots=True)
class Label:
    """One question. ``article`` is an id, a title or a source path; None: nothing answers it."""

    line: int
    query: str
    article: int | str | None


@dataclass(frozen=True, slots=True)
class Known:
    """A published article by its three names."""

    article_id: ArticleId
    title: str
    source_path: str | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A labelled question whose article was found; None still means that nothing answers it."""

    query: str
    article_id: ArticleId | None

    @property
    def group(self) -> str:
        """What must stay together: an article, or the words of a question without an answer."""
        if self.article_id is not None:
            return f"article {self.article_id}"
        return f"words {normalise_line(self.query)}"


def read_labels(lines: Iterable[str]) -> list[Label]:
    """The labels of a file of JSON lines; empty lines are left out.

    Raises:
        Invalid: ``labels_invalid`` with every line that cannot be used, ``labels_missing`` when
            there is none at all, ``labels_too_many``.
    """
    labels: list[Label] = []
    wrong: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _label(number, line)
        if isinstance(found, str):
            wrong.append((number, found))
        else:
            labels.append(found)
    if wrong:
        raise _invalid(wrong, len(labels) + len(wrong))
    if not labels:
        raise Invalid("labels_missing", "The file holds no labelled question.")
    if len(labels) > MOST_LABELS:
        raise Invalid("labels_too_many", f"At most {MOST_LABELS:,} labels can be used at once.")
    return labels


def resolve(labels: Sequence[Label], known: Sequence[Known]) -> list[Resolved]:
    """The labels with the articles that they name.

    Raises:
        Invalid: ``labels_invalid`` with every label that names no published article, or several.
    """
    names = _Names(known)
    resolved: list[Resolved] = []
    wrong: list[tuple[int, str]] = []
    for label in labels:
        found = names.find(label.article)
        if isinstance(found, str):
            wrong.append((label.line, found))
        else:
            resolved.append(Resolved(label.query, found))
    if wrong:
        raise _invalid(wrong, len(labels))
    return resolved


class _Names:
    """Published articles by id, title and source path."""

    def __init__(self, known: Sequence[Known]) -> None:
        self._ids = {one.article_id for one in known}
        self._named: dict[str, set[ArticleId]] = {}
        for one in known:
            for name in (one.title, one.source_path):
                if name:
                    self._named.setdefault(normalise_line(name), set()).add(one.article_id)

    def find(self, wanted: int | str | None) -> ArticleId | str | None:
        """The article, None for none, or what is wrong with the name."""
        if wanted is None:
            return None
        if isinstance(wanted, str):
            named = self._named.get(normalise_line(wanted), set())
            if len(named) > 1:
                ids = ", ".join(str(one) for one in sorted(named))
                return f"several articles are called so ({ids}); give the id"
            if named:
                return next(iter(named))
        number = int(wanted) if str(wanted).isdecimal() else 0
        if ArticleId(number) in self._ids:
            return ArticleId(number)
        return f"there is no published article {safe(str(wanted), limit=80)}"


def _label(number: int, line: str) -> Label | str:
    """The label of a line, or what is wrong with it; never quotes the line."""
    try:
        read: Any = json.loads(line.lstrip("\ufeff") if number == 1 else line)
    except (ValueError, RecursionError):
        return "it is not valid JSON"
    if not isinstance(read, Mapping):
        return 'it is not an object such as {"query": "...", "article": 12}'
    query = read.get("query")
    if not isinstance(query, str) or not storable(query).strip():
        return "`query` is missing or blank"
    if "article" not in read:
        return "`article` is missing; null says that nothing answers the question"
    article = read["article"]
    if isinstance(article, bool) or not isinstance(article, int | str | None):
        return "`article` is neither an id, nor a title, nor a path, nor null"
    return Label(number, query, article)


def _invalid(wrong: Sequence[tuple[int, str]], total: int) -> Invalid:
    told: list[JsonValue] = [
        {"line": line, "message": message} for line, message in wrong[:MOST_TOLD]
    ]
    line, message = wrong[0]
    return Invalid(
        "labels_invalid",
        f"{len(wrong)} of {total} labels cannot be used, so nothing was stored."
        f" The first is line {line}: {message}.",
        count=len(wrong),
        lines=told,
    )
