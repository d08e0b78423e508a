"""Reading a moment as people say it: ``2h``, ``tomorrow 9:00``, an ISO date; pure."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from cairnloop_engine.core.errors import Invalid

EXAMPLES = "2h, 30m, 3d, tomorrow 9:00, mon 14:00, 2026-06-05 14:00"
# Whoever names a day without an hour means its morning.
MORNING = time(9)
_SPAN = re.compile(r"(?:in )?(\d{1,4}) ?(m|min|h|d|w)", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_until(said: str, now: datetime) -> datetime | None:
    """The moment that was meant, in the reader's own time zone; None for nothing.

    Raises:
        Invalid: ``until_unclear``, or ``until_past`` for a moment that has passed.
    """
    words = " ".join(said.split()).casefold()
    if not words:
        return None
    here = now.astimezone()
    found = _span(words, here) or _day_and_clock(words, here) or _iso(words, here)
    if found is None:
        raise Invalid("until_unclear", f"When is that? Say it like one of these: {EXAMPLES}.")
    if found <= now:
        raise Invalid("until_past", "That moment has passed; name one that is still to come.")
    return found


def _span(words: str, here: datetime) -> datetime | None:
    match = _SPAN.fullmatch(words)
    if match is None:
        return None
    return here + timedelta(**{_UNITS[match[2]]: int(match[1])})


def _day_and_clock(words: str, here: datetime) -> datetime | None:
    first, _, rest = words.partition(" ")
    day = _day(first, here)
    if day is None:
        clock = _clock(words)
        if clock is None:
            return None
        today = _at(here.date(), clock, here)
        return today if today > here else _at(here.date() + timedelta(days=1), clock, here)
    clock = _clock(rest) if rest else MORNING
    return None if clock is None else _at(day, clock, here)


def _day(word: str, here: datetime) -> date | None:
    if word in ("today", "tomorrow"):
        return here.date() + timedelta(days=int(word == "tomorrow"))
    if word[:3] in _DAYS and word.isalpha():
        ahead = (_DAYS.index(word[:3]) - here.weekday() - 1) % 7 + 1
        return here.date() + timedelta(days=ahead)
    return None


def _clock(words: str) -> time | None:
    match = _CLOCK.fullmatch(words)
    if match is None or ":" not in words:
        return None
    hour, minute = int(match[1]), int(match[2])
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _at(day: date, clock: time, here: datetime) -> datetime:
    return datetime.combine(day, clock).replace(tzinfo=None).astimezone()


def _iso(words: str, here: datetime) -> datetime | None:
    try:
        found = datetime.fromisoformat(words.upper())
    except ValueError:
        return None
    if len(words) == len("2026-06-05"):
        found = datetime.combine(found.date(), MORNING)
    return found if found.tzinfo is not None else found.astimezone()
