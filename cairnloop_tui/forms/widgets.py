"""The fields of a form as widgets, alike to their form whatever they are."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, TextArea

from cairnloop_tui.conversation.composer import WritingArea
from cairnloop_tui.forms.fields import Field, Shape, options
from cairnloop_tui.text import Line, Piece, cut_line, muted, strong
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.line_box import LineBox

LONGEST_TYPED = 10_000


class Choice(LineBox, can_focus=True):
    """One of a few values; Space and the arrows go through them."""

    DEFAULT_CSS = """
    Choice { height: 1; background: $c-surface; }
    Choice:focus { background: $c-raised; }
    """

    class Changed(Message):
        """Another value is chosen."""

    def __init__(self, values: Iterable[str], *, optional: bool) -> None:
        super().__init__(self._line)
        # Nothing chosen is a choice of its own: no value is taken by oversight.
        self._values = ("", *values)
        self._optional = optional
        self.value = ""

    def choose(self, value: str) -> None:
        if value in self._values:
            self.value = value
            self.redraw()
            self.post_message(self.Changed())

    def on_key(self, event: events.Key) -> None:
        step = {"space": 1, "right": 1, "left": -1}.get(event.key)
        if step is None:
            return
        event.stop()
        at = self._values.index(self.value) + step
        self.choose(self._values[at % len(self._values)])

    def on_click(self, event: events.Click) -> None:
        at = self._values.index(self.value) + 1
        self.choose(self._values[at % len(self._values)])

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.redraw()

    def _line(self, width: int) -> list[Line]:
        pieces: list[Piece] = [strong("> " if self.has_focus else "  ", Tone.PRIMARY)]
        for value in self._values:
            words = value or ("none" if self._optional else "not chosen")
            if value == self.value:
                pieces.append(strong(f"[{words}]", Tone.PRIMARY))
            else:
                pieces.append(muted(f" {words} "))
            pieces.append(Piece(" "))
        if self.has_focus:
            pieces.append(muted(" Space changes"))
        return [cut_line(tuple(pieces), width)]


class FieldBox(Vertical):
    """A label with what is required and what is wrong, and under it the place for the value."""

    DEFAULT_CSS = """
    FieldBox { height: auto; margin: 0 1 1 1; }
    FieldBox WritingArea {
        height: 4; border: none; padding: 0 1; background: $c-surface; color: $c-text;
        scrollbar-size-vertical: 1;
    }
    """

    def __init__(self, field: Field, value: str, glyphs: Glyphs) -> None:
        super().__init__()
        self.field = field
        self._value = value
        self._glyphs = glyphs
        self._wrong = ""
        self._head = LineBox(self._label)
        self._trouble = LineBox(self._said)

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._editor()
        yield self._trouble

    def _editor(self) -> Widget:
        if self.field.shape in (Shape.CHOICE, Shape.YES_NO):
            return Choice(options(self.field), optional=not self.field.required)
        if self.field.shape is Shape.LONG_TEXT and not self.field.sensitive:
            return WritingArea(
                self._value,
                soft_wrap=True,
                show_line_numbers=False,
                tab_behavior="focus",
                compact=True,
            )
        # What must not be shown is not shown while it is typed either.
        return Input(
            value=self._value,
            password=self.field.sensitive,
            compact=True,
            max_length=LONGEST_TYPED,
        )

    def on_mount(self) -> None:
        editor = self.editor
        if isinstance(editor, Choice) and self._value:
            editor.choose(self._value)

    @property
    def editor(self) -> Input | WritingArea | Choice:
        for editor in self.query("Input, WritingArea, Choice").results(Widget):
            if isinstance(editor, Input | WritingArea | Choice):
                return editor
        raise LookupError(self.field.name)

    @property
    def typed(self) -> str:
        editor = self.editor
        return editor.text if isinstance(editor, TextArea) else editor.value

    def complain(self, words: str) -> None:
        """Say at the field what is wrong with it; nothing when it is right."""
        self._wrong = words
        self._trouble.redraw()

    def _label(self, width: int) -> list[Line]:
        field = self.field
        need = Piece(" * required", Tone.WARNING) if field.required else muted(" optional")
        secret = muted(", hidden") if field.sensitive else Piece("")
        helped = muted(f"  {field.help}") if field.help else Piece("")
        kind = muted("  as JSON") if field.shape is Shape.JSON else Piece("")
        several = muted("  several, with commas") if field.shape is Shape.LIST else Piece("")
        pieces = (strong(field.label), need, secret, helped, kind, several)
        return [cut_line(pieces, width)]

    def _said(self, width: int) -> list[Line]:
        if not self._wrong:
            return []
        words = f"{self._glyphs.danger} {self._wrong}"
        return [cut_line((Piece(words, Tone.DANGER),), width)]
