"""A count in figures three lines high, or in one bold line where only ASCII can be drawn."""

from __future__ import annotations

from textual.geometry import Size

from cairnloop_tui.text import Line, strong
from cairnloop_tui.theme.glyphs import UNICODE, Glyphs
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.line_box import LineBox

HEIGHT = 3
_FIGURES = {
    "0": ("┏━┓", "┃ ┃", "┗━┛"),
    "1": (" ╻ ", " ┃ ", " ╹ "),
    "2": ("╺━┓", "┏━┛", "┗━╸"),
    "3": ("╺━┓", " ━┫", "╺━┛"),
    "4": ("╻ ╻", "┗━┫", "  ╹"),
    "5": ("┏━╸", "┗━┓", "╺━┛"),
    "6": ("┏━╸", "┣━┓", "┗━┛"),
    "7": ("╺━┓", "  ┃", "  ╹"),
    "8": ("┏━┓", "┣━┫", "┗━┛"),
    "9": ("┏━┓", "┗━┫", "╺━┛"),
}


def figure_lines(number: int) -> tuple[str, ...]:
    """The rows of a number in big figures."""
    figures = [_FIGURES[digit] for digit in str(number)]
    return tuple(" ".join(figure[row] for figure in figures) for row in range(HEIGHT))


class BigNumber(LineBox):
    """Copper when somebody waits, calm when nobody does."""

    DEFAULT_CSS = "BigNumber { width: auto; height: 3; }"

    def __init__(
        self,
        glyphs: Glyphs,
        *,
        id: str | None = None,  # noqa: A002 - the word of Textual
    ) -> None:
        super().__init__(self._rows, id=id)
        self._big = glyphs == UNICODE
        self._number: int | None = None

    def show_number(self, number: int | None) -> None:
        self._number = number
        self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        digits = len(str(self._number or 0))
        return digits * 4 - 1 if self._big else digits

    def _rows(self, width: int) -> list[Line]:
        if self._number is None:
            return [(), (), ()]
        tone = Tone.PRIMARY if self._number else Tone.SUCCESS
        if not self._big:
            return [(), (strong(str(self._number), tone),), ()]
        return [(strong(row, tone),) for row in figure_lines(self._number)]
