"""Global options stand before or after the command, and data stays data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_cli.options import FLAGS, VALUED, arrange


@pytest.mark.parametrize(
    "arguments",
    [
        ["--operator", "maya", "--json", "note", "5", "hello"],
        ["note", "--operator", "maya", "5", "--json", "hello"],
        ["note", "5", "hello", "--operator=maya", "--json"],
    ],
)
def test_a_global_option_may_stand_anywhere(arguments: list[str]) -> None:
    arranged = arrange(arguments)

    assert [one for one in arranged.arguments if not one.startswith(("--", "maya"))] == [
        "note",
        "5",
        "hello",
    ]
    assert arranged.arguments[-3:] == ("note", "5", "hello")
    assert arranged.json
    assert arranged.lacking is None


def test_what_follows_a_double_dash_is_data() -> None:
    arranged = arrange(["note", "5", "--", "--json", "--operator", "maya"])

    assert arranged.arguments == ("note", "5", "--", "--json", "--operator", "maya")
    assert not arranged.json


def test_a_local_option_and_its_value_keep_their_order() -> None:
    arranged = arrange(["discard", "draft", "3", "--reason", "wrong tone", "--json"])

    assert arranged.arguments == ("--json", "discard", "draft", "3", "--reason", "wrong tone")


@pytest.mark.parametrize(
    "arguments",
    [
        ["inbox", "--operator"],
        ["inbox", "--operator", "--json"],
        ["inbox", "--operator="],
        ["inbox", "--operator", "--", "x"],
    ],
)
def test_a_global_option_without_its_value_is_named(arguments: list[str]) -> None:
    assert arrange(arguments).lacking == "--operator"


def test_a_single_dash_is_a_value_and_stays_in_place() -> None:
    assert arrange(["reply", "5", "-", "--json"]).arguments == ("--json", "reply", "5", "-")


WORDS = st.sampled_from([*FLAGS, *VALUED, "--", "-", "note", "5", "--hold", "--operator=maya", ""])


@given(st.lists(WORDS, max_size=12))
def test_no_command_line_loses_or_invents_a_word(arguments: list[str]) -> None:
    arranged = arrange(arguments)

    if arranged.lacking is None:
        assert sorted(arranged.arguments) == sorted(arguments)
