"""The lines around every screen: title, banners, status, footer, hints; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairnloop_tui.text import Line, Piece, cut_line, fit, muted, spread, strong, width_of
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone

MOST_FOOTER_KEYS = 7


@dataclass(frozen=True, slots=True)
class FooterKey:
    """A key and what it does now."""

    keys: str
    label: str


def title_line(crumbs: Sequence[str], freshness: Piece, width: int, glyphs: Glyphs) -> Line:
    """Where one is, and how fresh the data is."""
    pieces: list[Piece] = [strong(" Cairnloop", Tone.PRIMARY)]
    for number, crumb in enumerate(crumbs):
        last = number == len(crumbs) - 1
        pieces.append(muted(f" {glyphs.path} "))
        pieces.append(strong(crumb) if last else muted(crumb))
    return spread(tuple(pieces), (freshness, Piece(" ")), width)


def status_line(
    *,
    notice: tuple[str, Tone] | None,
    pending: str,
    marked: int,
    place: str,
    who: str,
    width: int,
    glyphs: Glyphs,
) -> Line:
    """What was just said, or where one stands; at the right the one who acts."""
    right: Line = (muted(who), Piece(" "))
    if pending:
        right = (strong(pending, Tone.PRIMARY), muted("  "), *right)
    if notice is not None:
        text, tone = notice
        left: Line = (Piece(f" {glyphs.of(tone)} {text}", tone),)
        # A sentence to the operator matters more than the operator's own name.
        if width_of(left) + width_of(right) >= width:
            right = (strong(pending, Tone.PRIMARY), Piece(" ")) if pending else ()
        return spread(left, right, width)
    pieces: list[Piece] = [Piece(" ")]
    if marked:
        pieces.append(strong(f"{marked} marked", Tone.PRIMARY))
    if marked and place:
        pieces.append(muted(f" {glyphs.dot} "))
    pieces.append(muted(place))
    return spread(tuple(pieces), right, width)


def footer_line(keys: Sequence[FooterKey], width: int, help_key: str) -> Line:
    """As many keys as fit, the help key always."""
    helps = (strong(help_key, Tone.PRIMARY), muted(" help "))
    room = width - width_of(helps) - 1
    pieces: list[Piece] = [Piece(" ")]
    used = 1
    for key in keys[:MOST_FOOTER_KEYS]:
        added = (strong(key.keys, Tone.PRIMARY), muted(f" {key.label}  "))
        if used + width_of(added) > room:
            break
        pieces += added
        used += width_of(added)
    return spread(tuple(pieces), helps, width)


def hint_lines(prefix: str, rest: Sequence[FooterKey], width: int) -> list[Line]:
    """What may follow the keys typed so far, in columns."""
    cell = max((len(f"{key.keys}  {key.label}") for key in rest), default=0) + 4
    columns = max(width // max(cell, 1), 1)
    lines: list[Line] = []
    for start in range(0, len(rest), columns):
        row: list[Piece] = [Piece(" ")]
        for key in rest[start : start + columns]:
            row.append(strong(fit(key.keys, len(key.keys) + 1), Tone.PRIMARY))
            row.append(muted(fit(key.label, cell - len(key.keys) - 1)))
        lines.append(cut_line(tuple(row), width))
    return [(strong(f" {prefix} ", Tone.PRIMARY), muted("then")), *lines]


def banner_lines(text: str, tone: Tone, width: int, glyphs: Glyphs) -> list[Line]:
    """A state that lasts, in one line."""
    return [cut_line((Piece(f" {glyphs.of(tone)} {text}", tone, bold=True),), width)]
