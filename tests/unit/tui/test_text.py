"""Lines are measured, cut, filled and wrapped by terminal cells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cairnloop_tui.text import (
    Para,
    Piece,
    ago,
    ago_words,
    cut,
    fit,
    fit_right,
    line,
    muted,
    short_span,
    spread,
    width_of,
    words_of,
    wrap,
)
from cairnloop_tui.theme.tokens import Tone

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
words = st.text(st.characters(exclude_categories=["Cc", "Cs", "Mn", "Me", "Cf"]), max_size=60)


@given(words, st.integers(0, 40))
def test_cut_text_never_takes_more_cells_than_it_may(text: str, width: int) -> None:
    assert cell_len(cut(text, width)) <= width


@given(words, st.integers(1, 40))
def test_fitted_text_takes_exactly_its_cells(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width


@given(words, st.integers(4, 40))
def test_wrapped_lines_stay_inside_and_lose_no_visible_character(text: str, width: int) -> None:
    lines = wrap(Para((Piece(text),)), width)

    # Blanks at the end of a line may hang over: nobody sees them cut off.
    seen = [words_of(one).rstrip() for one in lines]
    assert all(cell_len(one) <= width for one in seen)
    kept = "".join(words_of(one) for one in lines)
    assert "".join(kept.split()) == "".join(text.split())


def test_a_cut_says_that_something_is_missing() -> None:
    assert cut("a long subject", 8) == "a long…"


def test_wide_characters_count_as_two_cells() -> None:
    assert fit("退款退款", 5) == "退款…"
    assert fit("退款退款", 6) == "退款… "


def test_wrapping_repeats_the_gutter_and_hangs_what_follows() -> None:
    para = Para((Piece("one two three"),), gutter=(Piece("| "),), hang=2)

    assert [words_of(one).rstrip() for one in wrap(para, 9)] == ["| one two", "|   three"]


def test_an_empty_paragraph_is_one_empty_line() -> None:
    assert [words_of(one) for one in wrap(Para(), 20)] == [""]


def test_a_word_longer_than_the_line_is_broken() -> None:
    lines = wrap(Para((Piece("abcdefghij"),)), 4)

    assert [words_of(one) for one in lines] == ["abcd", "efgh", "ij"]


def test_tones_survive_wrapping() -> None:
    lines = wrap(Para(line(muted("quiet words"), Piece(" loud", Tone.DANGER))), 12)

    assert [piece.tone for one in lines for piece in one] == [Tone.MUTED, Tone.DANGER]


def test_two_ends_of_a_line_meet_its_width_and_the_left_gives_way() -> None:
    joined = spread((Piece("a very long left end"),), (Piece("right"),), 16)

    assert width_of(joined) == 16
    assert words_of(joined).endswith("right")


@pytest.mark.parametrize(
    ("seconds", "short"),
    [
        (0, "now"),
        (59, "now"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (86_400, "1d"),
        (30 * 86_400, "1mo"),
        (400 * 86_400, "1y"),
        (-5, "now"),
    ],
)
def test_spans_are_short(seconds: int, short: str) -> None:
    assert short_span(seconds) == short


def test_times_are_told_in_words() -> None:
    assert ago_words(NOW - timedelta(hours=2), NOW) == "2h ago"
    assert ago_words(NOW + timedelta(hours=2), NOW) == "just now"
    assert ago(None, NOW) == ""


def test_numbers_stand_at_the_right() -> None:
    assert fit_right("7", 4) == "   7"
