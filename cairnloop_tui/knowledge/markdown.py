"""How Markdown reads in a terminal: marked words and gutters, nothing to click; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from cairnloop_tui.text import Block, Line, Para, Piece, muted, one_line, width_of, words_of
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone

# Characters that are drawn: of an article that is read, and beside the text that is written.
LONGEST_READ = 200_000
LONGEST_PREVIEWED = 40_000
# A column is filled up to this width, so that a table of short cells stands in columns.
WIDEST_COLUMN = 30
RULE = 24

_SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_SHOWN = re.compile(r"(?:https?|mailto|article):", re.IGNORECASE)
# HTML is text here, and so nothing in an article is ever more than words.
_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def rendered(markdown: str, glyphs: Glyphs, *, limit: int = LONGEST_READ) -> tuple[Block, ...]:
    """The article as blocks; what is longer than ``limit`` characters is cut, and says so.

    Links show where they lead and cannot be followed; those that are no web or mail address and
    no path are left out.
    """
    writer = _Writer(glyphs)
    writer.read(_PARSER.parse(markdown[:limit]))
    missing = len(markdown) - limit
    if missing > 0:
        writer.paras += [Para(), Para((muted(f"… +{missing} chars are not shown here"),))]
    return (Block(tuple(writer.paras)),)


def destination(href: str) -> str:
    """Where a link leads, as it may be shown."""
    if _SHOWN.match(href):
        return one_line(href, 300)
    return "link left out" if _SCHEME.match(href) else one_line(href, 300)


@dataclass(slots=True)
class _Ink:
    """How the words that follow are written."""

    tone: Tone = Tone.TEXT
    strong: int = 0
    emphasis: int = 0

    def piece(self, text: str) -> Piece:
        return Piece(text, self.tone, bold=self.strong > 0, italic=self.emphasis > 0)


@dataclass(slots=True)
class _Table:
    """The cells of a table so far; the first row is its head."""

    rows: list[list[Line]] = field(default_factory=list)

    def paras(self, gutter: Line, glyphs: Glyphs) -> Iterable[Para]:
        columns = max((len(row) for row in self.rows), default=0)
        widths = [
            min(max(width_of(row[at]) for row in self.rows if at < len(row)), WIDEST_COLUMN)
            for at in range(columns)
        ]
        for number, row in enumerate(self.rows):
            pieces: list[Piece] = []
            for cell, width in zip(row, widths, strict=False):
                gap = " " * max(width - width_of(cell), 0)
                words = [replace(piece, bold=True) for piece in cell] if number == 0 else cell
                pieces += [*words, Piece(gap), muted(f" {glyphs.bar} ")]
            yield Para(tuple(pieces[:-1]), gutter, hang=2)


class _Writer:
    """Walks the tokens once, keeping the quotes and lists it is inside of."""

    def __init__(self, glyphs: Glyphs) -> None:
        self.paras: list[Para] = []
        self._glyphs = glyphs
        self._quotes = 0
        self._lists: list[int | None] = []
        self._marker = ""
        self._heading = 0
        self._table: _Table | None = None

    def read(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            match token.type:
                case "inline":
                    self._inline(token)
                case "fence" | "code_block":
                    self._code(token.content)
                case "heading_open":
                    self._heading = int(token.tag[1:])
                case "heading_close":
                    self._heading = 0
                case "hr":
                    self._gap()
                    self._add((muted(self._glyphs.rule * RULE),))
                case _:
                    self._structure(token)

    def _structure(self, token: Token) -> None:
        match token.type:
            case "blockquote_open":
                self._gap()
                self._quotes += 1
            case "blockquote_close":
                self._quotes -= 1
            case "bullet_list_open" | "ordered_list_open":
                self._gap()
                numbered = token.type == "ordered_list_open"
                self._lists.append(int(token.attrGet("start") or 1) if numbered else None)
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                self._marker = self._next_marker()
            case "table_open":
                self._gap()
                self._table = _Table()
            case "tr_open" if self._table is not None:
                self._table.rows.append([])
            case "table_close" if self._table is not None:
                self.paras += self._table.paras(self._gutter(), self._glyphs)
                self._table = None

    def _next_marker(self) -> str:
        number = self._lists[-1]
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _inline(self, token: Token) -> None:
        ink = _Ink()
        if self._heading:
            ink = _Ink(Tone.PRIMARY if self._heading < 3 else Tone.TEXT, strong=1)
        lines = _lines_of(token.children or [], ink)
        if self._table is not None:
            cell = tuple(piece for line in lines for piece in (*line, Piece(" ")))[:-1]
            self._table.rows[-1].append(cell)
            return
        self._gap()
        for line in lines:
            self._add(line)

    def _code(self, content: str) -> None:
        self._gap()
        bar = Piece(f"{self._glyphs.bar} ", Tone.INFO)
        for row in content.rstrip("\n").split("\n"):
            self._add((Piece(one_line(row, 2_000), Tone.INFO),), bar)

    def _gap(self) -> None:
        """An empty line between what stands apart; items of a list stand together."""
        if self.paras and self.paras[-1].pieces and not self._lists:
            self.paras.append(Para((), self._gutter()))

    def _gutter(self) -> Line:
        return (muted(f"{self._glyphs.bar} "),) * self._quotes

    def _add(self, line: Line, *bar: Piece) -> None:
        indent = "  " * len(self._lists[1:])
        if self._lists:
            # Only the first line of an item carries its marker.
            indent += self._marker or "  "
            self._marker = ""
        head = (muted(indent),) if indent else ()
        self.paras.append(Para((*head, *line), (*self._gutter(), *bar), hang=len(indent)))


def _lines_of(tokens: Sequence[Token], ink: _Ink) -> list[Line]:
    """Inline tokens as lines: there is one more after each hard break."""
    lines: list[list[Piece]] = [[]]
    links: list[tuple[str, int]] = []
    around = ink.tone
    for token in tokens:
        row = lines[-1]
        match token.type:
            case "text" | "text_special":
                row.append(ink.piece(one_line(token.content, LONGEST_READ)))
            case "code_inline":
                row.append(Piece(f"`{one_line(token.content, LONGEST_READ)}`", Tone.INFO))
            case "softbreak":
                row.append(ink.piece(" "))
            case "hardbreak":
                lines.append([])
            case "image":
                row.append(muted(f"[image, not loaded: {one_line(token.content)}]"))
            case "strong_open" | "strong_close":
                ink.strong += token.nesting
            case "em_open" | "em_close":
                ink.emphasis += token.nesting
            case "s_open" | "s_close":
                row.append(muted("~~"))
            case "link_open":
                links.append((str(token.attrGet("href") or ""), len(row)))
                ink.tone = Tone.INFO
            case "link_close" if links:
                href, start = links.pop()
                ink.tone = Tone.INFO if links else around
                if words_of(tuple(row[start:])) != destination(href).removeprefix("mailto:"):
                    row.append(muted(f" ({destination(href)})"))
    return [tuple(line) for line in lines]
