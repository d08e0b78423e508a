"""Moments as people say them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cairnloop_engine import Invalid
from cairnloop_tui.actions.until import parse_until

# A Monday.
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2h", "2026-06-01 14:00"),
        (" In 30 min ", "2026-06-01 12:30"),
        ("90m", "2026-06-01 13:30"),
        ("3d", "2026-06-04 12:00"),
        ("1w", "2026-06-08 12:00"),
        ("tomorrow", "2026-06-02 09:00"),
        ("tomorrow 17:30", "2026-06-02 17:30"),
        ("today 13:00", "2026-06-01 13:00"),
        ("14:00", "2026-06-01 14:00"),
        ("9:00", "2026-06-02 09:00"),
        ("mon", "2026-06-08 09:00"),
        ("Friday 8:15", "2026-06-05 08:15"),
        ("2026-06-05", "2026-06-05 09:00"),
        ("2026-06-05 14:00", "2026-06-05 14:00"),
        ("2026-06-05T14:00+02:00", "2026-06-05 12:00"),
    ],
)
def test_a_moment_is_understood(said: str, meant: str) -> None:
    found = parse_until(said, NOW)

    assert found is not None
    assert found.astimezone(UTC).strftime("%Y-%m-%d %H:%M") == meant


def test_nothing_said_is_no_moment() -> None:
    assert parse_until("  ", NOW) is None


@pytest.mark.parametrize("said", ["whenever", "25:00", "9:99", "2x", "mon 99:00", "99999d", "12"])
def test_what_is_unclear_is_refused_with_examples(said: str) -> None:
    with pytest.raises(Invalid, match="Say it like one of these: 2h"):
        parse_until(said, NOW)


@pytest.mark.parametrize("said", ["2026-01-01", "today 9:00", "0h"])
def test_a_moment_that_has_passed_is_refused(said: str) -> None:
    with pytest.raises(Invalid, match="has passed"):
        parse_until(said, NOW)
