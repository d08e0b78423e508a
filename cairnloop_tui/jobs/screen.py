"""The jobs screen: what waits, who works, and what somebody has to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events, on
from textual.widget import Widget

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.changes import Change
from cairnloop_engine.core.paging import Page
from cairnloop_engine.operations.reads import DeadLetterView, JobsView
from cairnloop_tui.commands.registry import JOBS
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.jobs import cards
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.row_list import RowList
from cairnloop_tui.live import concerns
from cairnloop_tui.reader.screen import Reader
from cairnloop_tui.text import Line
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox

KINDS = frozenset({"action", "audit", "draft"})
# Jobs come and go without a change that a screen hears of.
LOOK_EVERY_S = 5.0
MOST_LETTERS = 200


class JobsScreen(ConsoleScreen[None]):
    """Does the work get done, and what needs me?"""

    scope = JOBS

    DEFAULT_CSS = """
    JobsScreen #summary { height: 1; background: $c-sunken; }
    JobsScreen #rows { height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.jobs: JobsView | None = None
        self._problem = False

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._summary, id="summary")
        yield RowList(
            cards.row_line,
            cards.key_of,
            self.console.clock.now,
            glyphs=self.glyphs,
            stops=cards.can_stand,
            id="rows",
        )

    def on_mount(self) -> None:
        self.rows.focus()
        self.begin_reading()
        self.reload()
        self.set_interval(LOOK_EVERY_S, self._look)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.reload()

    @property
    def rows(self) -> RowList[str, cards.Row]:
        return self.query_one("#rows", RowList)

    # Frame

    def crumbs(self) -> Sequence[str]:
        return ("Jobs",)

    def moves(self) -> Movable | None:
        return self.rows

    def panes(self) -> Sequence[Widget]:
        return (self.rows,)

    def current(self) -> DeadLetterView | None:
        """The job that was put aside under the cursor."""
        row = self.rows.current() if self.is_mounted else None
        return row if isinstance(row, DeadLetterView) else None

    def letter(self, letter_id: int) -> DeadLetterView | None:
        row = self.rows.row(f"letter {letter_id}")
        return row if isinstance(row, DeadLetterView) else None

    def open_focused(self) -> None:
        letter = self.current()
        if letter is None:
            self.console.say("Only jobs that were put aside have more to show.")
            return
        crumbs = ("Jobs", f"Put aside {letter.id}")
        self.app.push_screen(Reader(crumbs, cards.letter_blocks(letter)))

    # Reading

    def reload(self) -> None:
        async def read(engine: Engine, caller: Caller) -> tuple[JobsView, Page[DeadLetterView]]:
            jobs = await engine.operations.jobs(caller)
            return jobs, await engine.operations.dead_letters(caller, limit=MOST_LETTERS)

        self.console.ask(
            self,
            read,
            self._show,
            doing="reading the jobs",
            group="jobs",
            failed=self._could_not_read,
        )

    def _look(self) -> None:
        """Only while somebody looks, and not while the database is away."""
        if self.is_current and not self.console.freshness.is_away:
            self.reload()

    def data_changed(self, changes: frozenset[Change]) -> None:
        if concerns(changes, KINDS):
            self.reload()

    def minute_passed(self) -> None:
        self.rows.present_again()

    def _show(self, read: tuple[JobsView, Page[DeadLetterView]]) -> None:
        self.jobs, letters = read
        self._problem = False
        self.rows.show(cards.rows_of(self.jobs, letters.items))
        self.query_one("#summary", LineBox).redraw()
        self.check_armed()
        self.have_read()
        self.refresh_chrome()

    def _could_not_read(self, trouble: Trouble, error: Exception) -> None:
        self._problem = True
        self.query_one("#summary", LineBox).redraw()
        self.have_read()

    @on(RowList.Moved, "#rows")
    def _moved(self, event: RowList.Moved) -> None:
        self.refresh_chrome()

    @on(RowList.Opened, "#rows")
    def _clicked(self, event: RowList.Opened) -> None:
        self.open_focused()

    def _summary(self, width: int) -> list[Line]:
        return [cards.summary_line(self.jobs, width, self.glyphs, problem=self._problem)]
