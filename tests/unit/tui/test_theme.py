"""Colours carry meaning only together with signs and words, and they can be read."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from textual.color import Color

from cairnloop_tui.hostile import NoControl, typed_text
from cairnloop_tui.theme import themes
from cairnloop_tui.theme.brush import brush
from cairnloop_tui.theme.glyphs import ASCII, UNICODE, AsciiOnly, Glyphs
from cairnloop_tui.theme.tokens import DARK, LIGHT, Tokens, Tone

BLACK = Color(0, 0, 0)


def contrast(one: str, other: str) -> float:
    """The WCAG ratio of two colours."""
    lighter, darker = sorted(map(_luminance, map(Color.parse, (one, other))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    channels = [channel / 255 for channel in colour.rgb]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("tokens", [DARK, LIGHT], ids=lambda tokens: tokens.name)
@pytest.mark.parametrize("tone", list(Tone))
def test_words_of_every_tone_can_be_read_on_the_page(tokens: Tokens, tone: Tone) -> None:
    assert contrast(tokens.text_of(tone), tokens.bg) >= 4.5


@pytest.mark.parametrize("tokens", [DARK, LIGHT], ids=lambda tokens: tokens.name)
def test_words_on_every_coloured_surface_can_be_read(tokens: Tokens) -> None:
    for status in tokens.status.values():
        assert contrast(status.text, status.surface) >= 4.5


@pytest.mark.parametrize("tokens", [DARK, LIGHT], ids=lambda tokens: tokens.name)
@pytest.mark.parametrize("tone", list(Tone))
def test_words_can_be_read_on_the_armed_strip_and_under_the_cursor(
    tokens: Tokens, tone: Tone
) -> None:
    for ground in (
        tokens.status[Tone.WARNING].surface,
        tokens.surface_raised,
        tokens.surface_sunken,
    ):
        assert contrast(tokens.text_of(tone), ground) >= 4.4


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_every_tone_that_means_a_state_has_a_sign_of_its_own(glyphs: Glyphs) -> None:
    states = (Tone.SUCCESS, Tone.INFO, Tone.WARNING, Tone.DANGER, Tone.AI)

    assert len({glyphs.of(tone) for tone in states}) == len(states)
    assert all(len(glyphs.of(tone)) == 1 for tone in Tone)


def test_the_ascii_set_is_ascii() -> None:
    assert all(getattr(ASCII, name).isascii() for name in Glyphs.__slots__)


def test_lines_and_blocks_become_ascii_one_for_one() -> None:
    drawn = "│ ─ ▸ ✓ ✗ ▲ ◆ ● … “x” ┌┐ ▌"

    (segment,) = AsciiOnly().apply([Segment(drawn)], BLACK)

    assert segment.text.isascii()
    assert len(segment.text) == len(drawn)


def test_without_colour_no_style_names_one() -> None:
    painter = brush(themes.PLAIN)

    assert all(painter.style(tone).color is None for tone in Tone)
    assert painter.cursor.reverse


def test_every_theme_has_the_same_variables() -> None:
    known = {frozenset(n for n in t.variables if n.startswith("c-")) for t in themes.themes()}

    assert len(known) == 1


def test_the_terminal_decides_the_first_theme_unless_the_operator_did() -> None:
    first = themes.first_theme

    assert first(None, no_color=False, few_colors=False) == DARK.name
    assert first(None, no_color=False, few_colors=True) == themes.ANSI_DARK
    assert first(LIGHT.name, no_color=False, few_colors=True) == LIGHT.name
    assert first(LIGHT.name, no_color=True, few_colors=False) == themes.PLAIN
    assert first("gone-theme", no_color=False, few_colors=False) == DARK.name


def test_the_last_line_drops_control_and_direction_characters() -> None:
    hostile = "a\x1b]52;c;eA==\x07b\x9b5;5Hc\u202edd\x00\x7f"

    (segment,) = NoControl().apply([Segment(hostile)], BLACK)

    assert segment.text == "a]52;c;eA==b5;5Hcdd"


def test_pasted_text_keeps_its_lines_and_loses_its_controls() -> None:
    assert typed_text("one\r\ntwo\rthree\tx\x1b[2J\u202e") == "one\ntwo\nthree    x[2J"
