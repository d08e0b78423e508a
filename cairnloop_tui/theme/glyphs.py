"""The signs that stand before words, in two sets: for every terminal and for ASCII alone."""

from __future__ import annotations

from dataclasses import dataclass

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from cairnloop_tui.theme.tokens import Tone


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Single-cell signs; a sign never stands without a word."""

    success: str = "✓"
    info: str = "i"
    warning: str = "▲"
    danger: str = "✗"
    ai: str = "◆"
    neutral: str = "·"
    live: str = "●"
    polling: str = "○"
    offline: str = "✗"
    cursor: str = "▌"
    mark: str = "*"
    bar: str = "│"
    note_bar: str = "┆"
    path: str = "▸"
    dot: str = "·"
    rule: str = "─"
    ellipsis: str = "…"
    open_tab: str = "▔"

    def of(self, tone: Tone) -> str:
        """The sign of a tone."""
        match tone:
            case Tone.SUCCESS:
                return self.success
            case Tone.INFO:
                return self.info
            case Tone.WARNING:
                return self.warning
            case Tone.DANGER:
                return self.danger
            case Tone.AI:
                return self.ai
            case Tone.PRIMARY:
                return self.path
            case Tone.TEXT | Tone.MUTED:
                return self.neutral


UNICODE = Glyphs()
ASCII = Glyphs(
    success="+",
    info="i",
    warning="!",
    danger="x",
    ai="*",
    neutral="-",
    live="*",
    polling="o",
    offline="x",
    cursor=">",
    mark="#",
    bar="|",
    note_bar=":",
    path=">",
    dot="-",
    rule="-",
    ellipsis="~",
    open_tab="-",
)

_BOX = "─━│┃┄┅┆┇┈┉┊┋═║╌╍╎╏"
_FLAT = "--||--::--::=|--::"
_BLOCKS = {
    **dict.fromkeys(range(0x2500, 0x2580), "+"),
    **dict.fromkeys(range(0x2580, 0x25A0), " "),
    **dict(zip(map(ord, _BOX), _FLAT, strict=True)),
    **{ord(sign): "-" for sign in "▔▁▂▃▄"},
    **{ord(sign): "|" for sign in "▌▍▎▏▐▕"},
    **{ord("█"): "#", ord("▀"): "-"},
    **{ord("…"): "~", ord("·"): "-", ord("▸"): ">", ord("●"): "*", ord("○"): "o"},
    **{ord("✓"): "+", ord("✗"): "x", ord("▲"): "!", ord("◆"): "*", ord("↑"): "^", ord("↓"): "v"},
    **{ord("—"): "-", ord("–"): "-", ord("“"): '"', ord("”"): '"', ord("’"): "'", ord("‘"): "'"},
    **{ord("→"): ">", ord("←"): "<", ord("⟨"): "<", ord("⟩"): ">"},
}


class AsciiOnly(LineFilter):
    """Draws lines, blocks and signs with ASCII, whoever drew them; every swap is one cell wide."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.text.isascii()
            else Segment(segment.text.translate(_BLOCKS), segment.style, segment.control)
            for segment in segments
        ]
