"""Bytes become numbered lines, however they are cut, and a bad line is told without quoting it."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_cli.lines import Line, Mistake, Numbered, Splitter

GOOD = json.dumps({"customer": "acme", "text": "Hi"}).encode()


def split(*chunks: bytes, longest: int = 1000) -> list[Numbered]:
    splitter = Splitter(longest)
    found = [one for chunk in chunks for one in splitter.feed(chunk)]
    return [*found, *splitter.end()]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{not json", "line_not_json"),
        (b"\xff\xfe", "line_not_utf8"),
        (b"[1, 2]", "line_invalid"),
        (b'"text"', "line_invalid"),
        (b'{"customer": "acme"}', "line_invalid"),
        (b'{"customer": 7, "text": "Hi"}', "line_invalid"),
        (b'{"customer": "a", "text": "Hi", "secret": 1}', "line_invalid"),
        (b'{"customer": "a", "text": "Hi", "conversation": "5"}', "line_invalid"),
        (b'{"customer": "a", "text": "Hi", "conversation": 99999999999999999999}', "line_invalid"),
        (b'{"customer": "a", "text": "' + b"x" * 2000 + b'"}', "line_too_long"),
        (b"[" * 900, "line_not_json"),
    ],
)
def test_a_bad_line_is_a_finding_and_the_next_one_counts(raw: bytes, code: str) -> None:
    first, second = split(raw + b"\n" + GOOD + b"\n")

    assert (first[0], second) == (1, (2, Line(customer="acme", text="Hi")))
    assert isinstance(first[1], Mistake)
    assert first[1].code == code


def test_empty_lines_are_counted_and_left_out() -> None:
    assert [number for number, _ in split(b"\n  \r\n" + GOOD + b"\r\n\n")] == [3]


def test_a_byte_order_mark_belongs_to_nobody() -> None:
    assert split(b"\xef\xbb\xbf" + GOOD) == [(1, Line(customer="acme", text="Hi"))]


def test_the_last_line_needs_no_end() -> None:
    assert split(GOOD) == [(1, Line(customer="acme", text="Hi"))]


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    splitter = Splitter(longest=10)
    for _ in range(1000):
        assert list(splitter.feed(b"x" * 100)) == []

    assert [one[1] for one in splitter.end()] == [
        Mistake("line_too_long", "A line has at most 10 bytes.")
    ]


@given(st.lists(st.integers(0, 120), max_size=6))
def test_it_does_not_matter_how_the_bytes_are_cut(places: list[int]) -> None:
    whole = GOOD + b"\n\n{bad\n" + GOOD
    cuts = [0, *sorted(places), len(whole)]
    chunks = [whole[start:end] for start, end in pairwise(cuts)]

    assert split(*chunks) == split(whole)
