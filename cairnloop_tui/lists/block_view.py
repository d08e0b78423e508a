"""A scrolling text of blocks (messages, cards, help) whose cursor stands on a block, by key."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cairnloop_tui.text import Block, Line, Piece, wrap
from cairnloop_tui.theme.brush import brush
from cairnloop_tui.theme.glyphs import UNICODE, Glyphs
from cairnloop_tui.theme.tokens import Tone


class BlockView(ScrollView, can_focus=True):
    """Wraps blocks for its width. Without keys it is a plain reader that scrolls by lines."""

    DEFAULT_CSS = """
    BlockView {
        background: $c-bg; color: $c-text; overflow-x: hidden; overflow-y: auto;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; scrollbar-gutter: stable;
        height: 1fr;
    }
    """

    class Moved(Message):
        """The cursor stands on another block."""

        def __init__(self, blocks: BlockView) -> None:
            super().__init__()
            self.blocks = blocks

        @property
        def control(self) -> BlockView:
            return self.blocks

    class AtTop(Moved):
        """The view reached its beginning; older blocks may be wanted."""

    def __init__(
        self,
        *,
        glyphs: Glyphs = UNICODE,
        follow: bool = False,
        id: str | None = None,  # noqa: A002 - the word of Textual
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._glyphs = glyphs
        self._follow = follow
        self.blocks: tuple[Block, ...] = ()
        self.cursor_key: int | None = None
        self._lines: list[tuple[Line, int | None]] = []
        self._tops: dict[int, int] = {}
        self._laid_out_for = 0

    # What is shown

    def show(self, blocks: Sequence[Block]) -> None:
        """Replace the text; the place in it stays, and a reader at the end stays at the end."""
        was_at_end = self._at_end() or not self.blocks
        held_line = self._held_line()
        self.blocks = tuple(blocks)
        self._lay_out()
        self._settle_cursor(was_at_end=was_at_end)
        if was_at_end and self._follow:
            self._go_to_line(len(self._lines))
        elif held_line is not None and self.cursor_key in self._tops:
            self._go_to_line(self._tops[self.cursor_key] - held_line)
        self.refresh(layout=self.styles.is_auto_height)
        self.post_message(self.Moved(self))

    def _held_line(self) -> int | None:
        top = self._tops.get(self.cursor_key) if self.cursor_key is not None else None
        return None if top is None else top - self.scroll_offset.y

    def _settle_cursor(self, *, was_at_end: bool) -> None:
        keys = self.keys()
        if self.cursor_key in keys and not (was_at_end and self._follow):
            return
        self.cursor_key = (keys[-1] if self._follow else keys[0]) if keys else None

    def keys(self) -> tuple[int, ...]:
        return tuple(block.key for block in self.blocks if block.key is not None)

    def draw_again(self) -> None:
        self.refresh()

    # Motion

    def move(self, by: int) -> None:
        keys = self.keys()
        if not keys or self.cursor_key not in keys:
            self._go_to_line(self.scroll_offset.y + by)
            self._tell_if_at_top()
            return
        at = keys.index(self.cursor_key)
        self.cursor_key = keys[min(max(at + by, 0), len(keys) - 1)]
        self._show_cursor(downwards=by > 0)
        if at + by < 0:
            self.post_message(self.AtTop(self))
        self.post_message(self.Moved(self))
        self.refresh()

    def move_to(self, index: int) -> None:
        keys = self.keys()
        if not keys:
            self._go_to_line(index)
            return
        self.cursor_key = keys[min(max(index, 0), len(keys) - 1)]
        self._show_cursor(downwards=False)
        if index <= 0:
            self._go_to_line(0)
            self._tell_if_at_top()
        self.post_message(self.Moved(self))
        self.refresh()

    def move_to_end(self) -> None:
        keys = self.keys()
        if keys:
            self.cursor_key = keys[-1]
        self._go_to_line(len(self._lines))
        self.post_message(self.Moved(self))
        self.refresh()

    def scroll_lines(self, by: int) -> None:
        """Read on without leaving the list of blocks; the cursor follows what is seen."""
        self._go_to_line(self.scroll_offset.y + by)
        visible = range(self.scroll_offset.y, self.scroll_offset.y + self.size.height)
        seen = [key for key in self.keys() if self._tops[key] in visible]
        if seen and self.cursor_key not in seen:
            self.cursor_key = seen[0] if by > 0 else seen[-1]
        self._tell_if_at_top()
        self.post_message(self.Moved(self))
        self.refresh()

    def turn(self, pages: float) -> None:
        self.scroll_lines(round(pages * max(self.size.height - 1, 1)))

    def place(self) -> str:
        keys = self.keys()
        if self.cursor_key in keys:
            return f"{keys.index(self.cursor_key) + 1} of {len(keys)}"
        return ""

    def _tell_if_at_top(self) -> None:
        if self.scroll_offset.y == 0:
            self.post_message(self.AtTop(self))

    def _at_end(self) -> bool:
        return self.scroll_offset.y + self.size.height >= len(self._lines)

    def _show_cursor(self, *, downwards: bool) -> None:
        assert self.cursor_key is not None
        top = self._tops[self.cursor_key]
        bottom = top + sum(1 for _, key in self._lines if key == self.cursor_key)
        height = max(self.size.height, 1)
        if bottom > self.scroll_offset.y + height:
            self._go_to_line(min(top, bottom - height) if not downwards else bottom - height)
        if top < self.scroll_offset.y:
            self._go_to_line(top)

    def _go_to_line(self, line: int) -> None:
        last_top = max(len(self._lines) - max(self.size.height, 1), 0)
        self.scroll_to(y=min(max(line, 0), last_top), animate=False, immediate=True)

    # Drawing

    def _lay_out(self) -> None:
        # The column of the scrollbar is never written on, whether it is shown or not.
        width = max(self.scrollable_content_region.width, 1)
        self._lines, self._tops, self._laid_out_for = [], {}, width
        room = self._room(width)
        for block in self.blocks:
            if block.key is not None:
                self._tops[block.key] = len(self._lines)
            for para in block.paras:
                self._lines += [(line, block.key) for line in wrap(para, room)]
        self.virtual_size = Size(width, len(self._lines))

    def _room(self, width: int) -> int:
        """The cells for words: a cursor bar stands before blocks that have keys."""
        return max(width - (1 if self.keys() else 0), 1)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        room = self._room(width - self.styles.scrollbar_size_vertical)
        return sum(len(wrap(para, room)) for block in self.blocks for para in block.paras)

    def render_line(self, y: int) -> Strip:
        painter, base, width = brush(self.app.theme), self.rich_style, self.size.width
        at = y + self.scroll_offset.y
        if at >= len(self._lines):
            return painter.strip((), width, base)
        line, key = self._lines[at]
        if not self.keys():
            return painter.strip(line, width, base)
        is_here = key is not None and key == self.cursor_key and self.has_focus
        bar = Piece(self._glyphs.cursor if is_here else " ", Tone.PRIMARY, bold=True)
        return painter.strip((bar, *line), width, base)

    # Events

    def on_resize(self, event: events.Resize) -> None:
        if self.scrollable_content_region.width == self._laid_out_for:
            if self._follow and self._was_at_end_before(event):
                self._go_to_line(len(self._lines))
            return
        held = self._held_line()
        at_end = self._at_end()
        self._lay_out()
        if at_end and self._follow:
            self._go_to_line(len(self._lines))
        elif held is not None and self.cursor_key in self._tops:
            self._go_to_line(self._tops[self.cursor_key] - held)
        self.refresh()

    def _was_at_end_before(self, event: events.Resize) -> bool:
        """A composer that opens below must not hide the newest message."""
        return self.scroll_offset.y + event.size.height < len(self._lines)

    def on_click(self, event: events.Click) -> None:
        at = event.y + self.scroll_offset.y
        if at < len(self._lines) and (key := self._lines[at][1]) is not None:
            self.cursor_key = key
            self.post_message(self.Moved(self))
            self.refresh()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.refresh()
