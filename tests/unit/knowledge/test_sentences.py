"""Sentences, word counts and cuts, in scripts with and without spaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.knowledge.sentences import LETTERS_PER_WORD, cut, n_words, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("   \n ", []),
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("Use a tool, e.g. curl. Then wait.", ["Use a tool, e.g. curl.", "Then wait."]),
        ("Ask Dr. Smith. Or J. Doe.", ["Ask Dr. Smith.", "Or J. Doe."]),
        ("Version 1.2.3 is out. Update.", ["Version 1.2.3 is out.", "Update."]),
        ("1. Open the page\n2. Press save", ["1. Open the page", "2. Press save"]),
        ("No stop at the end", ["No stop at the end"]),
        ("Wait… then go.", ["Wait…", "then go."]),
        ("これは文です。次の文です。", ["これは文です。", "次の文です。"]),
    ],
)
def test_a_text_falls_into_its_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(max_size=300))
def test_no_word_is_lost_between_sentences(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_a_token_without_spaces_counts_by_its_length() -> None:
    assert n_words("a few words") == 3
    assert n_words("字" * (3 * LETTERS_PER_WORD)) == 3


@given(st.text(max_size=600), st.integers(min_value=1, max_value=20))
def test_a_cut_loses_nothing_and_keeps_every_piece_small(text: str, words: int) -> None:
    pieces = cut(text, words)

    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(n_words(piece) <= words for piece in pieces)
