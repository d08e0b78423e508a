"""Where a command was called: the application, the screen before the operator, and a count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cairnloop_tui.app import ConsoleApp
    from cairnloop_tui.frame import ConsoleScreen

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Context:
    """One call of a command."""

    app: ConsoleApp
    screen: ConsoleScreen[Any]
    count: int | None = None

    @property
    def times(self) -> int:
        """The count, or once."""
        return self.count or 1

    def on(self, screen_type: type[S]) -> S:
        """The screen, known to be of this type because the command's scope says so."""
        assert isinstance(self.screen, screen_type)
        return self.screen
