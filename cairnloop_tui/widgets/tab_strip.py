"""A row of tabs, drawn as words; the letter that opens a tab stands out; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairnloop_tui.text import Line, Piece, cut_line, muted, spread, strong, width_of
from cairnloop_tui.theme.tokens import Tone


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab; ``count`` is shown when known."""

    key: str
    label: str
    letter: str = ""
    count: int | None = None


def tab_line(tabs: Sequence[Tab], chosen: str, right: Line, width: int) -> Line:
    """The tabs at the left; at the right something about what they show."""
    left = _strip(tabs, chosen, gap="  ")
    if width_of(left) > width:
        left = _strip(tabs, chosen, gap=" ")
    if width_of(left) + width_of(right) + 2 > width:
        return cut_line(left, width)
    return spread(left, right, width)


def _strip(tabs: Sequence[Tab], chosen: str, *, gap: str) -> Line:
    pieces: list[Piece] = [Piece(" ")]
    for number, tab in enumerate(tabs):
        if number:
            pieces.append(muted(gap))
        pieces += _tab(tab, is_chosen=tab.key == chosen)
    return tuple(pieces)


def _tab(tab: Tab, *, is_chosen: bool) -> Line:
    count = "" if tab.count is None else f" {tab.count}"
    if is_chosen:
        return (strong(f"[{tab.label}{count}]", Tone.PRIMARY),)
    at = tab.label.lower().find(tab.letter) if tab.letter else -1
    if at < 0:
        return (muted(f"{tab.label}{count}"),)
    return (
        muted(tab.label[:at]),
        strong(tab.label[at]),
        muted(f"{tab.label[at + 1 :]}{count}"),
    )
