"""What the console said to the operator: the line that is shown, and the log of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairnloop_tui.theme.tokens import Tone

MOST_KEPT = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence to the operator. ``lasting`` ones stay until the operator does something."""

    text: str
    tone: Tone
    at: datetime
    lasting: bool = False


class Notices:
    """All notices of this run, oldest first, and the one that is on the status line."""

    def __init__(self) -> None:
        self.log: list[Notice] = []
        self.shown: Notice | None = None

    def say(self, notice: Notice) -> None:
        self.log = [*self.log, notice][-MOST_KEPT:]
        self.shown = notice

    def settle(self) -> bool:
        """The operator went on; says whether the line changed."""
        had = self.shown is not None
        self.shown = None
        return had

    def fade(self, notice: Notice) -> bool:
        """Time passed since ``notice``; a lasting one waits for the operator."""
        if self.shown is not notice or notice.lasting:
            return False
        self.shown = None
        return True
