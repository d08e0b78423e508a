"""The question that a draft is grounded on."""

from __future__ import annotations

import pytest

from cairnloop_engine.drafting.ports import CustomerTurn
from cairnloop_engine.drafting.query import QUERY_LENGTH, build_query


@pytest.mark.requirement("03-retrieval-drafting:93")
def test_the_query_is_what_the_customer_wrote_newest_first() -> None:
    turn = CustomerTurn("Key rotation", ["And this?", "It says E-1042.", "My key is old.", "Hi"])

    assert build_query(turn) == "Key rotation\nAnd this?\nIt says E-1042.\nMy key is old."


@pytest.mark.parametrize("subject", [None, "", "Customer chat", "  customer chat ", "(no subject)"])
def test_a_subject_that_a_channel_made_up_is_left_out(subject: str | None) -> None:
    assert build_query(CustomerTurn(subject, ["Where is my invoice?"])) == "Where is my invoice?"


@pytest.mark.parametrize("subject", ["Where is my invoice?", "where is my", "Where is my…"])
def test_a_subject_that_repeats_a_message_is_left_out(subject: str) -> None:
    assert build_query(CustomerTurn(subject, ["Where is my invoice?"])) == "Where is my invoice?"


def test_the_query_is_bounded_and_the_newest_message_keeps_the_room() -> None:
    turn = CustomerTurn("Refund " * 60, ["new " * 200, "old " * 200])

    query = build_query(turn)

    assert len(query) <= QUERY_LENGTH
    assert query.count("new") > 80
    assert "old" not in query


def test_a_word_longer_than_the_room_is_cut() -> None:
    assert build_query(CustomerTurn(None, ["x" * 2000])) == "x" * QUERY_LENGTH


def test_said_twice_counts_once() -> None:
    assert build_query(CustomerTurn(None, ["Refund", "refund", "Plan"])) == "Refund\nPlan"


def test_small_talk_before_the_question_is_left_out() -> None:
    assert build_query(CustomerTurn(None, ["Where is my invoice?", "Hello there!"])) == (
        "Where is my invoice?"
    )


@pytest.mark.parametrize("messages", [[], ["   "], ["\x00"]])
def test_nothing_said_is_an_empty_query(messages: list[str]) -> None:
    assert build_query(CustomerTurn("Customer chat", messages)) == ""
