"""Whatever a text holds: nothing raises, nothing obeyable is shown, twice is as good as once."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.core.text import (
    MOST_MARKS,
    has_hidden,
    humanise,
    is_blank,
    normalise_line,
    redact,
    safe,
    storable,
    truncate,
)

FRAGMENTS = st.sampled_from(
    ["\r\n", "\r", "\n", "\t", "\x1b[2J", "\x9b", "\x00", "\u202e", "\u200b", "\u200c", "\u200d",
     "\ufe0f", "\ufe0e", "\u20e3", "1", "#", "👩", "❤", "🏳", "e", "\u0301", "\u0323" * 6, "م", "क",
     "葛", "\U000e0100", "\U000e0041", "\ud800", "\ue000", "⟨", "⟨U+20", "⟩", " ", "…", "ﬁ", "İ",
     "a@b.example", "https://x.example/?q=1", "password: x", "4111 1111 1111 1111",
     "sk_live_12345678"]
)  # fmt: skip
ANYTHING = st.characters(exclude_categories=())
TEXTS = st.lists(FRAGMENTS | ANYTHING, max_size=30).map("".join)

ALLOWED_FORMATS = re.compile(
    "[\u200c\u200d\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2]|[\U000110bd\U000110cd]"
)


@given(TEXTS, st.booleans(), st.none() | st.integers(-1, 40), st.none() | st.integers(-1, 4))
def test_nothing_that_a_terminal_obeys_is_ever_shown(
    text: str, multiline: bool, limit: int | None, max_lines: int | None
) -> None:
    shown = safe(text, multiline=multiline, limit=limit, max_lines=max_lines)

    for character in shown:
        category = unicodedata.category(character)
        assert category not in ("Cs", "Co", "Cn", "Zl", "Zp")
        assert category != "Cc" or (multiline and character == "\n")
        assert category != "Cf" or ALLOWED_FORMATS.match(character)


@given(TEXTS)
def test_nothing_piles_up(text: str) -> None:
    marks = 0
    for character in safe(text, multiline=True):
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        assert marks <= MOST_MARKS


@given(TEXTS, st.booleans())
def test_making_safe_what_is_safe_changes_nothing(text: str, multiline: bool) -> None:
    once = safe(text, multiline=multiline)

    assert safe(once, multiline=multiline) == once
    assert not has_hidden(once)


@given(TEXTS, st.integers(0, 40))
def test_a_limit_holds_and_admits_what_is_missing(text: str, limit: int) -> None:
    line = safe(text, limit=limit)
    lines = safe(text, multiline=True, limit=limit)

    assert len(line) <= limit + 1
    assert len(re.sub(r"… \+\d+ chars\Z", "", lines)) <= limit
    if len(safe(text)) > limit:
        assert line.endswith("…")
        assert lines.endswith(" chars")


@given(TEXTS, st.integers(1, 4))
def test_no_more_lines_are_shown_than_allowed(text: str, max_lines: int) -> None:
    assert safe(text, multiline=True, max_lines=max_lines).count("\n") < max_lines


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert safe(text) == text
    assert not has_hidden(text)


@given(TEXTS, TEXTS)
def test_blank_and_blank_is_blank_and_anything_else_is_not(one: str, other: str) -> None:
    assert is_blank(one + other) == (is_blank(one) and is_blank(other))


@given(TEXTS)
def test_what_is_stored_is_what_was_written_as_far_as_it_can_be(text: str) -> None:
    stored = storable(text)

    stored.encode("utf-8")
    assert "\x00" not in stored
    assert storable(stored) == stored
    assert len(stored) == len(text)
    assert all(kept in (written, "\ufffd") for kept, written in zip(stored, text, strict=True))


@given(TEXTS)
def test_comparing_and_redacting_twice_is_comparing_and_redacting_once(text: str) -> None:
    for once in (normalise_line, redact):
        assert once(once(text)) == once(text)


@given(TEXTS, st.integers(-2, 40))
def test_a_cut_text_is_short_enough_and_begins_as_before(text: str, limit: int) -> None:
    cut = truncate(text, limit)

    assert len(cut) <= max(limit, 0)
    assert cut == text or text.startswith(cut.removesuffix("…"))


@given(TEXTS)
def test_words_for_people_never_fail(text: str) -> None:
    assert len(humanise(text)) <= 3 * len(text) + 1


@pytest.mark.parametrize(
    "unit",
    ["a", "Hello, World! ", "привет ", "漢", "👩\u200d👩", "\u0301\u0323", "\u200d", "\ufe0f",
     "\x1b[5;5H", "\u202e", "\x00", "\ud800", "1", "1 ", "a@", "a.", "a@a.", "http://", "eyJ-",
     "eyJaaaaa.", "key-a", "password ", "secret is ", "-----BEGIN A-----", "DE89 ", "aB3", "+1",
     "bearer ", "\r\n"],
)  # fmt: skip
def test_the_time_grows_with_the_length_whatever_is_repeated(unit: str) -> None:
    text = unit * (200_000 // len(unit))

    before = time.process_time()
    for check in (safe, has_hidden, is_blank, storable, normalise_line, redact):
        check(text)

    # Seconds of this processor; what grows with the square of the length would take hundreds.
    assert time.process_time() - before < 10


@pytest.mark.parametrize("unit", ["Hello, World! ", "привет ", "\x1b[5;5H", "\u202e", "\u0301"])
def test_a_megabyte_is_made_safe_in_a_moment(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))

    before = time.process_time()
    safe(text, multiline=True)

    assert time.process_time() - before < 5
