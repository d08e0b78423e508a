"""Typos and the words that they may stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.retrieval.spelling import (
    Known,
    correctable,
    distances,
    nearest,
    variants,
    within_two,
)

word = st.text(alphabet="abcde", min_size=1, max_size=7)


def by_the_book(one: str, other: str) -> int:
    """Optimal string alignment, letter by letter."""
    table = {(i, 0): i for i in range(len(one) + 1)}
    table |= {(0, j): j for j in range(len(other) + 1)}
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            same = one[i - 1] == other[j - 1]
            best = min(
                table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (0 if same else 1)
            )
            swapped = i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]
            table[i, j] = min(best, table[i - 2, j - 2] + 1) if swapped else best
    return table[len(one), len(other)]


@given(word, st.lists(word, min_size=1, max_size=6))
def test_the_distance_to_many_is_the_distance_to_each(one: str, others: list[str]) -> None:
    assert list(distances(one, others)) == [by_the_book(one, other) for other in others]


@given(word)
def test_the_variants_are_exactly_what_is_one_edit_away(one: str) -> None:
    made = variants(one)

    assert len(made) == len(set(made))
    assert set(distances(one, made)) == {1}
    assert len(made) <= 54 * len(one) + 26


@given(word, word)
def test_whatever_is_one_edit_away_is_a_variant(one: str, other: str) -> None:
    assert (other in variants(one)) == (by_the_book(one, other) == 1)


@pytest.mark.parametrize(
    ("typed", "allowed"),
    [
        ("invocie", True),
        ("Rechnugn", True),
        ("счет", True),
        ("größe", True),
        ("key", False),
        ("SAML", False),
        ("4012", False),
        ("請求書の件", False),
        ("x" * 60, False),
    ],
)
def test_only_words_that_can_be_typos_are_corrected(typed: str, allowed: bool) -> None:
    assert correctable(typed, shouted=False) is allowed


def test_a_whole_question_in_capitals_is_read_like_any_other() -> None:
    assert correctable("INVOCIE", shouted=True)


def test_the_likeliest_word_begins_alike_and_is_common() -> None:
    known = [Known("bail", "bail", 90), Known("mail", "mail", 3), Known("main", "main", 9)]

    assert nearest("maiil", known) == known[2]
    assert nearest("maiil", []) is None


def test_two_edits_are_forgiven_and_three_are_not() -> None:
    known = [Known("receiv", "receiv", 4), Known("recent", "recent", 90)]

    assert within_two("recievv", known) == known[0]
    assert within_two("rxcxixx", known) is None
    assert within_two("receive", []) is None
