"""What the motion keys need from whatever they move through."""

from __future__ import annotations

from typing import Protocol


class Movable(Protocol):
    """A list or a text with a place in it."""

    def move(self, by: int) -> None: ...

    def move_to(self, index: int) -> None: ...

    def move_to_end(self) -> None: ...

    def turn(self, pages: float) -> None:
        """Go on by what is visible, or by part of it."""
        ...

    def place(self) -> str:
        """Where one is, in words for the status line."""
        ...
