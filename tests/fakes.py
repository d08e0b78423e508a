"""Stand-ins for what lies outside the product: time, and the parts that a host brings."""

from __future__ import annotations

from datetime import datetime, timedelta


class FixedClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by
