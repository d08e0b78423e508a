"""The home screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual import events
from textual.containers import Horizontal
from textual.widget import Widget

from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import WAITING
from cairnloop_engine.conversations.reads import Counts, InboxRow
from cairnloop_engine.core.changes import Change
from cairnloop_engine.governance.views import ActionCounts
from cairnloop_tui.actions.queue import ActionsScreen
from cairnloop_tui.commands.registry import HOME
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.home import cards
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.row_list import RowList
from cairnloop_tui.live import concerns
from cairnloop_tui.text import Line
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.big_number import BigNumber
from cairnloop_tui.widgets.line_box import LineBox

KINDS = frozenset({"conversation", "draft", "action"})


@dataclass(frozen=True, slots=True)
class Overview:
    """What the home screen shows, read in a handful of statements."""

    counts: Counts
    actions: ActionCounts
    next: InboxRow | None


async def read_overview(engine: Engine, caller: Caller) -> Overview:
    counts = await engine.conversations.counts(caller)
    waiting = await engine.conversations.inbox(caller, filter=InboxFilter(states=WAITING), limit=1)
    actions = await engine.governance.counts(caller)
    return Overview(counts, actions, waiting.items[0] if waiting.items else None)


class HomeScreen(ConsoleScreen[None]):
    """Is anything waiting, and which pile first?"""

    scope = HOME

    DEFAULT_CSS = """
    HomeScreen #hero { height: 5; padding: 1 1 0 1; }
    HomeScreen #beside { margin-left: 2; height: 3; }
    HomeScreen #next { margin-bottom: 1; }
    HomeScreen #lanes { height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.overview: Overview | None = None
        self._problem = False

    def body(self) -> Iterable[Widget]:
        yield Horizontal(
            BigNumber(self.glyphs, id="number"), LineBox(self._beside, id="beside"), id="hero"
        )
        yield LineBox(self._next, id="next")
        yield RowList(
            cards.lane_line,
            lambda lane: lane.tab,
            self.console.clock.now,
            glyphs=self.glyphs,
            id="lanes",
        )

    def crumbs(self) -> Sequence[str]:
        return ("Home",)

    def on_mount(self) -> None:
        self.lanes.focus()
        self.begin_reading()
        self.reload()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.reload()

    @property
    def lanes(self) -> RowList[str, cards.Lane]:
        return self.query_one("#lanes", RowList)

    def moves(self) -> Movable | None:
        return self.lanes

    def panes(self) -> Sequence[Widget]:
        return (self.lanes,)

    def reload(self) -> None:
        self.console.ask(
            self,
            read_overview,
            self._show,
            doing="counting",
            group="overview",
            failed=self._could_not_count,
        )

    def data_changed(self, changes: frozenset[Change]) -> None:
        if concerns(changes, KINDS):
            self.reload()

    def minute_passed(self) -> None:
        self.query_one("#next", LineBox).redraw()

    def open_focused(self) -> None:
        lane = self.lanes.current()
        if lane is None:
            return
        if lane.tab in (cards.ACTIONS_LANE, cards.UNKNOWN_LANE):
            self.app.push_screen(ActionsScreen())
        else:
            self.console.open_inbox(lane.tab)

    def _show(self, overview: Overview) -> None:
        self.overview, self._problem = overview, False
        self.lanes.show(cards.lanes(overview.counts, overview.actions))
        self._redraw()
        self.have_read()

    def _could_not_count(self, trouble: Trouble, error: Exception) -> None:
        self._problem = True
        self._redraw()
        self.have_read()

    def _redraw(self) -> None:
        waiting = self.overview.counts.waiting if self.overview else None
        self.query_one(BigNumber).show_number(waiting)
        self.query_one("#beside", LineBox).redraw()
        self.query_one("#next", LineBox).redraw()
        self.refresh_chrome()

    def _beside(self, width: int) -> list[Line]:
        counts = self.overview.counts if self.overview else None
        return cards.hero_lines(counts, width, problem=self._problem)

    def _next(self, width: int) -> list[Line]:
        row = self.overview.next if self.overview else None
        return cards.next_lines(row, width, self.console.clock.now(), self.glyphs)
