"""The composer: a text field that says whom it writes to, and keeps what was typed."""

from __future__ import annotations

import re
from dataclasses import replace

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import TextArea

from cairnloop_tui.hostile import typed_text
from cairnloop_tui.text import Line, Piece, cut_line, muted, one_line, strong
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.unsent import Cited, Kind, Unsent
from cairnloop_tui.widgets.line_box import LineBox

# A paste longer than any message may be is a mistake.
LONGEST_PASTE = 20_000

_MARKER = re.compile(r"\[(\d{1,3})\]")


class WritingArea(TextArea):
    """Takes pasted text without its control characters."""

    longest_paste = LONGEST_PASTE

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert(typed_text(event.text)[: self.longest_paste])


class Composer(Vertical):
    """Hidden while empty and unused."""

    DEFAULT_CSS = """
    Composer { height: auto; display: none; border-top: solid $c-border; }
    Composer.-shown { display: block; }
    Composer #about { height: 1; }
    Composer WritingArea {
        height: 3; border: none; padding: 0 1; background: $c-surface; color: $c-text;
        scrollbar-size-vertical: 1;
    }
    Composer:focus-within { border-top: solid $c-focus; }
    Composer:focus-within WritingArea { height: 8; }
    ConsoleScreen.-low Composer:focus-within WritingArea { height: 4; }
    """

    class Typed(Message):
        """The text is different now."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="composer")
        self._glyphs = glyphs
        self.kind = Kind.REPLY
        self.draft_id: int | None = None
        self.cited: tuple[Cited, ...] = ()
        self.recipient = ""
        self._filling = False

    def compose(self) -> ComposeResult:
        yield LineBox(self._title, id="about")
        yield LineBox(self._chips, id="cited")
        yield WritingArea(
            "", soft_wrap=True, show_line_numbers=False, tab_behavior="focus", compact=True
        )

    @property
    def area(self) -> WritingArea:
        return self.query_one(WritingArea)

    @property
    def text(self) -> str:
        return self.area.text if self.is_mounted else ""

    @property
    def unsent(self) -> Unsent:
        return Unsent(self.text, self.kind, self.draft_id, self.cited)

    def fill(self, unsent: Unsent | None) -> None:
        """Put a text into the field, in place of whatever is there."""
        unsent = unsent or Unsent("")
        self.kind, self.draft_id, self.cited = unsent.kind, unsent.draft_id, unsent.cited
        if self.area.text != unsent.text:
            self._filling = True
            self.area.load_text(unsent.text)
            self.area.move_cursor(self.area.document.end)
        self._show_or_hide()

    def begin(self, kind: Kind) -> None:
        """Write: take up what is there, as a reply or as a note."""
        self.kind = kind
        self.add_class("-shown")
        self.query_one("#about", LineBox).redraw()
        self.area.focus()

    def retype(self, text: str) -> None:
        """Other words in place of what is there; what they will become stays."""
        self.fill(replace(self.unsent, text=text))

    def insert(self, text: str) -> None:
        """Put words where the cursor is."""
        self.area.insert(text)
        self._show_or_hide()

    def cite(
        self, title: str, source_type: str, article_id: int | None, chunk_id: int | None
    ) -> int:
        """Add a citation and its marker; the same passage keeps its number."""
        for known in self.cited:
            if (known.article_id, known.chunk_id, known.title) == (article_id, chunk_id, title):
                number = known.number
                break
        else:
            # The markers of a draft that is edited stand in the text and are taken, too.
            taken = [*(cited.number for cited in self.cited), *map(int, _MARKER.findall(self.text))]
            number = max(taken, default=0) + 1
            self.cited = (*self.cited, Cited(number, title, source_type, article_id, chunk_id))
        before = self.area.text[: self._offset()]
        space = "" if not before or before[-1].isspace() else " "
        self.insert(f"{space}[{number}]")
        return number

    def _offset(self) -> int:
        row, column = self.area.cursor_location
        lines = self.area.text.split("\n")
        return sum(len(line) + 1 for line in lines[:row]) + column

    def _show_or_hide(self) -> None:
        self.set_class(bool(self.text.strip()) or self.area.has_focus, "-shown")
        for line in self.query(LineBox):
            line.redraw()

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._show_or_hide()
        if self._filling:
            self._filling = False
        else:
            self.post_message(self.Typed())

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        # The focus has already moved on when this arrives.
        self.set_class(bool(self.text.strip()), "-shown")

    def _chips(self, width: int) -> list[Line]:
        """What is cited, as long as its marker stands in the text."""
        cited = self.unsent.still_cited() if self.is_mounted else ()
        if not cited or self.kind is Kind.NOTE:
            return []
        pieces = [muted(" cites ")]
        for one in cited:
            sign = Piece(f" {self._glyphs.success} ", Tone.SUCCESS)
            pieces += [sign, strong(f"[{one.number}] "), Piece(f"{one_line(one.title, 60)} ")]
        return [cut_line(tuple(pieces), width)]

    def _title(self, width: int) -> list[Line]:
        if self.kind is Kind.NOTE:
            head = strong(f" {self._glyphs.note_bar} Internal note", Tone.WARNING)
            who = muted("  only operators see it")
        else:
            words = "Edit of the draft for" if self.draft_id is not None else "Reply to"
            head = strong(f" {self._glyphs.path} {words} ", Tone.PRIMARY)
            who = Piece(self.recipient)
        how = muted(
            "   Ctrl+S shows what goes out" if self.kind is Kind.REPLY else "   Ctrl+S keeps it"
        )
        return [cut_line((head, who, how), width)]
