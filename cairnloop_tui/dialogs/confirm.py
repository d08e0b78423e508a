"""A confirmation that takes more than a key: what would happen, and words to type for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events, on
from textual.widget import Widget
from textual.widgets import Input

from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.registry import CONFIRM
from cairnloop_tui.frame import AnyScreen, ConsoleDialog
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.text import Line, Piece, cut_line, muted, strong
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.armed_strip import armed_blocks
from cairnloop_tui.widgets.line_box import LineBox


class TypingField(Input):
    """A paste is not the deliberation that typing is."""

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()


class TypedConfirm(ConsoleDialog[None]):
    """Stands over the screen that armed the action, and goes when that is no longer armed."""

    scope = CONFIRM

    DEFAULT_CSS = """
    TypedConfirm #what { height: 1; background: $c-danger-surface; }
    TypedConfirm #facts { height: 1fr; padding: 1 0; }
    TypedConfirm #ask { height: 2; background: $c-raised; }
    TypedConfirm #typed { margin: 0 1; }
    """

    def __init__(self, armed: Armed, words: str, below: AnyScreen) -> None:
        """``words`` are what has to be typed."""
        super().__init__()
        self._action = armed
        self._words = words
        self._below = below

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._what, id="what")
        yield BlockView(glyphs=self.glyphs, id="facts")
        yield LineBox(self._ask, id="ask")
        yield TypingField(id="typed", compact=True, max_length=200)

    def on_mount(self) -> None:
        self._below.confirmation = self
        self.facts.show(armed_blocks(self._action, self.glyphs))
        self.query_one(Input).focus()

    @property
    def facts(self) -> BlockView:
        return self.query_one("#facts", BlockView)

    def crumbs(self) -> Sequence[str]:
        return ("Confirm",)

    def moves(self) -> Movable | None:
        return self.facts

    def step_back(self) -> bool:
        return self._below.disarm("Nothing was done.")

    @on(Input.Submitted, "#typed")
    def _entered(self, event: Input.Submitted) -> None:
        reason = self.console.guard.why_not()
        if reason is None and not self._matches(event.value):
            reason = "That is not what has to be typed, so nothing was done."
        if reason is None:
            self._below.confirm()
        else:
            self.console.warn(reason)

    def _matches(self, typed: str) -> bool:
        return " ".join(typed.split()).casefold() == " ".join(self._words.split()).casefold()

    def _what(self, width: int) -> list[Line]:
        sign = self.glyphs.of(Tone.DANGER)
        return [cut_line((strong(f" {sign} {self._action.title}", Tone.DANGER),), width)]

    def _ask(self, width: int) -> list[Line]:
        return [
            cut_line((muted(" Type "), strong(self._words), muted(" to confirm.")), width),
            cut_line(
                (
                    strong(" Enter", Tone.PRIMARY),
                    Piece(f" {self._action.go}"),
                    muted("  "),
                    strong("Esc", Tone.PRIMARY),
                    muted(" back  "),
                    strong("PgDn", Tone.PRIMARY),
                    muted(" reads on"),
                ),
                width,
            ),
        ]
