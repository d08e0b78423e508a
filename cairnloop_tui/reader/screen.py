"""The reader: one long text over the whole window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from cairnloop_tui.commands.registry import READER
from cairnloop_tui.frame import ConsoleDialog
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.text import Block


class Reader(ConsoleDialog[None]):
    """Shows blocks; Esc or q closes it."""

    scope = READER

    DEFAULT_CSS = """
    Reader BlockView { padding: 1 2; }
    """

    def __init__(self, crumbs: Sequence[str], blocks: Sequence[Block]) -> None:
        """``crumbs`` are our own words: a title that somebody wrote belongs into the blocks."""
        super().__init__()
        self._crumbs = crumbs
        self._blocks = blocks

    def body(self) -> Iterable[Widget]:
        yield BlockView(glyphs=self.glyphs, id="text")

    def on_mount(self) -> None:
        self.text.show(self._blocks)
        self.text.focus()

    @property
    def text(self) -> BlockView:
        return self.query_one("#text", BlockView)

    def crumbs(self) -> Sequence[str]:
        return self._crumbs

    def moves(self) -> Movable | None:
        return self.text
