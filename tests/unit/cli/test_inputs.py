"""What is typed as JSON or as a date is read in one way, or refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cairnloop_cli.inputs import json_object, moment_given
from cairnloop_engine.core.errors import Invalid

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_an_object_is_read_as_it_stands() -> None:
    assert json_object('{"a": {"b": [1, "2", null, true]}}') == {"a": {"b": [1, "2", None, True]}}


@pytest.mark.parametrize(
    "given",
    ["", "{", "[]", "1", "null", '"text"', '{"a": Infinity}', '{"a": NaN}', '{"a": 1, "a": 2}'],
)
def test_what_is_no_object_or_could_mean_two_things_is_refused(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        json_object(given)

    assert refused.value.code == "input_not_json"


def test_a_key_that_stands_twice_deep_inside_is_refused_too() -> None:
    with pytest.raises(Invalid, match="names a key twice"):
        json_object('{"a": [{"b": {"amount": 1, "amount": 820}}]}')


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("30m", NOW + timedelta(minutes=30)),
        ("+4h", NOW + timedelta(hours=4)),
        ("2 d", NOW + timedelta(days=2)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T09:00", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("2026-12-01T09:00Z", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("2026-12-01T10:00+01:00", datetime(2026, 12, 1, 9, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_or_a_span_from_now(given: str, expected: datetime) -> None:
    assert moment_given(given, now=NOW) == expected


@pytest.mark.parametrize("given", ["", "soon", "4w", "-4h", "2026-13-01", "999999d", "h"])
def test_what_is_no_moment_is_refused(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        moment_given(given, now=datetime(9000, 1, 1, tzinfo=UTC))

    assert refused.value.code == "date_invalid"
