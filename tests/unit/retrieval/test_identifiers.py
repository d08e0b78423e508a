"""Which strings of a text are identifiers, and which spellings are one and the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.retrieval.identifiers import LONGEST, MARK, asked, counted, identifiers


def keys(text: str) -> set[str]:
    return {key for found in identifiers(text) for key in found.keys}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ERR-4012", "err_4012"),
        ("ERR-4012", "ERR4012"),
        ("HTTP 502", "http-502"),
        ("E_CONN_RESET", "e-conn_reset"),
        ("SKU-AB-12-X", "sku.ab.12.x"),
        ("ORD/2024/113", "ord-2024-113"),
        ("version 2.3.1", "2.3.1"),
        ("v2.3.1", "2.3.1"),
        ("@scope/package@1.2.0", "scope/package 1.2.0"),
        ("error 4012", "ERR-4012"),
        ("0X80070005", "0x80070005"),
    ],
)
def test_spellings_of_one_identifier_meet(one: str, other: str) -> None:
    assert keys(one) & keys(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v2.3.1", "v23.1"),
        ("v2.3.1", "v2.31"),
        ("ERR-4012", "ERR-4013"),
        ("SKU-AB-12-X", "SKU-AB-12-Y"),
        ("KB5001330", "KB50013"),
        ("10.0.0.1", "10.0.0.12"),
    ],
)
def test_different_identifiers_stay_apart(one: str, other: str) -> None:
    assert not keys(one) & keys(other)


@pytest.mark.parametrize(
    "text",
    ["", "A plain sentence, and/or two.", "pay 1,000 in 30 days", "e.g. this", "!!! ??? --", "99"],
)
def test_plain_words_and_small_numbers_are_none(text: str) -> None:
    assert identifiers(text) == []


@pytest.mark.parametrize(
    "text", ["user@scope/package", "E_CONN_RESET", "std::vector", "429", "H2", "a/b/c"]
)
def test_each_kind_is_seen_inside_a_sentence(text: str) -> None:
    [found] = identifiers(f"Why does ({text}), of all things, appear?")

    assert found.written == text


def test_a_word_of_the_question_may_be_an_identifier_without_its_joints() -> None:
    assert [one.keys for one in asked("why ECONNRESET now")] == [("econnreset",)]
    assert identifiers("why ECONNRESET now") == []


def test_the_index_counts_what_stands_in_all_pieces() -> None:
    found = counted(["ERR-4012 and err4012", "429"])

    assert found == {MARK + "err4012": 2, MARK + "4012": 2, MARK + "429": 1}


@given(st.text())
def test_any_text_is_read_into_bounded_keys(text: str) -> None:
    for key in counted([text]):
        assert key.startswith(MARK)
        assert len(key) <= 2 * LONGEST
