"""The notifications log: nothing that was said is lost when the line fades."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from cairnloop_tui.commands.registry import NOTICES
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.row_list import RowList, RowSpot
from cairnloop_tui.notices import Notice
from cairnloop_tui.reader.screen import Reader
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    clock_time,
    cut_line,
    muted,
)
from cairnloop_tui.widgets.line_box import LineBox


def notice_line(entry: tuple[int, Notice], spot: RowSpot) -> Line:
    _, notice = entry
    return cut_line(
        (
            muted(f"{clock_time(notice.at)}  "),
            Piece(f"{spot.glyphs.of(notice.tone)} {notice.text}", notice.tone),
        ),
        spot.width,
    )


class NotificationsScreen(ConsoleScreen[None]):
    """Newest first."""

    scope = NOTICES

    DEFAULT_CSS = """
    NotificationsScreen #log { height: 1fr; }
    NotificationsScreen #empty { padding: 1 0; }
    """

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._empty, id="empty")
        yield RowList(
            notice_line,
            lambda entry: entry[0],
            self.console.clock.now,
            glyphs=self.glyphs,
            id="log",
        )

    def on_mount(self) -> None:
        self.rows.focus()
        self.reload()

    @property
    def rows(self) -> RowList[int, tuple[int, Notice]]:
        return self.query_one("#log", RowList)

    def crumbs(self) -> Sequence[str]:
        return ("Notifications",)

    def moves(self) -> Movable | None:
        return self.rows

    def panes(self) -> Sequence[Widget]:
        return (self.rows,)

    def reload(self) -> None:
        log = self.console.notices.log
        self.rows.show([(number, log[number]) for number in reversed(range(len(log)))])
        self.query_one("#empty", LineBox).display = not log

    def open_focused(self) -> None:
        entry = self.rows.current()
        if entry is not None:
            notice = entry[1]
            self.app.push_screen(
                Reader(("Notification",), (Block((Para((Piece(notice.text, notice.tone),)),)),))
            )

    def _empty(self, width: int) -> list[Line]:
        return [(muted("   Nothing was said yet. Confirmations and refusals appear here."),)]
