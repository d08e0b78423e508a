"""From tones to terminal styles: what the line-drawing widgets paint with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from cairnloop_tui.text import Line
from cairnloop_tui.theme.themes import PLAIN
from cairnloop_tui.theme.tokens import ANSI, DARK, LIGHT, Tone


class Brush:
    """Paints lines in one theme."""

    def __init__(self, theme_name: str) -> None:
        self.theme_name = theme_name
        self._styles = {
            (tone, bold, italic): _style(theme_name, tone, bold=bold) + Style(italic=italic or None)
            for tone in Tone
            for bold in (False, True)
            for italic in (False, True)
        }
        self.cursor = _cursor(theme_name, focused=True)
        self.cursor_unfocused = _cursor(theme_name, focused=False)

    def style(self, tone: Tone, *, bold: bool = False) -> Style:
        return self._styles[tone, bold, False]

    def strip(self, line: Line, width: int, base: Style, over: Style | None = None) -> Strip:
        """One line on the ground of ``base``, cut or filled to ``width`` cells.

        ``over`` is laid on the ground (not on the words), as a cursor is.
        """
        ground = base if over is None else base + over
        drawn = Strip(self._segments(line)).apply_style(ground)
        return drawn.adjust_cell_length(width, ground)

    def _segments(self, line: Line) -> Iterable[Segment]:
        return [Segment(piece.text, self._styles[piece.look]) for piece in line]


@lru_cache(maxsize=8)
def brush(theme_name: str) -> Brush:
    """The brush of a theme."""
    return Brush(theme_name)


def _style(theme_name: str, tone: Tone, *, bold: bool) -> Style:
    for tokens in (DARK, LIGHT):
        if theme_name == tokens.name:
            return Style(color=tokens.text_of(tone), bold=bold)
    if theme_name == PLAIN:
        return Style(bold=bold, underline=tone is Tone.PRIMARY)
    strong = bold or tone is Tone.PRIMARY
    return Style(color=ANSI[tone], bold=strong, dim=tone is Tone.MUTED and not strong)


def _cursor(theme_name: str, *, focused: bool) -> Style:
    for tokens in (DARK, LIGHT):
        if theme_name == tokens.name:
            return Style(bgcolor=tokens.surface_raised if focused else tokens.surface_sunken)
    return Style(reverse=True) if focused else Style()
