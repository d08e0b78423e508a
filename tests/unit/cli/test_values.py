"""Views of the engine as JSON, and numbers as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest

from cairnloop_cli.phrases import at, count, duration
from cairnloop_cli.values import to_json, view

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    at: datetime


@dataclass(frozen=True, slots=True)
class Outer:
    colour: Colour
    inner: tuple[Inner, ...]
    nothing: None = None


def test_a_view_becomes_an_object_of_plain_values() -> None:
    made = view(Outer(Colour.RED, (Inner(NOON),)))

    assert made == {
        "colour": "red",
        "inner": [{"at": "2026-03-01T12:00:00.000Z"}],
        "nothing": None,
    }
    assert type(made["colour"]) is str


def test_a_date_of_any_zone_is_told_in_utc() -> None:
    assert to_json(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-03-01T12:00:00.000Z"


def test_a_value_without_an_agreed_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no form"):
        to_json(object())


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (-5, "0s"),
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3_725, "1h 2m"),
        (86_400, "1d"),
        (86_405, "1d"),
        (273_600, "3d 4h"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: int | None, said: str) -> None:
    assert duration(seconds) == said


def test_dates_and_counts_read_as_words() -> None:
    assert at(NOON) == "2026-03-01 12:00 UTC"
    assert at(None) == "-"
    assert [count(1, "reply", "replies"), count(2, "reply", "replies")] == ["1 reply", "2 replies"]
