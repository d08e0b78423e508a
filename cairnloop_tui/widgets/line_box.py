"""A widget that shows a few lines of toned words, drawn for whatever width it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from cairnloop_tui.text import Line
from cairnloop_tui.theme.brush import brush

Draw = Callable[[int], Sequence[Line]]


def nothing(width: int) -> Sequence[Line]:
    """No lines."""
    return ()


class LineBox(Widget):
    """As tall as its lines; holds data, never markup."""

    DEFAULT_CSS = """
    LineBox { height: auto; width: 1fr; background: $c-bg; color: $c-text; }
    """

    def __init__(
        self,
        draw: Draw = nothing,
        *,
        id: str | None = None,  # noqa: A002 - the word of Textual
    ) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._height = 0

    def show(self, draw: Draw) -> None:
        """Replace what is drawn."""
        self._draw = draw
        self.redraw()

    def redraw(self) -> None:
        """Draw again, because something that the drawing reads has changed."""
        grew = self.styles.is_auto_height and len(self._draw(self.size.width)) != self._height
        self.refresh(layout=grew)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        self._height = len(self._draw(width))
        return self._height

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        lines = self._draw(width)
        line = lines[y] if y < len(lines) else ()
        return brush(self.app.theme).strip(line, width, base)
