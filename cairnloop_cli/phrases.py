"""How durations, dates and words read in the output for people."""

from __future__ import annotations

from datetime import UTC, datetime

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def duration(seconds: float | None) -> str:
    """``3d 4h``, ``12m``, ``8s``: the two largest units; a dash for nothing."""
    if seconds is None:
        return "-"
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in _STEPS:
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):
            parts.append(f"{count}{unit}")
        if len(parts) == 2:
            break
    shown = [part for part in parts if not part.startswith("0")]
    return " ".join(shown) or "0s"


def at(when: datetime | None) -> str:
    """A date to the minute, in UTC; a dash for nothing."""
    return "-" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 message``, ``3 messages``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def or_dash(text: str | None) -> str:
    return text or "-"
