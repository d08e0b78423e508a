"""The list of articles: what is published, what waits as a draft, what a search finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events, on
from textual.widget import Widget
from textual.widgets import Input

from cairnloop_engine.core.changes import Change
from cairnloop_engine.core.paging import Page
from cairnloop_engine.knowledge.reads import ArticleRow
from cairnloop_tui.commands.registry import KNOWLEDGE
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.knowledge import cards
from cairnloop_tui.knowledge.article import ArticleScreen
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.pages import PAGE_SIZE, Loaded
from cairnloop_tui.lists.row_list import RowList
from cairnloop_tui.live import concerns
from cairnloop_tui.text import Line, counted, cut_line, muted, one_line, strong
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox
from cairnloop_tui.widgets.tab_strip import tab_line

KINDS = frozenset({"article"})
SEARCH_AFTER_S = 0.2


class KnowledgeScreen(ConsoleScreen[None]):
    """What to write, and what to refresh?"""

    scope = KNOWLEDGE

    DEFAULT_CSS = """
    KnowledgeScreen #tabs { height: 1; background: $c-sunken; }
    KnowledgeScreen #narrowed { height: 1; display: none; background: $c-raised; }
    KnowledgeScreen #narrowed.-shown { display: block; }
    KnowledgeScreen #words { display: none; }
    KnowledgeScreen #words.-shown { display: block; }
    KnowledgeScreen #head { height: 1; }
    KnowledgeScreen #rows { height: 1fr; }
    KnowledgeScreen #empty { display: none; padding: 1 0; }
    KnowledgeScreen.-empty #empty { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.tab = "all"
        self.words = ""
        self._loaded: Loaded[ArticleRow] = Loaded()
        self._loading_more = self._problem = False
        self._typing_run = 0

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._tabs, id="tabs")
        yield LineBox(self._narrowed, id="narrowed")
        yield Input(
            id="words",
            placeholder="words of the title   Enter lists, Esc leaves",
            compact=True,
            max_length=200,
        )
        yield LineBox(lambda width: [cards.head_line(width)], id="head")
        yield RowList(
            cards.row_line,
            lambda row: int(row.id),
            self.console.clock.now,
            glyphs=self.glyphs,
            id="rows",
        )
        yield LineBox(self._empty, id="empty")

    def on_mount(self) -> None:
        self.rows.focus()
        self.begin_reading()
        self.reload()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.reload()

    @property
    def rows(self) -> RowList[int, ArticleRow]:
        return self.query_one("#rows", RowList)

    # Frame

    def crumbs(self) -> Sequence[str]:
        return ("Knowledge", cards.TABS[self.tab].label)

    def moves(self) -> Movable | None:
        return self.rows

    def panes(self) -> Sequence[Widget]:
        return (self.rows,)

    def step_back(self) -> bool:
        """Leave the field, then drop the words, then leave."""
        if self.query_one("#words", Input).has_focus:
            self._close_field()
        elif self.words:
            self._narrow("")
        else:
            return False
        return True

    def current(self) -> ArticleRow | None:
        return self.rows.current() if self.is_mounted else None

    def open_focused(self) -> None:
        row = self.current()
        if row is None:
            self.console.say("Nothing is listed." if self._loaded.known else "Still reading.")
            return
        self.app.push_screen(ArticleScreen(row.id, beside=self.beside))

    def beside(self, article_id: int, step: int) -> int | None:
        """The article beside another one; the cursor goes along."""
        found = self.rows.neighbour(article_id, step)
        if found is not None:
            self.rows.move_to_key(found)
        return found

    # Choosing what is listed

    def show_tab(self, key: str) -> None:
        self.tab = key
        self._start_over()

    def edit_words(self) -> None:
        field = self.query_one("#words", Input)
        field.value = self.words
        field.add_class("-shown")
        field.focus()

    def _close_field(self) -> None:
        self._typing_run += 1
        self.query_one("#words", Input).remove_class("-shown")
        self.rows.focus()

    @on(Input.Changed, "#words")
    def _typed(self, event: Input.Changed) -> None:
        self._typing_run += 1
        run, text = self._typing_run, event.value
        self.set_timer(
            SEARCH_AFTER_S, lambda: self._narrow(text) if run == self._typing_run else None
        )

    @on(Input.Submitted, "#words")
    def _entered(self, event: Input.Submitted) -> None:
        self._narrow(event.value)
        self._close_field()

    def _narrow(self, words: str) -> None:
        if words.strip() == self.words:
            return
        self.words = words.strip()
        self.query_one("#narrowed", LineBox).set_class(bool(self.words), "-shown")
        self._start_over()

    def _start_over(self) -> None:
        self._loaded = Loaded()
        self.rows.cursor = 0
        self.rows.scroll_to(y=0, animate=False, immediate=True)
        self.begin_reading()
        self.reload()
        self.refresh_chrome()

    # Reading

    def reload(self) -> None:
        wanted = (self.tab, self.words)
        self.console.ask(
            self,
            lambda engine, caller: engine.knowledge.articles(
                caller,
                status=cards.TABS[wanted[0]].status,
                title=wanted[1] or None,
                limit=self._loaded.reload_limit(),
            ),
            lambda page: self._show(wanted, page),
            doing="reading the articles",
            group="rows",
            failed=self._could_not_read,
        )

    def load_more(self) -> None:
        cursor, wanted = self._loaded.next, (self.tab, self.words)
        if cursor is None or self._loading_more:
            return
        self._loading_more = True
        self.console.ask(
            self,
            lambda engine, caller: engine.knowledge.articles(
                caller,
                status=cards.TABS[wanted[0]].status,
                title=wanted[1] or None,
                cursor=cursor,
                limit=PAGE_SIZE,
            ),
            lambda page: self._extend(wanted, page),
            doing="reading more articles",
            group="more",
            failed=lambda trouble, error: self._more_failed(),
        )

    def data_changed(self, changes: frozenset[Change]) -> None:
        if concerns(changes, KINDS):
            self.reload()

    def minute_passed(self) -> None:
        self.rows.present_again()

    def _show(self, wanted: tuple[str, str], page: Page[ArticleRow]) -> None:
        if wanted != (self.tab, self.words):
            return
        self._problem = self._loading_more = False
        self._loaded = self._loaded.reloaded(page)
        self._list()
        self.have_read()

    def _extend(self, wanted: tuple[str, str], page: Page[ArticleRow]) -> None:
        self._loading_more = False
        if wanted == (self.tab, self.words):
            self._loaded = self._loaded.extended(page, lambda row: int(row.id))
            self._list()

    def _more_failed(self) -> None:
        self._loading_more = False

    def _could_not_read(self, trouble: Trouble, error: Exception) -> None:
        self._problem = True
        self.set_class(not self._loaded.items, "-empty")
        self.query_one("#empty", LineBox).redraw()
        self.have_read()

    def _list(self) -> None:
        self.rows.show(self._loaded.items)
        self.set_class(not self._loaded.items, "-empty")
        for name in ("#tabs", "#narrowed", "#empty"):
            self.query_one(name, LineBox).redraw()
        self.refresh_chrome()

    @on(RowList.Moved, "#rows")
    def _moved(self, event: RowList.Moved) -> None:
        self.refresh_chrome()

    @on(RowList.Opened, "#rows")
    def _clicked(self, event: RowList.Opened) -> None:
        self.open_focused()

    @on(RowList.NearEnd, "#rows")
    def _near_end(self, event: RowList.NearEnd) -> None:
        self.load_more()

    # Lines

    def _tabs(self, width: int) -> list[Line]:
        right = (muted("last changed first "),)
        return [tab_line(cards.tab_strip(), self.tab, right, width)]

    def _narrowed(self, width: int) -> list[Line]:
        more = "+" if self._loaded.has_more else ""
        found = counted(len(self._loaded.items), "article")
        words = (
            muted(" titles with  "),
            strong(one_line(self.words, 80), Tone.PRIMARY),
            muted(f"   {found}{more}   Esc shows all"),
        )
        return [cut_line(words, width)]

    def _empty(self, width: int) -> list[Line]:
        if self._problem:
            return [(muted("   The articles could not be read. Ctrl+R tries again."),)]
        if not self._loaded.known:
            return []
        if self.words:
            head = strong("   No title holds all of these words.")
            return [cut_line((head,), width), (muted("   Esc shows all."),)]
        return [cut_line((muted(f"   {cards.TABS[self.tab].empty}"),), width)]
