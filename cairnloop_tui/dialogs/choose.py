"""One of several things, chosen from a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import on
from textual.widget import Widget

from cairnloop_tui.commands.registry import CHOICE
from cairnloop_tui.frame import ConsoleDialog
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.row_list import RowList, RowSpot
from cairnloop_tui.text import Line, Piece, cut_line

Option = tuple[str, str]


def option_line(option: Option, spot: RowSpot) -> Line:
    return cut_line((Piece(option[1]),), spot.width)


class Choose(ConsoleDialog[str | None]):
    """Answers with the key of the chosen option, or None."""

    scope = CHOICE

    DEFAULT_CSS = """
    Choose #rows { height: 1fr; }
    """

    def __init__(self, title: str, options: Sequence[Option], *, chosen: str = "") -> None:
        """``options`` are keys with our own words for them."""
        super().__init__()
        self._title_words = title
        self._options = tuple(options)
        self._chosen = chosen

    def body(self) -> Iterable[Widget]:
        yield RowList(
            option_line,
            lambda option: option[0],
            self.console.clock.now,
            glyphs=self.glyphs,
            id="rows",
        )

    def on_mount(self) -> None:
        self.rows.show(self._options)
        self.rows.move_to_key(self._chosen)
        self.rows.focus()

    @property
    def rows(self) -> RowList[str, Option]:
        return self.query_one("#rows", RowList)

    def crumbs(self) -> Sequence[str]:
        return (self._title_words,)

    def moves(self) -> Movable | None:
        return self.rows

    @on(RowList.Opened, "#rows")
    def _clicked(self, event: RowList.Opened) -> None:
        self.open_focused()

    def open_focused(self) -> None:
        option, reason = self.rows.current(), self.console.guard.why_not()
        if reason is not None:
            self.console.warn(reason)
        elif option is not None:
            self.dismiss(option[0])
