"""The inbox screen: tabs, filter, rows, preview."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events, on
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from cairnloop_engine import CairnloopError, Caller, Engine
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import Sort
from cairnloop_engine.conversations.reads import Counts, InboxRow, Thread
from cairnloop_engine.core.changes import Change
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.paging import Page
from cairnloop_tui.commands.registry import INBOX
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.inbox import cards
from cairnloop_tui.inbox.tabs import TABS, narrowed, tab_filter, tab_strip
from cairnloop_tui.labels import sort_words
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.pages import PAGE_SIZE, Loaded
from cairnloop_tui.lists.row_list import RowList
from cairnloop_tui.live import concerns
from cairnloop_tui.text import Line, counted, cut_line, muted, strong
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.line_box import LineBox
from cairnloop_tui.widgets.tab_strip import tab_line

KINDS = frozenset({"conversation", "draft"})
PREVIEW_AFTER_S = 0.12


class InboxScreen(ConsoleScreen[None]):
    """Which conversation next?"""

    scope = INBOX

    DEFAULT_CSS = """
    InboxScreen #tabs { height: 1; background: $c-sunken; }
    InboxScreen #filter-line { height: 1; display: none; }
    InboxScreen #filter-line.-shown { display: block; }
    InboxScreen #filter { display: none; }
    InboxScreen #filter.-shown { display: block; }
    InboxScreen #panes { height: 1fr; }
    InboxScreen #rows { width: 3fr; }
    InboxScreen #empty { display: none; padding: 1 0; }
    InboxScreen.-empty #empty { display: block; }
    InboxScreen #preview {
        display: none; width: 2fr; border-left: solid $c-border; padding: 0;
    }
    InboxScreen #preview:focus { border-left: heavy $c-focus; }
    InboxScreen.-medium.-preview #preview, InboxScreen.-wide.-preview #preview { display: block; }
    InboxScreen.-narrow.-preview-only #preview { display: block; width: 1fr; border: none; }
    InboxScreen.-narrow.-preview-only #rows { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.tab = "you"
        self.sort = Sort.WAITING
        self.filter_text = ""
        self.counts: Counts | None = None
        self._typed = InboxFilter()
        self._loaded: Loaded[InboxRow] = Loaded()
        self._preview: Thread | None = None
        self._loading_more = False

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._tabs, id="tabs")
        yield LineBox(self._filter_line, id="filter-line")
        yield Input(
            id="filter",
            placeholder="is:open who:me has:draft|held|action customer:REF words   Enter lists",
            compact=True,
        )
        yield Horizontal(
            RowList(
                cards.row_line,
                lambda row: int(row.id),
                self.console.clock.now,
                glyphs=self.glyphs,
                markable=True,
                id="rows",
            ),
            BlockView(glyphs=self.glyphs, id="preview"),
            id="panes",
        )
        yield LineBox(self._empty, id="empty")

    def crumbs(self) -> Sequence[str]:
        return ("Inbox", TABS[self.tab].label)

    def on_mount(self) -> None:
        self.set_class(self.console.preferences.preview, "-preview")
        self.rows.focus()
        self.begin_reading()
        self.reload()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.reload()

    @property
    def rows(self) -> RowList[int, InboxRow]:
        return self.query_one("#rows", RowList)

    @property
    def preview(self) -> BlockView:
        return self.query_one("#preview", BlockView)

    # Frame

    def moves(self) -> Movable | None:
        return self.preview if self.preview.has_focus else self.rows

    def panes(self) -> Sequence[Widget]:
        return (self.rows, self.preview)

    def marked_count(self) -> int:
        return len(self.rows.marks) if self.is_mounted else 0

    def step_back(self) -> bool:
        """Leave the filter line, then drop the filter, then the marks, then the preview."""
        if self.query_one("#filter", Input).has_focus:
            self._close_filter()
        elif self.filter_text:
            self.set_filter("")
        elif self.rows.marks:
            self.rows.set_marks(type(self.rows.marks)())
        elif self.preview.has_focus:
            self.remove_class("-preview-only")
            self.rows.focus()
        else:
            return False
        return True

    def open_focused(self) -> None:
        key = self.rows.current_key()
        if key is not None:
            self.console.open_conversation(ConversationId(key))
        else:
            self.console.say("Nothing is listed." if self._loaded.known else "Still reading.")

    # Reading

    def wanted(self) -> InboxFilter:
        return narrowed(tab_filter(self.tab, self.console.session.operator), self._typed)

    def reload(self) -> None:
        wanted, sort, limit = self.wanted(), self.sort, self._loaded.reload_limit()

        async def read(engine: Engine, caller: Caller) -> tuple[Page[InboxRow], Counts]:
            conversations = engine.conversations
            page = await conversations.inbox(caller, filter=wanted, sort=sort, limit=limit)
            return page, await conversations.counts(caller)

        self.console.ask(
            self,
            read,
            self._show,
            doing="reading the inbox",
            group="rows",
            failed=lambda trouble, error: self.have_read(),
        )

    def load_more(self) -> None:
        cursor = self._loaded.next
        if cursor is None or self._loading_more:
            return
        self._loading_more = True
        wanted, sort = self.wanted(), self.sort
        self.console.ask(
            self,
            lambda engine, caller: engine.conversations.inbox(
                caller, filter=wanted, sort=sort, cursor=cursor, limit=PAGE_SIZE
            ),
            self._extend,
            doing="reading more of the inbox",
            group="more",
            failed=lambda trouble, error: self._more_failed(),
        )

    def data_changed(self, changes: frozenset[Change]) -> None:
        if concerns(changes, KINDS):
            self.reload()

    def minute_passed(self) -> None:
        self.rows.present_again()

    def _show(self, read: tuple[Page[InboxRow], Counts]) -> None:
        page, self.counts = read
        self._loaded = self._loaded.reloaded(page)
        self._loading_more = False
        self._list()
        self.have_read()

    def _extend(self, page: Page[InboxRow]) -> None:
        self._loading_more = False
        self._loaded = self._loaded.extended(page, lambda row: int(row.id))
        self._list()

    def _more_failed(self) -> None:
        self._loading_more = False

    def _list(self) -> None:
        marked_before = len(self.rows.marks)
        self.rows.show(self._loaded.items)
        dropped = marked_before - len(self.rows.marks)
        if dropped:
            self.console.mention(f"{counted(dropped, 'marked row')} left this list.")
        self.set_class(not self._loaded.items, "-empty")
        for name in ("#tabs", "#empty", "#filter-line"):
            self.query_one(name, LineBox).redraw()
        self.refresh_chrome()

    # Choosing what is listed

    def show_tab(self, key: str) -> None:
        self.tab = key
        self._start_over()

    def set_sort(self, sort: Sort) -> None:
        self.sort = sort
        self._start_over()

    def set_filter(self, text: str) -> None:
        """List what the expression says; one that is not understood changes nothing."""
        try:
            self._typed = InboxFilter.parse(text, me=self.console.session.operator)
        except CairnloopError as error:
            self.console.warn(error.message)
            return
        self.filter_text = text.strip()
        self.query_one("#filter-line", LineBox).set_class(bool(self.filter_text), "-shown")
        self._close_filter()
        self._start_over()

    def _start_over(self) -> None:
        self._loaded = Loaded()
        if not self.is_mounted:
            return
        self.rows.cursor = 0
        self.rows.scroll_to(y=0, animate=False, immediate=True)
        self.begin_reading()
        self.reload()
        self.refresh_chrome()

    def edit_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.value = self.filter_text
        field.add_class("-shown")
        self.query_one("#filter-line", LineBox).remove_class("-shown")
        field.focus()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("-shown")
        self.query_one("#filter-line", LineBox).set_class(bool(self.filter_text), "-shown")
        self.rows.focus()

    @on(Input.Submitted, "#filter")
    def _filter_entered(self, event: Input.Submitted) -> None:
        self.set_filter(event.value)

    # Preview

    @on(RowList.Moved, "#rows")
    def _cursor_moved(self, event: RowList.Moved) -> None:
        self._draw_preview()
        self.refresh_chrome()
        if self.preview.display:
            self._read_preview()

    @on(RowList.Opened, "#rows")
    def _row_opened(self, event: RowList.Opened) -> None:
        self.open_focused()

    @on(RowList.NearEnd, "#rows")
    def _near_end(self, event: RowList.NearEnd) -> None:
        self.load_more()

    def toggle_preview(self) -> None:
        """Beside the list where there is room, otherwise instead of it."""
        if self.has_class("-narrow"):
            self.toggle_class("-preview-only")
            pane = self.preview if self.has_class("-preview-only") else self.rows
            pane.focus()
        else:
            self.console.preferences.show_preview(not self.has_class("-preview"))
            self.toggle_class("-preview")
        self._read_preview()

    def _read_preview(self) -> None:
        row = self.rows.current()
        if row is None:
            return
        # Somebody who runs through the list does not want every thread on the way.
        self.set_timer(PREVIEW_AFTER_S, lambda: self._read_preview_of(row))

    def _read_preview_of(self, row: InboxRow) -> None:
        if row is not self.rows.current():
            return
        self.console.ask(
            self,
            lambda engine, caller: engine.conversations.thread(
                caller, row.id, limit=cards.PREVIEW_MESSAGES
            ),
            self._show_preview,
            doing="reading the preview",
            group="preview",
        )

    def _show_preview(self, thread: Thread) -> None:
        self._preview = thread
        self._draw_preview()

    def _draw_preview(self) -> None:
        now = self.console.clock.now()
        blocks = cards.preview_blocks(self.rows.current(), self._preview, now, self.glyphs)
        self.preview.show(blocks)

    # Lines

    def _tabs(self, width: int) -> list[Line]:
        right = [muted(f"{sort_words(self.sort)} ")]
        if self.is_mounted and self.rows.arrived_above:
            right.insert(0, strong(f"{self.rows.arrived_above} new above  ", Tone.PRIMARY))
        return [tab_line(tab_strip(self.counts, self.tab), self.tab, tuple(right), width)]

    def _filter_line(self, width: int) -> list[Line]:
        words = (muted(" filter  "), strong(self.filter_text), muted("   Esc shows all"))
        return [cut_line(words, width)]

    def _empty(self, width: int) -> list[Line]:
        if not self._loaded.known:
            return []
        if self.filter_text:
            words = "Nothing matches this filter."
            return [cut_line((strong(f"   {words}"),), width), (muted("   Esc shows all."),)]
        return [cut_line((muted(f"   {TABS[self.tab].empty}"),), width)]
