"""Markdown as the index sees it: plain text in blocks, each under the path of its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Headings below this level are lines of their section, not sections.
DEEPEST_SECTION = 3

_LINK = re.compile(r"^(?:https?://|mailto:)", re.IGNORECASE)
_SPACES = re.compile(r"[^\S\n]+")
_TAG = re.compile(r"</?[A-Za-z]")


class BlockKind(StrEnum):
    PROSE = "prose"
    ITEM = "item"
    CODE = "code"
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of text that should stay together, under the headings above it."""

    kind: BlockKind
    text: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it was written: its words, and its address as Markdown reads it."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed article. ``title`` is the first level-one heading, when there is one."""

    title: str | None
    blocks: tuple[Block, ...]
    links: tuple[Link, ...] = ()

    @property
    def text(self) -> str:
        """Everything that can be read, headings included, once."""
        lines: list[str] = []
        path: tuple[str, ...] = ()
        for block in self.blocks:
            if block.path != path:
                lines.extend(h for h in block.path if h not in path)
                path = block.path
            lines.append(block.text)
        return "\n".join(lines)


def parse(markdown: str, *, title: str | None = None) -> Document:
    """Parse any text as Markdown; nothing is an error, unclosed markup is plain text.

    A level-one heading that repeats the article's title is left out: every passage carries the
    title already. ``title`` None takes the first level-one heading for it.
    """
    reader = _Reader(title)
    reader.read(_PARSER.parse(markdown))
    title = reader.title or reader.first_heading
    return Document(title, tuple(reader.blocks), tuple(reader.links))


def code_lines(markdown: str) -> list[tuple[int, int]]:
    """Where blocks of code stand: their first line, from 0, and the line after their last."""
    return [
        (token.map[0], token.map[1])
        for token in _PARSER.parse(markdown)
        if token.type in ("fence", "code_block") and token.map is not None
    ]


class _Reader:
    """Walks the token stream once, keeping the headings and lists it is inside of."""

    def __init__(self, title: str | None) -> None:
        self.title = title
        self.first_heading: str | None = None
        self.blocks: list[Block] = []
        self.links: list[Link] = []
        self._headings: list[tuple[int, str]] = []
        self._lists: list[int | None] = []
        self._marker = ""
        self._row: list[str] | None = None
        self._heading_level = 0

    def read(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            match token.type:
                case "heading_open":
                    self._heading_level = int(token.tag[1:])
                case "heading_close":
                    self._heading_level = 0
                case "inline":
                    self._inline(token)
                case "fence" | "code_block":
                    self._add(BlockKind.CODE, token.content.rstrip("\n"))
                case _:
                    self._structure(token)

    def _structure(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                self._marker = self._next_marker()
            case "tr_open":
                self._row = []
            case "tr_close":
                cells, self._row = self._row or [], None
                self._add(BlockKind.ROW, " | ".join(cells))

    def _next_marker(self) -> str:
        number = self._lists[-1]
        indent = "  " * (len(self._lists) - 1)
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _inline(self, token: Token) -> None:
        text = _text_of(token.children or [])
        self.links.extend(_links_of(token.children or []))
        if self._row is not None:
            self._row.append(text)
        elif 0 < self._heading_level <= DEEPEST_SECTION:
            self._enter_section(self._heading_level, text)
        else:
            self._add(BlockKind.ITEM if self._lists else BlockKind.PROSE, text)

    def _enter_section(self, level: int, heading: str) -> None:
        heading = " ".join(heading.split())
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        if level == 1 and self.first_heading is None:
            self.first_heading = heading
            if _same(heading, self.title or heading):
                return
        if heading:
            self._headings.append((level, heading))

    def _add(self, kind: BlockKind, text: str) -> None:
        if not text.strip():
            return
        if self._lists:
            # Only the first block of an item carries its marker.
            text, self._marker = (self._marker or "  " * len(self._lists)) + text, ""
        path = tuple(heading for _, heading in self._headings)
        self.blocks.append(Block(kind, text, path))


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def _text_of(tokens: Sequence[Token]) -> str:
    """The words of inline tokens: markup goes, addresses of links and alt texts stay."""
    parts: list[str] = []
    open_links: list[tuple[str, int]] = []
    for token in tokens:
        match token.type:
            case "text":
                parts.append(without_tags(token.content))
            case "code_inline":
                parts.append(token.content)
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(token.content)
            case "link_open":
                open_links.append((str(token.attrGet("href") or ""), len(parts)))
            case "link_close" if open_links:
                href, start = open_links.pop()
                shown = "".join(parts[start:])
                if _LINK.match(href) and not _names(shown, href):
                    parts.append(f" ({href})")
    return _SPACES.sub(" ", "".join(parts)).strip()


def _links_of(tokens: Sequence[Token]) -> Iterator[Link]:
    # One link cannot stand inside another.
    start = 0
    for index, token in enumerate(tokens):
        if token.type == "link_open":
            start = index
        elif token.type == "link_close":
            href = str(tokens[start].attrGet("href") or "")
            yield Link(_text_of(tokens[start + 1 : index]), href)


def _names(shown: str, href: str) -> bool:
    return shown.strip().rstrip("/") in {href.rstrip("/"), href.removeprefix("mailto:")}


# Elements whose content nobody reads.
_UNSEEN = ("script", "style", "template")


def without_tags(text: str) -> str:
    """The text with HTML tags and comments left out, in time linear in its length."""
    parts: list[str] = []
    position = 0
    while (start := text.find("<", position)) >= 0:
        end = _end_of_markup(text, start)
        if end is None:
            parts.append(text[position : start + 1])
            position = start + 1
            continue
        parts.append(text[position:start])
        position = end
    parts.append(text[position:])
    return "".join(parts)


def _end_of_markup(text: str, start: int) -> int | None:
    """Where the markup that begins at ``start`` ends; None when it is only a less-than sign."""
    if text.startswith("<!--", start):
        return _after(text, "-->", start)
    if not _TAG.match(text, start):
        return None
    end = _after(text, ">", start)
    for name in _UNSEEN:
        if text[start + 1 : start + 1 + len(name)].casefold() == name:
            return _after(text, f"</{name}>", end)
    return end


def _after(text: str, mark: str, start: int) -> int:
    # An unclosed element or comment swallows the rest, as it does in a browser.
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)


# Holds rules, no text: one parser serves every article. Its own HTML rules take quadratic time on
# hostile input, so that markup is left in the text for us to take out.
_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
