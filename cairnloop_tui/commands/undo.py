"""The operator's own last actions and how each is taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Nobody wants to undo further back than a screenful of work.
MOST_REMEMBERED = 50


@dataclass(frozen=True, slots=True)
class Done:
    """Something the operator did. ``inverse`` takes it back; ``why_not`` says why nothing can."""

    said: str
    inverse: Callable[[], None] | None = None
    why_not: str = ""


class UndoLog:
    """Newest last; an action that was taken back is gone from it."""

    def __init__(self) -> None:
        self._done: list[Done] = []

    def add(self, done: Done) -> None:
        self._done = [*self._done, done][-MOST_REMEMBERED:]

    def last(self) -> Done | None:
        return self._done[-1] if self._done else None

    def drop(self, done: Done) -> None:
        self._done = [other for other in self._done if other is not done]
