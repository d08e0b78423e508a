"""The search palette: query, two sections of results, preview."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from textual import on
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from cairnloop_engine.retrieval.gap_model import UiSurface
from cairnloop_engine.retrieval.model import Hit, SearchResult
from cairnloop_tui.commands.registry import SEARCH
from cairnloop_tui.frame import ConsoleDialog
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.row_list import RowList
from cairnloop_tui.search import cards
from cairnloop_tui.search.cards import State
from cairnloop_tui.text import Line
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox

DEBOUNCE_S = 0.25
# Whoever looks at a result this long without typing on has asked a whole question.
SETTLED_AFTER_S = 1.5
SHORTEST = 2
LIMIT = 12


class Search(ConsoleDialog["Hit | None"]):
    """Is there verified guidance, or a precedent, before I answer? Answers with what to open."""

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

    def __init__(self, cite: Callable[[Hit], None] | None, surface: UiSurface) -> None:
        """``cite`` puts a result into the reply below, ``surface`` says which screen that is."""
        super().__init__()
        self.cite = cite
        self.result: SearchResult | None = None
        self._surface = surface
        self._state = State.IDLE
        self._run = 0
        # The result that counts as a gap of the knowledge if nothing better is asked for.
        self._unsettled: SearchResult | None = None

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

    def on_unmount(self) -> None:
        self._settle()

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
            self._settle()
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
        # What was typed so far was the beginning of a question.
        self._unsettled = None
        self._run += 1
        this_run, text = self._run, event.value
        self.set_timer(DEBOUNCE_S, lambda: self._search(text) if this_run == self._run else None)

    @on(Input.Submitted, "#query")
    def _entered(self, event: Input.Submitted) -> None:
        """Open what stands under the cursor, or search now when nothing does."""
        if self.current() is not None and self._state is State.IDLE:
            self.open_focused()
        else:
            self._search(event.value)

    def _search(self, text: str) -> None:
        self._run += 1
        if len(text.strip()) < SHORTEST:
            self._show_nothing(State.SHORT if text.strip() else State.IDLE)
            return
        if self.console.session.operator is None:
            self._show_nothing(State.SCOPED)
            return
        self._set_state(State.SEARCHING)
        run = self._run
        self.console.ask(
            self,
            lambda engine, caller: engine.retrieval.search(caller, text, limit=LIMIT),
            lambda result: self._show(result) if run == self._run else None,
            doing="searching",
            group="search",
            failed=self._failed,
        )

    def _show(self, result: SearchResult) -> None:
        """The best result is the active one, in whichever section it stands."""
        self.result = self._unsettled = result
        self._set_state(State.IDLE)
        self.results.show(cards.rows_of(result))
        if result.items:
            self.results.move_to_key(cards.key_of_hit(result.items[0]))
        run = self._run
        self.set_timer(SETTLED_AFTER_S, lambda: self._settle() if run == self._run else None)

    def _failed(self, trouble: Trouble, error: Exception) -> None:
        self._show_nothing(State.FAILED)

    def _show_nothing(self, state: State) -> None:
        self.result = None
        self.results.show(())
        self._set_state(state)

    def _set_state(self, state: State) -> None:
        self._state = state
        self.query_one("#summary", LineBox).redraw()
        self.refresh_chrome()

    def _settle(self) -> None:
        """The question was whole: let the engine note it when the knowledge has no answer."""
        result, self._unsettled = self._unsettled, None
        if result is None:
            return
        self.console.act(
            self.app,
            lambda engine, caller: engine.gaps.note_search(
                caller, result, ui_surface=self._surface
            ),
            lambda noted: None,
            doing="noting a search",
            quiet=True,
        )

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
        """Close, and let whoever opened the palette go there; without a place to go, stay."""
        hit = self.current()
        if hit is None:
            return
        if hit.article_id is None and hit.conversation_id is None:
            self.console.warn("There is nothing more to open than the passage shown here.")
            return
        self.dismiss(hit)

    def insert_citation(self) -> None:
        hit = self.current()
        if hit is not None and self.cite is not None:
            self.cite(hit)
            self.dismiss(None)

    def _summary(self, width: int) -> list[Line]:
        return [cards.summary_line(self.result, self._state, width, self.glyphs)]
