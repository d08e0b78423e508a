"""Everything in the workspace that waits for somebody's decision, the soonest deadline first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events, on
from textual.containers import Horizontal
from textual.widget import Widget

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.changes import Change
from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.core.paging import Page
from cairnloop_engine.governance.views import ActionCounts, ActionRow, ActionView
from cairnloop_tui.actions import cards
from cairnloop_tui.actions.base import CardsScreen
from cairnloop_tui.actions.pane import ActionCards
from cairnloop_tui.actions.screen import ActionScreen
from cairnloop_tui.commands.registry import ACTIONS
from cairnloop_tui.lists.marks import Marks
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.pages import PAGE_SIZE, Loaded
from cairnloop_tui.lists.row_list import RowList
from cairnloop_tui.live import concerns
from cairnloop_tui.text import Line, Piece, counted, cut_line, muted, spread, strong
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox

KINDS = frozenset({"action"})


class ActionsScreen(CardsScreen):
    """Which action next, and may it run?"""

    scope = ACTIONS

    DEFAULT_CSS = """
    ActionsScreen #summary { height: 1; background: $c-sunken; }
    ActionsScreen #panes { height: 1fr; }
    ActionsScreen #rows { width: 3fr; }
    ActionsScreen #card { display: none; width: 2fr; border-left: solid $c-border; }
    ActionsScreen #card:focus { border-left: heavy $c-focus; }
    ActionsScreen.-medium #card, ActionsScreen.-wide #card { display: block; }
    ActionsScreen #empty { display: none; padding: 1 0; }
    ActionsScreen.-empty #empty { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: ActionCounts | None = None
        self._loaded: Loaded[ActionRow] = Loaded()
        self._loading_more = False
        self._problem = False
        self._views: dict[int, ActionView] = {}

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._summary, id="summary")
        yield Horizontal(
            RowList(
                cards.row_line,
                lambda row: int(row.id),
                self.console.clock.now,
                glyphs=self.glyphs,
                markable=True,
                id="rows",
            ),
            ActionCards(self.look, glyphs=self.glyphs, empty="", id="card"),
            id="panes",
        )
        yield LineBox(self._empty, id="empty")

    def crumbs(self) -> Sequence[str]:
        return ("Actions",)

    def on_mount(self) -> None:
        self.rows.focus()
        self.begin_reading()
        self.reload()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.reload()

    @property
    def rows(self) -> RowList[int, ActionRow]:
        return self.query_one("#rows", RowList)

    @property
    def card(self) -> ActionCards:
        return self.query_one("#card", ActionCards)

    # Frame

    def moves(self) -> Movable | None:
        return self.card if self.card.has_focus else self.rows

    def panes(self) -> Sequence[Widget]:
        return (self.rows, self.card)

    def marked_count(self) -> int:
        return len(self.rows.marks) if self.is_mounted else 0

    def step_back(self) -> bool:
        """Drop the marks, then leave the card."""
        if self.rows.marks:
            self.rows.set_marks(Marks())
        elif self.card.has_focus:
            self.rows.focus()
        else:
            return False
        return True

    def open_focused(self) -> None:
        if self.card.has_focus and self.card.toggle():
            return
        key = self.rows.current_key()
        if key is None:
            self.console.say("Nothing waits here." if self._loaded.known else "Still reading.")
            return
        self.app.push_screen(ActionScreen(ProposalId(key), beside=self.beside))

    def beside(self, action_id: int, step: int) -> int | None:
        """The action beside another one; the cursor goes along."""
        found = self.rows.neighbour(action_id, step)
        if found is None and self.rows.row(action_id) is None and step > 0:
            # What was decided has left the list, and the cursor stands on what followed it.
            found = self.rows.current_key()
        if found is not None:
            self.rows.move_to_key(found)
        return found

    # Holding actions

    def action(self) -> ActionView | None:
        key = self.rows.current_key() if self.is_mounted else None
        return None if key is None else self._views.get(key)

    def action_of(self, action_id: int) -> ActionRow | None:
        return self.rows.row(action_id)

    def marked_actions(self) -> tuple[ActionRow, ...]:
        rows = self.rows
        found = (rows.row(key) for key in rows.marks.in_order(rows.keys))
        return tuple(row for row in found if row is not None)

    def thread_of_action(self) -> ConversationId | None:
        row = self.rows.current()
        return None if row is None else row.conversation_id

    # Reading

    def reload(self) -> None:
        limit = self._loaded.reload_limit()

        async def read(engine: Engine, caller: Caller) -> tuple[Page[ActionRow], ActionCounts]:
            page = await engine.governance.queue(caller, limit=limit)
            return page, await engine.governance.counts(caller)

        self.console.ask(
            self,
            read,
            self._show,
            doing="reading what waits",
            group="rows",
            failed=self._could_not_read,
        )

    def load_more(self) -> None:
        cursor = self._loaded.next
        if cursor is None or self._loading_more:
            return
        self._loading_more = True
        self.console.ask(
            self,
            lambda engine, caller: engine.governance.queue(caller, cursor=cursor, limit=PAGE_SIZE),
            self._extend,
            doing="reading more of what waits",
            group="more",
            failed=lambda trouble, error: self._more_failed(),
        )

    def data_changed(self, changes: frozenset[Change]) -> None:
        if concerns(changes, KINDS):
            self.reload()

    def minute_passed(self) -> None:
        self.rows.present_again()
        self.card.draw_cards()

    def _show(self, read: tuple[Page[ActionRow], ActionCounts]) -> None:
        page, self.counts = read
        self._loading_more = self._problem = False
        self._loaded = self._loaded.reloaded(page)
        self._list()
        self.have_read()

    def _extend(self, page: Page[ActionRow]) -> None:
        self._loading_more = False
        self._loaded = self._loaded.extended(page, lambda row: int(row.id))
        self._list()

    def _more_failed(self) -> None:
        self._loading_more = False

    def _could_not_read(self, trouble: Trouble, error: Exception) -> None:
        self._problem = True
        self.query_one("#summary", LineBox).redraw()
        self.have_read()

    def _list(self) -> None:
        marked_before = len(self.rows.marks)
        self.rows.show(self._loaded.items)
        gone = marked_before - len(self.rows.marks)
        if gone:
            self.console.mention(f"{counted(gone, 'marked action')} left this list.")
        self._views = {key: view for key, view in self._views.items() if key in self.rows.keys}
        self.set_class(not self._loaded.items, "-empty")
        for name in ("#summary", "#empty"):
            self.query_one(name, LineBox).redraw()
        self._read_card(again=True)
        self.check_armed()
        self.refresh_chrome()

    # The action under the cursor

    @on(RowList.Moved, "#rows")
    def _cursor_moved(self, event: RowList.Moved) -> None:
        self._read_card(again=False)
        self.refresh_chrome()

    @on(RowList.Opened, "#rows")
    def _row_opened(self, event: RowList.Opened) -> None:
        self.open_focused()

    @on(RowList.NearEnd, "#rows")
    def _near_end(self, event: RowList.NearEnd) -> None:
        self.load_more()

    def _read_card(self, *, again: bool) -> None:
        """A decision shows everything, so everything is read before the key for it comes."""
        key = self.rows.current_key()
        if key is None:
            self.card.forget()
            return
        known = self._views.get(key)
        self.card.show_cards(() if known is None else (known,))
        if known is None or again:
            self.console.ask(
                self,
                lambda engine, caller: engine.governance.action(caller, ProposalId(key)),
                self._show_card,
                doing="reading the action",
                group="card",
            )

    def _show_card(self, view: ActionView) -> None:
        self._views[int(view.row.id)] = view
        if self.rows.current_key() == view.row.id:
            self.card.show_cards((view,))
        self.check_armed()
        self.refresh_chrome()

    # Lines

    def _summary(self, width: int) -> list[Line]:
        if self.counts is None:
            words = "What waits could not be counted" if self._problem else "Reading"
            return [(muted(f" {words}"),)]
        counts = self.counts
        waits = counted(counts.pending, "action waits", "actions wait")
        pieces = [strong(f" {waits}"), muted(" for a decision  ")]
        if counts.unknown:
            words = counted(counts.unknown, "unknown outcome")
            pieces.append(Piece(f"{self.glyphs.danger} {words}", Tone.DANGER))
        return [spread(tuple(pieces), (muted("soonest deadline first "),), width)]

    def _empty(self, width: int) -> list[Line]:
        if not self._loaded.known:
            return []
        words = "No action waits for a decision. What is proposed appears here by itself."
        return [cut_line((muted(f"   {words}"),), width)]
