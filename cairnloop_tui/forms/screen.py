"""A form that is drawn from a tool's input model: to propose an action, or to amend one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, TextArea

from cairnloop_engine import Blocked, Caller, Engine, Invalid
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.governance import labels
from cairnloop_engine.governance.masking import MASK
from cairnloop_engine.governance.views import ToolView
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.registry import FORM
from cairnloop_tui.forms.fields import Field, fields_of, given, typed_value
from cairnloop_tui.forms.widgets import Choice, FieldBox
from cairnloop_tui.frame import ConsoleDialog
from cairnloop_tui.labels import shown
from cairnloop_tui.text import Line, Piece, cut_line, muted, one_line, strong
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox

if TYPE_CHECKING:
    from cairnloop_engine.governance.proposals import Proposed

UNDER_WAY = "It is on its way to the engine already."

Send = Callable[[Engine, Caller, JsonObject], "Awaitable[Proposed]"]


@dataclass(frozen=True, slots=True)
class Errand:
    """What a form is for. ``fixed`` inputs come from the screen below, never from the form;
    ``kept_as`` names what was typed when the form is left."""

    title: str
    go: str
    tool: ToolView
    send: Send
    fixed: Mapping[str, JsonValue]
    facts: tuple[tuple[str, str], ...]
    kept_as: str
    prefilled: Mapping[str, JsonValue] | None = None


class ToolForm(ConsoleDialog["Proposed | None"]):
    """Answers with what was proposed, or None when it was left."""

    scope = FORM

    DEFAULT_CSS = """
    ToolForm #tool { height: auto; max-height: 3; background: $c-sunken; }
    ToolForm #fields {
        height: 1fr; padding: 1 0 0 0; background: $c-bg;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0;
    }
    """

    def __init__(self, errand: Errand) -> None:
        super().__init__()
        self._errand = errand
        self._fields = fields_of(errand.tool.schema, fixed=tuple(errand.fixed))
        self._sending = False

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._tool, id="tool")
        yield VerticalScroll(
            *(FieldBox(field, self._beginning(field), self.glyphs) for field in self._fields),
            id="fields",
            can_focus=False,
        )

    def _beginning(self, field: Field) -> str:
        kept = self.console.left_typed.get(self._key(field))
        if kept is not None:
            return kept
        before = self._errand.prefilled
        value = field.default if before is None else before.get(field.name)
        # What was masked on its way here is no value.
        return "" if value == MASK else typed_value(field, value)

    def on_mount(self) -> None:
        if boxes := self.boxes:
            boxes[0].editor.focus()

    @property
    def boxes(self) -> list[FieldBox]:
        return list(self.query(FieldBox)) if self.is_mounted else []

    def crumbs(self) -> Sequence[str]:
        return (self._errand.title,)

    def panes(self) -> Sequence[Widget]:
        return [box.editor for box in self.boxes]

    def focus_pane(self, pane: Widget) -> None:
        pane.focus(scroll_visible=True)

    # Typing

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(Choice.Changed)
    def _typed(self) -> None:
        """Leaving the form loses nothing but secrets, which are kept nowhere."""
        for box in self.boxes:
            if not box.field.sensitive:
                self.console.left_typed[self._key(box.field)] = box.typed
        self.check_armed()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Enter goes on to the next field; from the last one to the last look."""
        panes = self.panes()
        if panes and not panes[-1].has_focus:
            self.next_pane(1)
        else:
            self.console.call("dialog.submit", guard=self.console.guard)

    def _key(self, field: Field) -> str:
        return f"{self._errand.kept_as} {field.name}"

    def _typed_values(self) -> dict[str, str]:
        return {box.field.name: box.typed for box in self.boxes}

    # What the submitting command asks

    def not_ready(self) -> str | None:
        """Why this cannot be proposed yet; what is wrong with a field is said at the field."""
        if self._sending:
            return UNDER_WAY
        try:
            given(self._fields, self._typed_values())
        except Invalid as error:
            self._complain(error.facts)
            return error.message
        return None

    def armed_answer(self) -> Armed:
        typed = self._typed_values()
        values = {**given(self._fields, typed), **self._errand.fixed}
        facts = [*self._errand.facts]
        for field in self._fields:
            text = typed[field.name].strip()
            shown_text = MASK if field.sensitive and text else one_line(text)
            facts.append((field.label, shown_text or "left out"))
        return Armed(
            title=f"{self._errand.title}?",
            facts=tuple(facts),
            go=self._errand.go,
            tone=shown(labels.risk_label(self._errand.tool.risk_tier)).tone,
            act=lambda: self._send(values),
            still=lambda: None if self._typed_values() == typed else "Disarmed: the form changed.",
        )

    def _send(self, values: JsonObject) -> None:
        self._sending = True
        self._complain({})
        self.console.act(
            self,
            lambda engine, caller: self._errand.send(engine, caller, values),
            self._sent,
            doing="proposing",
            failed=self._refused,
        )

    def _sent(self, made: Proposed) -> None:
        for field in self._fields:
            self.console.left_typed.pop(self._key(field), None)
        self.dismiss(made)

    def _refused(self, trouble: Trouble, error: Exception) -> None:
        """What the engine says about a field stands at the field."""
        self._sending = False
        if not isinstance(error, Blocked):
            return
        details = error.facts.get("details")
        fields = details.get("fields") if isinstance(details, dict) else None
        self._complain(fields if isinstance(fields, dict) else {})

    def _complain(self, wrong: Mapping[str, JsonValue]) -> None:
        first: FieldBox | None = None
        for box in self.boxes:
            said = [
                one_line(str(one), 200)
                for name, words in wrong.items()
                if name.split(".")[0] == box.field.name and isinstance(words, list)
                for one in words
            ]
            box.complain("; ".join(said))
            first = first or (box if said else None)
        if first is not None:
            first.editor.focus(scroll_visible=True)

    def _tool(self, width: int) -> list[Line]:
        tool = self._errand.tool
        risk = shown(labels.risk_label(tool.risk_tier))
        head = (
            strong(f" {one_line(tool.title, 80)}  "),
            *risk.chip(self.glyphs),
            muted(f"  {labels.mode_label(tool.approval_mode)}"),
        )
        keys: Line = (
            strong(" Ctrl+S", Tone.PRIMARY),
            muted(" shows what is proposed   "),
            strong("Tab", Tone.PRIMARY),
            muted(" next field   "),
            strong("Esc", Tone.PRIMARY),
            muted(" goes back"),
        )
        lines = [cut_line(head, width)]
        if tool.description.strip():
            lines.append(cut_line((muted(f" {one_line(tool.description)}"),), width))
        if not self._fields:
            keys = (Piece(" It needs no input. "), *keys)
        return [*lines, cut_line(keys, width)]
