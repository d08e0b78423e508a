"""Turns a stream of keys into commands, counts and half-typed prefixes; knows no widget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Keys = tuple[str, ...]
KeyTable = Mapping[Keys, str]

# Four digits move further than any list is long; more is a stuck key or a paste.
MOST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Run:
    """A whole sequence was typed: this command, with this count."""

    command_id: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A count or the start of a sequence was typed; ``rest`` says what may follow."""

    typed: str
    rest: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The key does not continue what was typed before it; everything pending is dropped."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """The key means nothing here and nothing was pending."""


Fed = Run | Waiting | Cancelled | Ignored


class Sequences:
    """The keys typed so far. No time-out ever runs or drops anything."""

    def __init__(self) -> None:
        self._keys: Keys = ()
        self._digits = ""

    @property
    def typed(self) -> str:
        """What is pending, as typed."""
        return self._digits + "".join(self._keys)

    @property
    def pending(self) -> Keys:
        """The keys of the half-typed sequence, without the count."""
        return self._keys

    def feed(self, key: str, table: KeyTable) -> Fed:
        """Take one key in the light of the sequences that exist where the focus is."""
        if self._is_count(key):
            self._digits = (self._digits + key)[:MOST_DIGITS]
            return Waiting(self.typed, {})
        keys = (*self._keys, key)
        command_id = table.get(keys)
        if command_id is not None:
            count = int(self._digits) if self._digits else None
            self.clear()
            return Run(command_id, count)
        rest = {
            sequence[len(keys)]: command
            for sequence, command in table.items()
            if sequence[: len(keys)] == keys
        }
        if rest:
            self._keys = keys
            return Waiting(self.typed, rest)
        was_pending = bool(self.typed)
        self.clear()
        return Cancelled() if was_pending else Ignored()

    def clear(self) -> bool:
        """Drop what is pending; says whether there was anything."""
        was_pending = bool(self.typed)
        self._keys, self._digits = (), ""
        return was_pending

    def _is_count(self, key: str) -> bool:
        if self._keys or len(key) != 1 or not key.isascii() or not key.isdigit():
            return False
        return key != "0" or bool(self._digits)
