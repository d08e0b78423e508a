"""Inputs for people: every field, no secret, no structure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.governance.masking import MASK, input_rows, is_secret, masked, shown_value


@pytest.mark.requirement("02-governance:B17")
@pytest.mark.parametrize(
    "field",
    [
        "password",
        "api_key",
        "apiKey",
        "API_KEY",
        "accessToken",
        "card-token",
        "clientSecret",
        "credentials",
        "PIN",
        "cvv",
        "x.token",
        "secret2",
    ],
)
def test_a_field_that_is_named_like_a_secret_is_hidden(field: str) -> None:
    assert is_secret(field)
    assert masked({field: "4711"}) == {field: MASK}
    assert "4711" not in str(input_rows({field: "4711"}))


@pytest.mark.parametrize(
    "field", ["keyboard", "monkey", "tokenise", "secretary", "pinned", "order"]
)
def test_a_field_that_only_sounds_like_a_secret_is_shown(field: str) -> None:
    assert not is_secret(field)
    assert masked({field: "4711"}) == {field: "4711"}


@pytest.mark.requirement("02-governance:B17")
def test_secrets_are_hidden_at_every_depth() -> None:
    given_ = {
        "card": {"number": "4711", "list": [{"token": "4711"}]},
        "keys": ["4711"],
        "pin": 4711,
    }

    assert "4711" not in str(masked(given_, {"number"}))


def test_values_are_shown_as_words() -> None:
    rows = input_rows(
        {"b": True, "a": None, "list": ["x", 2], "deep": {"x": 1}, "mixed": [{"x": 1}], "n": 1.5}
    )

    assert [(row.label, row.value) for row in rows] == [
        ("A", ""),
        ("B", "Yes"),
        ("Deep", "Unsupported value"),
        ("List", "x, 2"),
        ("Mixed", "Unsupported value"),
        ("N", "1.5"),
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
)
def test_showing_a_value_never_fails_and_never_shows_a_structure(value: Any) -> None:
    shown = shown_value(value)

    assert isinstance(shown, str)
    if isinstance(value, dict):
        assert shown == "Unsupported value"
