"""The tools of the site: which of them can be asked for, and why not the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import on
from textual.widget import Widget

from cairnloop_engine.governance import labels
from cairnloop_engine.governance.model import ApprovalMode
from cairnloop_engine.governance.views import ToolView
from cairnloop_tui.commands.registry import CHOICE
from cairnloop_tui.frame import ConsoleDialog
from cairnloop_tui.labels import shown
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.lists.row_list import RowList, RowSpot
from cairnloop_tui.text import Line, Piece, cut_line, fit, muted, one_line, strong
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.line_box import LineBox


def unavailable_because(tool: ToolView) -> str | None:
    """Why this tool cannot be asked for, or None; the engine decides for good."""
    if tool.available:
        return None
    if tool.approval_mode is ApprovalMode.ALWAYS_BLOCK:
        return "always blocked here; nobody can approve it"
    if tool.scopes:
        return f"you lack the rights it needs: {', '.join(tool.scopes)}"
    return "not available to you"


def tool_line(tool: ToolView, spot: RowSpot) -> Line:
    """Risk, title, and what it does or why it cannot."""
    risk = shown(labels.risk_label(tool.risk_tier))
    reason = unavailable_because(tool)
    can = reason is None
    said = muted(one_line(tool.description)) if can else Piece(reason or "", Tone.WARNING)
    return cut_line(
        (
            Piece(f"{spot.glyphs.of(risk.tone)} {fit(risk.words, 11)} ", risk.tone),
            Piece(fit(one_line(tool.title, 80), 26), Tone.TEXT if can else Tone.MUTED, bold=can),
            Piece("  "),
            said,
        ),
        spot.width,
    )


class ToolList(ConsoleDialog[ToolView | None]):
    """Answers with the chosen tool, or None."""

    scope = CHOICE

    DEFAULT_CSS = """
    ToolList #rows { height: 1fr; }
    ToolList #about { height: 3; background: $c-sunken; }
    """

    def __init__(self, tools: Sequence[ToolView], *, about: str) -> None:
        """``about`` says what an action would be proposed for."""
        super().__init__()
        self._tools = tuple(sorted(tools, key=lambda tool: not tool.available))
        self._about = about

    def body(self) -> Iterable[Widget]:
        yield RowList(
            tool_line,
            lambda tool: tool.name,
            self.console.clock.now,
            glyphs=self.glyphs,
            id="rows",
        )
        yield LineBox(self._under, id="about")

    def on_mount(self) -> None:
        self.rows.show(self._tools)
        self.rows.focus()

    @property
    def rows(self) -> RowList[str, ToolView]:
        return self.query_one("#rows", RowList)

    def crumbs(self) -> Sequence[str]:
        return ("Propose", self._about)

    def moves(self) -> Movable | None:
        return self.rows

    @on(RowList.Moved, "#rows")
    def _moved(self, event: RowList.Moved) -> None:
        self.query_one("#about", LineBox).redraw()
        self.refresh_chrome()

    @on(RowList.Opened, "#rows")
    def _clicked(self, event: RowList.Opened) -> None:
        self.open_focused()

    def open_focused(self) -> None:
        tool = self.rows.current()
        if tool is None:
            return
        reason = unavailable_because(tool)
        if reason is not None:
            self.console.warn(f"{one_line(tool.title, 80)}: {reason}.")
            return
        self.dismiss(tool)

    def _under(self, width: int) -> list[Line]:
        tool = self.rows.current() if self.is_mounted else None
        if tool is None:
            return [(muted("   This site has no tools. A host registers them."),)]
        needs = ", ".join(tool.scopes) or "no special rights"
        return [
            cut_line((strong(f" {one_line(tool.title, 80)}"),), width),
            cut_line((Piece(f" {one_line(tool.description)}"),), width),
            cut_line(
                (
                    muted(f" {labels.mode_label(tool.approval_mode)}; needs {needs}; "),
                    strong("Enter", Tone.PRIMARY),
                    muted(" opens its form"),
                ),
                width,
            ),
        ]
