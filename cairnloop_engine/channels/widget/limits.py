"""How much a visitor may do: token buckets and seats. Pure; the time is an argument.

Both count within one server process. They keep one visitor from starving the others, which is
a matter of this process; nothing about correctness rests on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

# Buckets that are full again say nothing; past this many they are swept.
MOST_BUCKETS = 10_000


@dataclass(slots=True)
class Bucket:
    """Holds up to ``capacity`` tokens and regains ``per_second``."""

    capacity: float
    per_second: float
    level: float
    at: float

    @classmethod
    def full(cls, capacity: float, per_second: float, *, now: float) -> Bucket:
        return cls(capacity, per_second, capacity, now)

    def take(self, now: float) -> float:
        """Take one token. 0 when there was one, otherwise the seconds until there is."""
        self._refill(now)
        if self.level >= 1.0:
            self.level -= 1.0
            return 0.0
        return (1.0 - self.level) / self.per_second

    def is_full(self, now: float) -> bool:
        self._refill(now)
        return self.level >= self.capacity

    def _refill(self, now: float) -> None:
        # A clock that steps back gives nothing and takes nothing.
        elapsed = max(0.0, now - self.at)
        self.level = min(self.capacity, self.level + elapsed * self.per_second)
        self.at = max(self.at, now)


@dataclass(slots=True)
class Rates:
    """One bucket for each customer, made when first needed and forgotten when full."""

    capacity: float
    per_second: float
    buckets: dict[Hashable, Bucket] = field(default_factory=dict)

    def take(self, who: Hashable, *, now: float) -> float:
        """0 when ``who`` may go on, otherwise the seconds to wait."""
        if who not in self.buckets and len(self.buckets) >= MOST_BUCKETS:
            self._forget_full(now)
        bucket = self.buckets.get(who)
        if bucket is None:
            bucket = self.buckets[who] = Bucket.full(self.capacity, self.per_second, now=now)
        return bucket.take(now)

    def _forget_full(self, now: float) -> None:
        self.buckets = {
            who: bucket for who, bucket in self.buckets.items() if not bucket.is_full(now)
        }


@dataclass(slots=True)
class Seats:
    """Who holds a socket open: strangers before their hello, then customers."""

    most: int
    most_each: int
    most_strangers: int
    strangers: int = 0
    seated: Counter[Hashable] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.strangers + self.seated.total()

    def enter(self) -> bool:
        """A new socket; False when the house is full."""
        if self.total >= self.most or self.strangers >= self.most_strangers:
            return False
        self.strangers += 1
        return True

    def sit(self, who: Hashable) -> bool:
        """A stranger turns out to be ``who``; False when they hold too many sockets already."""
        if self.seated[who] >= self.most_each:
            return False
        self.strangers -= 1
        self.seated[who] += 1
        return True

    def leave(self, who: Hashable | None) -> None:
        """A socket closed; ``who`` None is a stranger."""
        if who is None:
            self.strangers -= 1
            return
        self.seated[who] -= 1
        if self.seated[who] <= 0:
            del self.seated[who]
