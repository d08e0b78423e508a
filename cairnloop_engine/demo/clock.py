"""A clock that the story moves, so that what is loaded happened when the story says."""

from __future__ import annotations

from datetime import datetime


class StoryClock:
    """Stands still between two steps; every transaction takes its time from here."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def set(self, moment: datetime) -> None:
        """Go to a moment of the story, forwards or back."""
        self._now = moment
