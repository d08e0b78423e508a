"""How much of a paged list is loaded and what to ask for next; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from cairnloop_engine.core.paging import Page

T = TypeVar("T")

PAGE_SIZE = 100
# One reload stays one statement; what lies further down is loaded again when scrolled to.
MOST_RELOADED = 500


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """The rows loaded so far, in order, and the cursor of what follows."""

    items: tuple[T, ...] = ()
    next: str | None = None
    known: bool = False

    @property
    def has_more(self) -> bool:
        return self.next is not None

    def reload_limit(self) -> int:
        """How many rows a refresh should fetch so that nothing on screen disappears."""
        return min(max(len(self.items), PAGE_SIZE), MOST_RELOADED)

    def reloaded(self, page: Page[T]) -> Loaded[T]:
        return Loaded(page.items, page.next, known=True)

    def extended(self, page: Page[T], key_of: Callable[[T], int]) -> Loaded[T]:
        """With one more page at the end; a row that moved down meanwhile is not listed twice."""
        have = {key_of(item) for item in self.items}
        fresh = tuple(item for item in page.items if key_of(item) not in have)
        return replace(self, items=self.items + fresh, next=page.next)
