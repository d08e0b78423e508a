"""A list of one-line rows held by key: refreshing it moves neither cursor, view nor marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cairnloop_tui.lists.marks import Marks
from cairnloop_tui.text import Line, Piece
from cairnloop_tui.theme.brush import brush
from cairnloop_tui.theme.glyphs import UNICODE, Glyphs
from cairnloop_tui.theme.tokens import Tone

K = TypeVar("K", bound=int | str)
R = TypeVar("R")

# Cells before each row: the cursor bar, the mark, and a gap.
GUTTER = 3
# Rows from the end at which the next page is asked for.
NEAR_END = 20


@dataclass(frozen=True, slots=True)
class RowSpot:
    """What a presenter of rows may depend on besides the row."""

    width: int
    now: datetime
    glyphs: Glyphs


Present = Callable[[R, RowSpot], Line]


class RowList(ScrollView, Generic[K, R], can_focus=True):
    """Draws only what is visible; presents a row once until it changes."""

    DEFAULT_CSS = """
    RowList {
        background: $c-bg; color: $c-text; overflow-x: hidden; overflow-y: auto;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; scrollbar-gutter: stable;
    }
    """

    class Moved(Message):
        """The cursor stands on another row, or the row under it changed."""

        def __init__(self, rows: RowList[Any, Any]) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList[Any, Any]:
            return self.rows

    class Opened(Moved):
        """A row was clicked twice."""

    class NearEnd(Moved):
        """The cursor or the view comes close to the last loaded row."""

    def __init__(
        self,
        present: Callable[[R, RowSpot], Line],
        key_of: Callable[[R], K],
        now: Callable[[], datetime],
        *,
        glyphs: Glyphs = UNICODE,
        stops: Callable[[R], bool] | None = None,
        markable: bool = False,
        id: str | None = None,  # noqa: A002 - the word of Textual
    ) -> None:
        super().__init__(id=id)
        self._present = present
        self._key_of = key_of
        self._now = now
        self._glyphs = glyphs
        self._stops = stops or (lambda row: True)
        self._all_stop = stops is None
        self.markable = markable
        self.rows: tuple[R, ...] = ()
        self.keys: tuple[K, ...] = ()
        self.marks: Marks[K] = Marks()
        self.cursor = 0
        self.arrived_above = 0
        self._index: dict[K, int] = {}
        self._drawn: dict[tuple[K, int], tuple[R, Line]] = {}

    # What is listed

    def show(self, rows: Sequence[R]) -> None:
        """Replace what is listed; whoever is under the cursor stays under it, on the same line."""
        held = self.current_key()
        line_on_screen = self.cursor - self.scroll_offset.y
        known = self._index
        self.rows = tuple(rows)
        self.keys = tuple(self._key_of(row) for row in rows)
        self._index = {key: index for index, key in enumerate(self.keys)}
        self.marks = self.marks.kept(self.keys)
        self._drawn.clear()
        self.virtual_size = Size(max(self.size.width, 1), len(self.rows))
        if held is not None and held in self._index:
            self.cursor = self._index[held]
        else:
            self.cursor = self._nearest_stop(min(self.cursor, max(len(self.rows) - 1, 0)))
        top = max(0, self.cursor - line_on_screen)
        self.scroll_to(y=top, animate=False, immediate=True)
        self._count_arrivals(known, top)
        self.refresh()
        self.post_message(self.Moved(self))

    def _count_arrivals(self, known: dict[K, int], top: int) -> None:
        if not known or top == 0:
            self.arrived_above = 0
            return
        self.arrived_above += sum(1 for key in self.keys[:top] if key not in known)

    def present_again(self) -> None:
        """Forget how rows were drawn, because time, width or theme moved on."""
        self._drawn.clear()
        self.refresh()

    def current(self) -> R | None:
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def current_key(self) -> K | None:
        return self.keys[self.cursor] if self.cursor < len(self.keys) else None

    def row(self, key: K) -> R | None:
        index = self._index.get(key)
        return None if index is None else self.rows[index]

    def targets(self) -> tuple[K, ...]:
        """What a verb acts on: the marked rows in order, or the row under the cursor."""
        if self.marks:
            return self.marks.in_order(self.keys)
        key = self.current_key()
        return () if key is None else (key,)

    def neighbour(self, key: K, step: int) -> K | None:
        """The row ``step`` places from ``key`` in the current order."""
        index = self._index.get(key)
        if index is None or not 0 <= index + step < len(self.keys):
            return None
        return self.keys[index + step]

    # Motion

    def move(self, by: int) -> None:
        self.move_to(self.cursor + by, prefer=1 if by >= 0 else -1)

    def move_to(self, index: int, *, prefer: int = 1) -> None:
        if not self.rows:
            return
        wanted = min(max(index, 0), len(self.rows) - 1)
        left, self.cursor = self.cursor, self._nearest_stop(wanted, prefer)
        self._extend_range()
        self._keep_cursor_visible()
        if self.marks.in_range:
            self.refresh()
        else:
            self.refresh_line(left)
            self.refresh_line(self.cursor)
        self.post_message(self.Moved(self))
        if self.cursor >= len(self.rows) - NEAR_END:
            self.post_message(self.NearEnd(self))

    def move_to_key(self, key: K) -> bool:
        index = self._index.get(key)
        if index is not None:
            self.move_to(index)
        return index is not None

    def move_to_end(self) -> None:
        self.move_to(len(self.rows) - 1, prefer=-1)

    def turn(self, pages: float) -> None:
        self.move(round(pages * max(self.size.height - 1, 1)))

    def place(self) -> str:
        if not self.rows:
            return "No rows"
        if self._all_stop:
            return f"Row {self.cursor + 1} of {len(self.rows)}"
        stops = [index for index, row in enumerate(self.rows) if self._stops(row)]
        here = sum(1 for index in stops if index <= self.cursor)
        return f"Row {here} of {len(stops)}"

    def _nearest_stop(self, index: int, prefer: int = 1) -> int:
        """The row at ``index``, or the nearest on which the cursor may stand."""
        steps = range(len(self.rows))
        for direction in (prefer, -prefer):
            for step in steps:
                at = index + step * direction
                if not 0 <= at < len(self.rows):
                    break
                if self._stops(self.rows[at]):
                    return at
        return index

    def _keep_cursor_visible(self) -> None:
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if self.cursor < top:
            # A heading above the first row comes into view with it.
            self.scroll_to(
                y=0 if self._nearest_stop(0) == self.cursor else self.cursor,
                animate=False,
                immediate=True,
            )
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)
        if self.scroll_offset.y == 0:
            self.arrived_above = 0

    # Marks

    def set_marks(self, marks: Marks[K]) -> None:
        self.marks = marks
        self.refresh()
        self.post_message(self.Moved(self))

    def markable_keys(self) -> tuple[K, ...]:
        return tuple(key for key, row in zip(self.keys, self.rows, strict=True) if self._stops(row))

    def _extend_range(self) -> None:
        key = self.current_key()
        if self.marks.in_range and key is not None:
            self.marks = self.marks.reaching(key, self.keys)

    # Drawing

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width, base = self.size.width, self.rich_style
        painter = brush(self.app.theme)
        if index >= len(self.rows):
            return painter.strip((), width, base)
        room = self.scrollable_content_region.width
        return painter.strip(self._line(index, room), width, base, self._over(index))

    def _over(self, index: int) -> Style | None:
        if index != self.cursor or not self._stops(self.rows[index]):
            return None
        painter = brush(self.app.theme)
        return painter.cursor if self.has_focus else painter.cursor_unfocused

    def _line(self, index: int, width: int) -> Line:
        key, row = self.keys[index], self.rows[index]
        if not self._stops(row):
            return (Piece(" "), *self._words(key, row, width - 1))
        is_here = index == self.cursor
        cursor = Piece(self._glyphs.cursor if is_here else " ", Tone.PRIMARY, bold=True)
        mark = Piece(self._glyphs.mark if key in self.marks else " ", Tone.PRIMARY, bold=True)
        return (cursor, mark, Piece(" "), *self._words(key, row, width - GUTTER))

    def _words(self, key: K, row: R, width: int) -> Line:
        drawn = self._drawn.get((key, width))
        if drawn is None or drawn[0] is not row:
            spot = RowSpot(width, self._now(), self._glyphs)
            drawn = self._drawn[key, width] = (row, self._present(row, spot))
        return drawn[1]

    # Events

    def on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(max(event.size.width, 1), len(self.rows))
        self._drawn.clear()
        self._keep_cursor_visible()

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y
        if index < len(self.rows):
            self.move_to(index)
            if event.chain == 2:
                self.post_message(self.Opened(self))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value + self.size.height >= len(self.rows) - NEAR_END and self.rows:
            self.post_message(self.NearEnd(self))

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.refresh()
