"""The last line against hostile text: no segment reaches the terminal with control characters."""

from __future__ import annotations

import unicodedata

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_BIDI = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_DROPPED = dict.fromkeys(
    [
        *range(0x20),
        *range(0x7F, 0xA0),
        *_BIDI,
        0x2028,
        0x2029,
        *range(0xE0000, 0xE0080),
    ]
)


class NoControl(LineFilter):
    """Drops control, bidi and tag characters from every segment's text.

    Views arrive sanitised already; this holds also for text that a widget took from elsewhere,
    such as a paste. Dropping keeps the cell widths right, because these draw nothing.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or (segment.text.isascii() and segment.text.isprintable())
            else Segment(segment.text.translate(_DROPPED), segment.style)
            for segment in segments
        ]


def typed_text(pasted: str) -> str:
    """Pasted text as an operator may send it: line ends and tabs unified, controls dropped."""
    unified = pasted.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return "".join(
        character
        for character in unified
        if character == "\n"
        or (ord(character) not in _DROPPED and unicodedata.category(character) != "Cs")
    )
