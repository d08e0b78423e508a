"""The strip in which an armed action stands: what it does, to whom, with which exact words."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size

from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.text import Block, Line, Para, Piece, cut_line, many_lines, muted, strong
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.line_box import LineBox


def armed_blocks(armed: Armed, glyphs: Glyphs) -> tuple[Block, ...]:
    """Everything the action is about, ids and recipients one per line, then the exact text."""
    width = max((len(label) for label, _ in armed.facts), default=0)
    paras = [
        Para((muted(f" {label:<{width}}  "), strong(value)), hang=width + 3)
        for label, value in armed.facts
    ]
    paras += [
        Para((Piece(f" {glyphs.warning} {warning}", Tone.WARNING, bold=True),), hang=3)
        for warning in armed.warnings
    ]
    if armed.text:
        gutter = (Piece(f" {glyphs.bar} ", armed.tone),)
        paras += [Para((Piece(row),), gutter) for row in many_lines(armed.text).split("\n")]
    return (Block(tuple(paras)),)


def go_line(armed: Armed, width: int) -> Line:
    return cut_line(
        (
            strong(" Enter", Tone.PRIMARY),
            Piece(f" {armed.go}"),
            muted("   "),
            strong("Esc", Tone.PRIMARY),
            muted(" goes back"),
        ),
        width,
    )


class ArmedText(BlockView):
    """At most half of the window: what stands around it must stay in sight."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        whole = super().get_content_height(container, viewport, width)
        return min(whole, max(viewport.height // 2, 1))


class ArmedStrip(Vertical):
    """Hidden until something is armed; long texts scroll inside it."""

    DEFAULT_CSS = """
    ArmedStrip {
        height: auto; display: none;
        background: $c-warning-surface; border-top: heavy $c-warning-text;
    }
    ArmedStrip.-shown { display: block; }
    ArmedStrip LineBox { background: $c-warning-surface; }
    ArmedStrip BlockView { height: auto; background: $c-warning-surface; }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._title = LineBox()
        self.reader = ArmedText(glyphs=glyphs)
        self._go = LineBox()

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.reader
        yield self._go

    def show(self, armed: Armed) -> None:
        sign = self._glyphs.of(armed.tone)
        title = strong(f" {sign} {armed.title}", armed.tone)
        self._title.show(lambda width: [cut_line((title,), width)])
        self.reader.show(armed_blocks(armed, self._glyphs))
        self.reader.move_to(0)
        self._go.show(lambda width: [go_line(armed, width)])
        self.add_class("-shown")
        self.reader.focus(scroll_visible=False)

    def hide(self) -> None:
        self.remove_class("-shown")
