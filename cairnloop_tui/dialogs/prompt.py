"""A question answered in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import on
from textual.widget import Widget
from textual.widgets import Input

from cairnloop_tui.commands.registry import PROMPT
from cairnloop_tui.frame import ConsoleDialog
from cairnloop_tui.text import Line, cut_line, muted, strong
from cairnloop_tui.widgets.line_box import LineBox


class Prompt(ConsoleDialog[str | None]):
    """Answers with what was typed, or None when it was left."""

    scope = PROMPT

    DEFAULT_CSS = """
    Prompt #question { margin: 1 1 0 1; }
    Prompt #answer { margin: 1 1; }
    """

    def __init__(self, title: str, question: str, hint: str, *, value: str = "") -> None:
        """``title`` is our own word for the header; the question may quote somebody else's."""
        super().__init__()
        self._title_words = title
        self._question = question
        self._hint = hint
        self._value = value

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._lines, id="question")
        yield Input(id="answer", compact=True, max_length=200)

    def on_mount(self) -> None:
        field = self.query_one("#answer", Input)
        field.value = self._value
        field.focus()

    def crumbs(self) -> Sequence[str]:
        return (self._title_words,)

    @on(Input.Submitted, "#answer")
    def _entered(self, event: Input.Submitted) -> None:
        """An answer that came before the question could be read is no answer."""
        reason = self.console.guard.why_not()
        if reason is not None:
            self.console.warn(reason)
        else:
            self.dismiss(event.value)

    def _lines(self, width: int) -> list[Line]:
        return [cut_line((strong(self._question),), width), cut_line((muted(self._hint),), width)]
