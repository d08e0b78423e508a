"""What the links of an article lead to: another article, or something else. No IO."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import storable, truncate
from cairnloop_engine.knowledge.markdown import Link, code_lines

SUFFIXES = frozenset({".md", ".markdown"})
# More than any file name within a folder that can be imported.
LONGEST_TARGET = 1_000
LONGEST_LABEL = 200
# A page of nothing but links is no article; the rest of them is not followed.
MOST_LINKS = 1_000
LARGEST_ID = 2**63 - 1

_ARTICLE = re.compile(r"article:([0-9]{1,19})", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_TICKS = re.compile("`+")
# Where Markdown expects the address of a link: alone in brackets, inline, in a definition.
_DESTINATION = re.compile(
    r"<article:(?P<alone>[0-9]{1,19})>"
    r"|(?P<before>\]\(\s{0,9}<?|^[ >]{0,9}\[[^\]]{1,999}\]:[ \t]{0,9}<?)"
    r"article:(?P<id>[0-9]{1,19})(?![0-9])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A link to another article: its words, and a path of the imported folder or ``article:12``."""

    label: str
    name: str

    @property
    def article_id(self) -> ArticleId | None:
        """The article that is named by its id."""
        named = _ARTICLE.fullmatch(self.name)
        return None if named is None else ArticleId(int(named[1]))


def targets(links: Sequence[Link], source_path: str | None) -> tuple[Target, ...]:
    """The links that lead to other articles, in the order of the text.

    ``source_path`` is the file that they stand in; an article without one stands at the top of
    the folder.
    """
    found = [
        Target(truncate(storable(link.label), LONGEST_LABEL), name)
        for link in links
        if (name := target_name(link.href, source_path)) is not None and name != source_path
    ]
    return tuple(found[:MOST_LINKS])


def target_name(href: str, source_path: str | None) -> str | None:
    """The article that an address names; None when it leads to something else.

    A path that leaves the folder keeps its dots, so that it never names an article.
    """
    address = re.split("[?#]", href, maxsplit=1)[0]
    named = _ARTICLE.fullmatch(address)
    if named is not None:
        number = int(named[1])
        return f"article:{number}" if number <= LARGEST_ID else None
    if not address or len(address) > 3 * LONGEST_TARGET:
        return None
    if _SCHEME.match(address) or address.startswith("//"):
        return None
    path = storable(unquote(address))
    if posixpath.splitext(path)[1].lower() not in SUFFIXES:
        return None
    folder = "" if path.startswith("/") else posixpath.dirname(source_path or "")
    whole = posixpath.normpath(posixpath.join(folder, path.lstrip("/")))
    return whole if len(whole.encode()) <= LONGEST_TARGET else None


def as_paths(content: str, path: str, paths: Mapping[ArticleId, str]) -> str:
    """The text with each ``article:12`` as a path that leads from ``path`` to that article's file.

    Code stays as it is, and so does a link to an article that has no file.
    """
    if "article:" not in content.lower():
        return content
    lines = content.split("\n")
    code = {number for first, end in code_lines(content) for number in range(first, end)}
    folder = posixpath.dirname(path) or "."
    for number, line in enumerate(lines):
        if number not in code and "article:" in line.lower():
            lines[number] = _line_as_paths(line, folder, paths)
    return "\n".join(lines)


def _line_as_paths(line: str, folder: str, paths: Mapping[ArticleId, str]) -> str:
    code = list(_code_spans(line))

    def replaced(found: re.Match[str]) -> str:
        named = found["alone"] or found["id"]
        target = paths.get(ArticleId(int(named)))
        before = bisect_right(code, (found.start(), len(line)))
        if target is None or (before and found.start() < code[before - 1][1]):
            return found[0]
        address = quote(posixpath.relpath(target, folder))
        if found["alone"]:
            return f"[{found[0][1:-1]}]({address})"
        return str(found["before"]) + address

    return _DESTINATION.sub(replaced, line)


def _code_spans(line: str) -> Iterator[tuple[int, int]]:
    """Where code stands in a line: from some backticks to the next run of as many."""
    runs = [found.span() for found in _TICKS.finditer(line)]
    closes: dict[int, int] = {}
    next_of_length: dict[int, int] = {}
    for number in range(len(runs) - 1, -1, -1):
        length = runs[number][1] - runs[number][0]
        if length in next_of_length:
            closes[number] = next_of_length[length]
        next_of_length[length] = number
    number = 0
    while number < len(runs):
        end = closes.get(number)
        if end is not None:
            yield runs[number][0], runs[end][1]
            number = end
        number += 1
