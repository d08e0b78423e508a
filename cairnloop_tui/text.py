"""Lines of toned words: measuring, cutting, filling and wrapping them by terminal cells; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rich.cells import cell_len, chop_cells, set_cell_size

from cairnloop_engine.core.text import safe
from cairnloop_tui.theme.tokens import Tone

MINUTE, HOUR, DAY, MONTH, YEAR = 60, 3600, 86_400, 30 * 86_400, 365 * 86_400

_WORDS = re.compile(r"\s*\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words in one tone. The text is data, never markup."""

    text: str
    tone: Tone = Tone.TEXT
    bold: bool = False
    italic: bool = False

    @property
    def look(self) -> tuple[Tone, bool, bool]:
        """What it is painted with."""
        return (self.tone, self.bold, self.italic)


Line = tuple[Piece, ...]


def line(*parts: str | Piece) -> Line:
    """A line from pieces; a bare string is ordinary text."""
    return tuple(Piece(part) if isinstance(part, str) else part for part in parts)


def muted(text: str) -> Piece:
    return Piece(text, Tone.MUTED)


def strong(text: str, tone: Tone = Tone.TEXT) -> Piece:
    return Piece(text, tone, bold=True)


def one_line(text: str | None, limit: int = 500) -> str:
    """Somebody else's words on one line, harmless."""
    return safe(text or "", limit=limit)


def many_lines(text: str | None, limit: int = 20_000) -> str:
    """Somebody else's words on several lines, harmless."""
    return safe(text or "", multiline=True, limit=limit)


def width_of(pieces: Line) -> int:
    return sum(cell_len(piece.text) for piece in pieces)


def words_of(pieces: Line) -> str:
    """The line without its tones."""
    return "".join(piece.text for piece in pieces)


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """At most ``width`` cells, with an ellipsis where something is missing."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + ellipsis


def fit(text: str, width: int) -> str:
    """Exactly ``width`` cells: cut, or filled with spaces."""
    return set_cell_size(cut(text, width), max(width, 0))


def fit_right(text: str, width: int) -> str:
    """Exactly ``width`` cells, at the right; for our own short words and numbers only."""
    cropped = cut(text, width)
    return " " * max(width - cell_len(cropped), 0) + cropped


def cut_line(pieces: Line, width: int) -> Line:
    """The line within ``width`` cells."""
    kept: list[Piece] = []
    left = width
    for piece in pieces:
        size = cell_len(piece.text)
        if size > left:
            kept.append(replace(piece, text=cut(piece.text, left)))
            break
        kept.append(piece)
        left -= size
    return tuple(kept)


def spread(left: Line, right: Line, width: int) -> Line:
    """Two ends of one line; the left gives way to the right, which must be our own words."""
    room = width - width_of(right)
    if room <= 0:
        return cut_line(right, width)
    shortened = cut_line(left, room - 1)
    gap = room - width_of(shortened)
    return (*shortened, Piece(" " * gap), *right)


@dataclass(frozen=True, slots=True)
class Para:
    """A paragraph to be wrapped; the gutter stands before each of its lines."""

    pieces: Line = ()
    gutter: Line = ()
    hang: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Paragraphs that belong together, under one key when the cursor may stand on them."""

    paras: tuple[Para, ...]
    key: int | None = None


def text_paras(text: str, *, gutter: Line = (), tone: Tone = Tone.TEXT) -> tuple[Para, ...]:
    """Several lines of one tone, each behind the gutter."""
    return tuple(Para((Piece(row, tone),), gutter) for row in text.split("\n"))


def wrap(para: Para, width: int) -> list[Line]:
    """The lines of a paragraph at this width; never empty."""
    room = max(width - width_of(para.gutter), 1)
    rows: list[list[Piece]] = [[]]
    used = 0
    for piece in para.pieces:
        for word in _words(piece.text, room - para.hang):
            size = cell_len(word)
            if used + cell_len(word.rstrip()) > room and used > 0:
                rows.append([Piece(" " * para.hang)] if para.hang else [])
                used = para.hang
                word = word.lstrip()  # noqa: PLW2901 - a word at the start of a line stands flush
                size = cell_len(word)
            rows[-1].append(replace(piece, text=word))
            used += size
    return [(*para.gutter, *_joined(row)) for row in rows]


def _words(text: str, room: int) -> Iterable[str]:
    for word in _WORDS.findall(text):
        if cell_len(word) <= room:
            yield word
        else:
            yield from chop_cells(word, max(room, 1))


def _joined(row: Sequence[Piece]) -> Line:
    joined: list[Piece] = []
    for piece in row:
        if joined and joined[-1].look == piece.look:
            joined[-1] = replace(piece, text=joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return tuple(joined)


def ago(then: datetime | None, now: datetime) -> str:
    """How long ago, in at most four cells; the future counts as now."""
    if then is None:
        return ""
    return short_span(int((now - then).total_seconds()))


def short_span(seconds: int) -> str:
    """A length of time in at most four cells."""
    for size, unit in ((YEAR, "y"), (MONTH, "mo"), (DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return "now"


def ago_words(then: datetime | None, now: datetime) -> str:
    """How long ago, in words."""
    short = ago(then, now)
    return "just now" if short in {"now", ""} else f"{short} ago"


def clock_time(moment: datetime) -> str:
    """Hours and minutes where the operator sits."""
    return moment.astimezone().strftime("%H:%M")


def counted(n: int, one: str, many: str | None = None) -> str:
    """``1 conversation``, ``2 conversations``."""
    return f"{n} {one if n == 1 else many or one + 's'}"
