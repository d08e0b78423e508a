"""The evidence behind a draft or a message, source by source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from cairnloop_tui.commands.registry import EVIDENCE
from cairnloop_tui.conversation.evidence import NONE_CAPTURED, Source, source_blocks
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.text import Block, Para, muted


class EvidenceScreen(ConsoleScreen[None]):
    """Does the source say what the reply says?"""

    scope = EVIDENCE

    DEFAULT_CSS = """
    EvidenceScreen #sources { height: 1fr; padding: 1 1 0 0; }
    """

    def __init__(self, crumbs: Sequence[str], sources: Sequence[Source], around: Block) -> None:
        """``around`` stands before the sources: what they are the evidence of."""
        super().__init__()
        self._crumbs = crumbs
        self._sources = tuple(sources)
        self._around = around
        self._opened: set[int] = set()

    def body(self) -> Iterable[Widget]:
        yield BlockView(glyphs=self.glyphs, id="sources")

    def on_mount(self) -> None:
        self._draw()
        self.view.focus()

    @property
    def view(self) -> BlockView:
        return self.query_one("#sources", BlockView)

    def crumbs(self) -> Sequence[str]:
        return self._crumbs

    def moves(self) -> Movable | None:
        return self.view

    def panes(self) -> Sequence[Widget]:
        return (self.view,)

    def current(self) -> Source | None:
        key = self.view.cursor_key if self.is_mounted else None
        return next((source for source in self._sources if source.number == key), None)

    def open_focused(self) -> None:
        """The article, as it was when the passage was found."""
        source = self.current()
        if source is not None and source.article_id is not None:
            self.console.open_article(source.article_id, revision_id=source.revision_id)
        else:
            self.console.say("There is no article behind it; Ctrl+F finds the case it is from.")

    def toggle_why(self) -> None:
        source = self.current()
        if source is not None:
            self._opened ^= {source.number}
            self._draw()

    def _draw(self) -> None:
        blocks = source_blocks(self._sources, self._opened, self.glyphs)
        none = Block((Para((muted(f" {NONE_CAPTURED}"),)),))
        self.view.show((self._around, *(blocks or (none,))))
