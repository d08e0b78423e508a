"""The audit screen: the whole trail, searched and paged by the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from textual import events, on
from textual.widget import Widget
from textual.widgets import Input

from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.audit.reads import AuditEvent
from cairnloop_engine.core.changes import Change
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.paging import Page
from cairnloop_tui.audit import cards
from cairnloop_tui.commands.registry import AUDIT
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.pages import Loaded
from cairnloop_tui.lists.row_list import RowList
from cairnloop_tui.live import concerns
from cairnloop_tui.reader.screen import Reader
from cairnloop_tui.text import Line, counted, cut_line, muted, strong
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox

KINDS = frozenset({"audit"})
PAGE = 50
SEARCH_AFTER_S = 0.2
# Whoever read further back than this is not moved by what happens at the top.
MOST_REFRESHED = 200


class AuditScreen(ConsoleScreen[None]):
    """Who did what, when and why?"""

    scope = AUDIT

    DEFAULT_CSS = """
    AuditScreen #head { height: 1; background: $c-sunken; }
    AuditScreen #narrowed { height: 1; display: none; background: $c-raised; }
    AuditScreen #narrowed.-shown { display: block; }
    AuditScreen #search { display: none; }
    AuditScreen #search.-shown { display: block; }
    AuditScreen #rows { height: 1fr; }
    AuditScreen #empty { display: none; padding: 1 0; }
    AuditScreen.-empty #empty { display: block; }
    """

    def __init__(self, wanted: AuditFilter = AuditFilter()) -> None:  # noqa: B008 - a frozen value
        super().__init__()
        self.wanted = wanted
        self._loaded: Loaded[AuditEvent] = Loaded()
        self._problem = False
        self._search_run = 0

    def body(self) -> Iterable[Widget]:
        yield LineBox(lambda width: [cards.head_line(width)], id="head")
        yield LineBox(self._narrowed, id="narrowed")
        yield Input(
            id="search",
            placeholder="actor, action, reason or detail   Enter lists, Esc leaves",
            compact=True,
            max_length=200,
        )
        yield RowList(
            cards.event_line, cards.key_of, self.console.clock.now, glyphs=self.glyphs, id="rows"
        )
        yield LineBox(self._empty, id="empty")

    def on_mount(self) -> None:
        self.rows.focus()
        self.begin_reading()
        self._narrow(self.wanted)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.reload()

    @property
    def rows(self) -> RowList[int, cards.Row]:
        return self.query_one("#rows", RowList)

    # Frame

    def crumbs(self) -> Sequence[str]:
        return ("Audit",)

    def moves(self) -> Movable | None:
        return self.rows

    def panes(self) -> Sequence[Widget]:
        return (self.rows,)

    def step_back(self) -> bool:
        """Leave the search, then show the whole trail, then leave."""
        if self.query_one("#search", Input).has_focus:
            self._close_search()
        elif self.wanted != AuditFilter():
            self._narrow(AuditFilter())
        else:
            return False
        return True

    def current(self) -> AuditEvent | None:
        row = self.rows.current() if self.is_mounted else None
        return row if isinstance(row, AuditEvent) else None

    def thread_of_event(self) -> ConversationId | None:
        event = self.current()
        found = None if event is None else event.conversation_id
        return None if found is None else ConversationId(found)

    def open_focused(self) -> None:
        """The event in full; on the last line the page before."""
        event = self.current()
        if event is not None:
            self.app.push_screen(Reader(("Audit", f"Event {event.id}"), cards.event_blocks(event)))
        elif self._loaded.has_more:
            self.load_more()
        else:
            self.console.say("Nothing is listed.")

    # Narrowing

    def edit_search(self) -> None:
        field = self.query_one("#search", Input)
        field.value = self.wanted.text or ""
        field.add_class("-shown")
        field.focus()

    def _close_search(self) -> None:
        self._search_run += 1
        self.query_one("#search", Input).remove_class("-shown")
        self.rows.focus()

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        self._search_run += 1
        run, text = self._search_run, event.value
        self.set_timer(
            SEARCH_AFTER_S, lambda: self._search(text) if run == self._search_run else None
        )

    @on(Input.Submitted, "#search")
    def _entered(self, event: Input.Submitted) -> None:
        self._search(event.value)
        self._close_search()

    def _search(self, text: str) -> None:
        wanted = replace(self.wanted, text=text.strip() or None)
        if wanted != self.wanted:
            self._narrow(wanted)

    def narrow_to_action(self, action: str | None) -> None:
        self._narrow(replace(self.wanted, action=action))

    def narrow_to_subject(self) -> None:
        """Everything about what the event under the cursor is about."""
        event = self.current()
        if event is not None:
            self._narrow(AuditFilter(subject=(event.subject_kind, event.subject_id)))

    def _narrow(self, wanted: AuditFilter) -> None:
        self.wanted = wanted
        self._loaded = Loaded()
        box = self.query_one("#narrowed", LineBox)
        box.set_class(wanted != AuditFilter(), "-shown")
        box.redraw()
        self.begin_reading()
        self.reload()

    # Reading

    def reload(self) -> None:
        wanted = self.wanted
        limit = min(max(len(self._loaded.items), PAGE), MOST_REFRESHED)
        self.console.ask(
            self,
            lambda engine, caller: engine.audit.events(caller, filter=wanted, limit=limit),
            lambda page: self._show(wanted, page),
            doing="reading the trail",
            group="trail",
            failed=self._could_not_read,
        )

    def load_more(self) -> None:
        wanted, cursor = self.wanted, self._loaded.next
        if cursor is None:
            return
        self.console.ask(
            self,
            lambda engine, caller: engine.audit.events(
                caller, filter=wanted, cursor=cursor, limit=PAGE
            ),
            lambda page: self._extend(wanted, page),
            doing="reading older events",
            group="older",
        )

    def data_changed(self, changes: frozenset[Change]) -> None:
        if concerns(changes, KINDS) and len(self._loaded.items) <= MOST_REFRESHED:
            self.reload()

    def _show(self, wanted: AuditFilter, page: Page[AuditEvent]) -> None:
        if wanted != self.wanted:
            return
        self._problem = False
        self._loaded = self._loaded.reloaded(page)
        self._list()
        self.have_read()

    def _extend(self, wanted: AuditFilter, page: Page[AuditEvent]) -> None:
        if wanted != self.wanted:
            return
        at = self.rows.cursor
        self._loaded = self._loaded.extended(page, lambda event: event.id)
        self._list()
        self.rows.move_to(at)

    def _could_not_read(self, trouble: Trouble, error: Exception) -> None:
        self._problem = True
        self.set_class(not self._loaded.items, "-empty")
        self.query_one("#empty", LineBox).redraw()
        self.have_read()

    def _list(self) -> None:
        rows: tuple[cards.Row, ...] = self._loaded.items
        self.rows.show((*rows, cards.More()) if self._loaded.has_more else rows)
        self.set_class(not rows, "-empty")
        self.query_one("#empty", LineBox).redraw()
        self.query_one("#narrowed", LineBox).redraw()
        self.refresh_chrome()

    @on(RowList.Moved, "#rows")
    def _moved(self, event: RowList.Moved) -> None:
        self.refresh_chrome()

    @on(RowList.Opened, "#rows")
    def _clicked(self, event: RowList.Opened) -> None:
        self.open_focused()

    # Lines

    def _narrowed(self, width: int) -> list[Line]:
        more = "+" if self._loaded.has_more else ""
        found = counted(len(self._loaded.items), "event")
        words = (
            muted(" only  "),
            strong(cards.filter_words(self.wanted), Tone.PRIMARY),
            muted(f"   {found}{more}   Esc shows all"),
        )
        return [cut_line(words, width)]

    def _empty(self, width: int) -> list[Line]:
        if self._problem:
            return [(muted("   The trail could not be read. Ctrl+R tries again."),)]
        if not self._loaded.known:
            return []
        head = strong("   No audit events found.")
        if self.wanted == AuditFilter():
            return [cut_line((head,), width), (muted("   Every change appears here by itself."),)]
        return [cut_line((head,), width), (muted("   Esc shows the whole trail."),)]
