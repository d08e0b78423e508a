"""Words that a decision needs: several lines, looked at once more before they are recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual import on
from textual.widget import Widget
from textual.widgets import Input, TextArea

from cairnloop_engine import Invalid
from cairnloop_engine.core.text import is_blank
from cairnloop_tui.actions.until import EXAMPLES, parse_until
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.registry import REASON
from cairnloop_tui.conversation.composer import WritingArea
from cairnloop_tui.frame import ConsoleDialog
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.text import Block, Line, cut_line, muted, one_line, strong
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.line_box import LineBox

LONGEST_REASON = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, about what, and what happens with the answer.

    ``kept_as`` names the words when the dialog is left without an answer, so that they are there
    when it is opened again.
    """

    title: str
    ask: str
    go: str
    blocks: tuple[Block, ...]
    facts: tuple[tuple[str, str], ...]
    kept_as: str
    tone: Tone = Tone.WARNING
    with_until: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What was typed; ``until`` None when no moment was named or asked for."""

    words: str
    until: datetime | None = None


class Reason(ConsoleDialog[Answer | None]):
    """Answers with the words, or None when it was left."""

    scope = REASON

    DEFAULT_CSS = """
    Reason #about { height: auto; max-height: 40%; padding: 1 0; }
    Reason #ask { height: 2; background: $c-raised; }
    Reason WritingArea {
        height: 1fr; min-height: 3; border: none; padding: 0 1;
        background: $c-surface; color: $c-text; scrollbar-size-vertical: 1;
    }
    Reason #until-ask { height: 1; background: $c-raised; }
    Reason #until { margin: 0 1; }
    """

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

    def body(self) -> Iterable[Widget]:
        yield BlockView(glyphs=self.glyphs, id="about")
        yield LineBox(self._ask, id="ask")
        yield WritingArea(
            "", soft_wrap=True, show_line_numbers=False, tab_behavior="focus", compact=True
        )
        if self._question.with_until:
            yield LineBox(self._until_ask, id="until-ask")
            yield Input(id="until", compact=True, max_length=60)

    def on_mount(self) -> None:
        self.query_one("#about", BlockView).show(self._question.blocks)
        kept = self.console.left_typed.get(self._question.kept_as, "")
        self.area.load_text(kept)
        self.area.move_cursor(self.area.document.end)
        self.area.focus()

    @property
    def area(self) -> WritingArea:
        return self.query_one(WritingArea)

    def crumbs(self) -> Sequence[str]:
        return (self._question.title,)

    def panes(self) -> Sequence[Widget]:
        return (self.area, *self.query(Input))

    @on(TextArea.Changed)
    def _typed(self, event: TextArea.Changed) -> None:
        """Leaving the dialog does not lose what was typed into it."""
        self.console.left_typed[self._question.kept_as] = self.area.text
        self.check_armed()

    @on(Input.Submitted, "#until")
    def _until_entered(self, event: Input.Submitted) -> None:
        self.console.call("dialog.submit", guard=self.console.guard)

    # What the submitting command asks

    def not_ready(self) -> str | None:
        """Why this is no answer yet."""
        if is_blank(self.area.text):
            return "A reason is required; say in a few words why."
        if len(self.area.text) > LONGEST_REASON:
            return f"A reason has at most {LONGEST_REASON} characters."
        try:
            self._until()
        except Invalid as error:
            return error.message
        return None

    def armed_answer(self) -> Armed:
        question, answer = self._question, Answer(self.area.text.strip(), self._until())
        facts = question.facts
        if question.with_until:
            until = answer.until
            back = until.strftime("%a %d %b %Y %H:%M") if until else "until somebody opens it again"
            facts = (*facts, ("Until", back))
        return Armed(
            title=f"{question.title}?",
            facts=facts,
            text=answer.words,
            warnings=question.warnings,
            tone=question.tone,
            go=question.go,
            act=lambda: self._answer(answer),
            still=lambda: (
                None if self.area.text.strip() == answer.words else "Disarmed: the text changed."
            ),
        )

    def _answer(self, answer: Answer) -> None:
        self.console.left_typed.pop(self._question.kept_as, None)
        self.dismiss(answer)

    def _until(self) -> datetime | None:
        fields = self.query("#until").results(Input)
        said = next((field.value for field in fields), "")
        return parse_until(said, self.console.clock.now())

    def _ask(self, width: int) -> list[Line]:
        return [
            cut_line((strong(f" {one_line(self._question.ask)}"),), width),
            (
                strong(" Ctrl+S", Tone.PRIMARY),
                muted(" shows it once more   "),
                strong("Esc", Tone.PRIMARY),
                muted(" goes back and keeps the words"),
            ),
        ]

    def _until_ask(self, width: int) -> list[Line]:
        return [cut_line((strong(" Until"), muted(f", if it should come back: {EXAMPLES}")), width)]
