"""The marked rows of a list, by key; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

K = TypeVar("K", bound=int | str)


@dataclass(frozen=True, slots=True)
class Marks(Generic[K]):
    """Which rows are marked, and where the range that is being drawn began."""

    keys: frozenset[K] = frozenset()
    anchor: K | None = None
    before_range: frozenset[K] = frozenset()

    def __contains__(self, key: object) -> bool:
        return key in self.keys

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def in_range(self) -> bool:
        return self.anchor is not None

    def toggled(self, key: K) -> Marks[K]:
        return Marks(self.keys ^ {key})

    def range_from(self, key: K) -> Marks[K]:
        """Begin a range at ``key``; it follows the cursor until ended."""
        return Marks(self.keys | {key}, anchor=key, before_range=self.keys)

    def reaching(self, key: K, order: Sequence[K]) -> Marks[K]:
        """The range drawn on to ``key``; without a range, or out of sight of it, unchanged."""
        if self.anchor is None or self.anchor not in order or key not in order:
            return self
        ends = sorted((order.index(self.anchor), order.index(key)))
        return replace(self, keys=self.before_range | set(order[ends[0] : ends[1] + 1]))

    def range_ended(self) -> Marks[K]:
        return Marks(self.keys)

    def all_of(self, order: Iterable[K]) -> Marks[K]:
        return Marks(self.keys | set(order))

    def inverted(self, order: Iterable[K]) -> Marks[K]:
        return Marks(self.keys ^ set(order))

    def kept(self, present: Iterable[K]) -> Marks[K]:
        """Without the rows that left the list."""
        there = frozenset(present)
        anchor = self.anchor if self.anchor in there else None
        return Marks(self.keys & there, anchor, self.before_range & there)

    def in_order(self, order: Iterable[K]) -> tuple[K, ...]:
        return tuple(key for key in order if key in self.keys)
