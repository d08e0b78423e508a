"""The search palette: query, two sections of results, preview."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from textual import on
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from cairnloop_engine.knowledge.reads import ArticleView
from cairnloop_engine.retrieval.model import Hit, SearchResult
from cairnloop_tui.commands.registry import SEARCH
from cairnloop_tui.frame import ConsoleDialog
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.row_list import RowList
from cairnloop_tui.reader.screen import Reader
from cairnloop_tui.search import cards
from cairnloop_tui.text import Block, Line, Para, many_lines, one_line, strong, text_paras
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox

DEBOUNCE_S = 0.25
SHORTEST = 2
LIMIT = 12


class Search(ConsoleDialog[None]):
    """Is there verified guidance, or a precedent, before I answer?"""

    scope = SEARCH

    DEFAULT_CSS = """
    Search #query { margin: 1 1 0 1; }
    Search #summary { height: 1; margin: 0 0 1 0; }
    Search #panes { height: 1fr; }
    Search #results { width: 2fr; }
    Search #preview { width: 3fr; border-left: solid $c-border; }
    Search.-narrow #panes { layout: vertical; }
    Search.-narrow #results { width: 1fr; height: 1fr; }
    Search.-narrow #preview {
        width: 1fr; height: 1fr; border-left: none; border-top: solid $c-border;
    }
    """

    def __init__(self, cite: Callable[[Hit], None] | None) -> None:
        super().__init__()
        self.cite = cite
        self.result: SearchResult | None = None
        self._state = ""
        self._run = 0

    def body(self) -> Iterable[Widget]:
        yield Input(id="query", placeholder="search knowledge and cases", compact=True)
        yield LineBox(self._summary, id="summary")
        yield Horizontal(
            RowList(
                cards.row_line,
                cards.key_of,
                self.console.clock.now,
                glyphs=self.glyphs,
                stops=cards.is_result,
                id="results",
            ),
            BlockView(glyphs=self.glyphs, id="preview"),
            id="panes",
        )

    def on_mount(self) -> None:
        self.query_one("#query", Input).focus()

    @property
    def results(self) -> RowList[str, cards.Row]:
        return self.query_one("#results", RowList)

    @property
    def preview(self) -> BlockView:
        return self.query_one("#preview", BlockView)

    def crumbs(self) -> Sequence[str]:
        return ("Search",)

    def moves(self) -> Movable | None:
        return self.preview if self.preview.has_focus else self.results

    def panes(self) -> Sequence[Widget]:
        return (self.query_one("#query", Input), self.results, self.preview)

    def step_back(self) -> bool:
        """Empty the query first; the second Esc closes."""
        field = self.query_one("#query", Input)
        if field.value:
            field.value = ""
            field.focus()
            return True
        return False

    def current(self) -> Hit | None:
        row = self.results.current() if self.is_mounted else None
        return row.hit if isinstance(row, cards.Found) else None

    def reload(self) -> None:
        self._search(self.query_one("#query", Input).value)

    # Searching

    @on(Input.Changed, "#query")
    def _typed(self, event: Input.Changed) -> None:
        self._run += 1
        this_run, text = self._run, event.value
        self.set_timer(DEBOUNCE_S, lambda: self._search(text) if this_run == self._run else None)

    @on(Input.Submitted, "#query")
    def _entered(self, event: Input.Submitted) -> None:
        """Open what stands under the cursor, or search now when nothing does."""
        if self.current() is not None and self._state == "":
            self.open_focused()
        else:
            self._search(event.value)

    def _search(self, text: str) -> None:
        self._run += 1
        if len(text.strip()) < SHORTEST:
            self._set_state("short" if text.strip() else "")
            self.result = None
            self.results.show(())
            return
        self._set_state("searching")
        self.console.ask(
            self,
            lambda engine, caller: engine.retrieval.search(caller, text, limit=LIMIT),
            self._show,
            doing="searching",
            group="search",
            failed=self._failed,
        )

    def _show(self, result: SearchResult) -> None:
        self.result = result
        self._set_state("")
        self.results.show(cards.rows_of(result))
        self.results.move_to(0)

    def _failed(self, trouble: Trouble, error: Exception) -> None:
        self.result = None
        self.results.show(())
        self._set_state("failed")

    def _set_state(self, state: str) -> None:
        self._state = state
        self.query_one("#summary", LineBox).redraw()
        self.refresh_chrome()

    # Results

    @on(RowList.Moved, "#results")
    def _moved(self, event: RowList.Moved) -> None:
        self.preview.show(
            cards.preview_blocks(self.current(), self.console.clock.now(), self.glyphs)
        )
        self.refresh_chrome()

    @on(RowList.Opened, "#results")
    def _clicked(self, event: RowList.Opened) -> None:
        self.open_focused()

    def open_focused(self) -> None:
        """The whole article; a case shows its passage."""
        hit = self.current()
        if hit is None:
            return
        if hit.article_id is None:
            self._read(cards.title_of(hit), hit.content)
            return
        article_id = hit.article_id
        self.console.ask(
            self,
            lambda engine, caller: engine.knowledge.article(caller, article_id),
            self._open_article,
            doing="opening the article",
            group="article",
        )

    def _open_article(self, article: ArticleView) -> None:
        shown = article.published or article.latest
        self._read(shown.title, shown.content)

    def _read(self, title: str, text: str) -> None:
        head = Block((Para((strong(one_line(title)),)), Para()))
        body = Block(text_paras(many_lines(text, 200_000)))
        self.app.push_screen(Reader(("Search", "Source"), (head, body)))

    def insert_citation(self) -> None:
        hit = self.current()
        if hit is not None and self.cite is not None:
            self.cite(hit)
            self.dismiss(None)

    def _summary(self, width: int) -> list[Line]:
        return [cards.summary_line(self.result, self._state, width, self.glyphs)]
