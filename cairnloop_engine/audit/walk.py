"""Following the chain link by link, and saying what is wrong with the first bad row.

No IO in this module: it is handed seals and events in order, as many as fit in memory.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cairnloop_engine.audit.chain import ChainKeys, digest
from cairnloop_engine.audit.model import ACTOR, OLD_MARK, Fault, FirstBad, Seal, StoredEvent
from cairnloop_engine.core.errors import JsonValue

# No event has such an id, so that none can hide below the first one.
BEFORE_ALL = -(2**63)


@dataclass(slots=True)
class Walk:
    """Where the walk stands. ``outside`` holds the heads that were written down elsewhere."""

    keys: ChainKeys
    outside: Mapping[int, str]
    number: int
    chain_hash: bytes
    # Up to here older releases wrote, without marks.
    unmarked_to: int
    event_id: int = BEFORE_ALL
    forgotten: int = 0

    def step(
        self,
        seals: Sequence[Seal],
        events: Sequence[StoredEvent],
        erased: Mapping[int, Collection[str]],
    ) -> FirstBad | None:
        """Check the next seals against the events of their range; None when all is as sealed.

        ``events`` are those after the last one checked up to the last of these seals, and may be
        cut off after one more than there are seals. ``erased`` names the fields of each event
        whose forgetting is on record.
        """
        left = iter(events)
        for seal in seals:
            if seal.number != self.number + 1:
                return self._torn(seal, next(left, None))
            fault = self._link(seal) or self._row(seal, next(left, None), erased)
            if fault is not None:
                return fault
            self.number, self.chain_hash = seal.number, seal.chain_hash
            self.event_id = seal.event_id
        return None

    def _link(self, seal: Seal) -> FirstBad | None:
        expected = self.keys.chain_hash(self.chain_hash, seal)
        if not hmac.compare_digest(expected, seal.chain_hash):
            return _bad(seal, Fault.CHAIN, "its seal is not the one that was made for it")
        noted = self.outside.get(seal.number)
        if noted is not None and noted != seal.chain_hash.hex():
            return _bad(seal, Fault.HEAD, "the head written down outside the database differs")
        return None

    def _row(
        self, seal: Seal, event: StoredEvent | None, erased: Mapping[int, Collection[str]]
    ) -> FirstBad | None:
        if event is None or event.id > seal.event_id:
            return _bad(seal, Fault.DELETED, "it was sealed, and is gone")
        if event.id < seal.event_id:
            return FirstBad(
                event.id, Fault.INSERTED, None, "it came after its neighbours were sealed"
            )
        wrong = wrong_value(event, erased.get(event.id, ()))
        if wrong is not None:
            return _bad(seal, Fault.CHANGED, wrong)
        if not hmac.compare_digest(self.keys.row_hash(event), seal.row_hash):
            return _bad(seal, Fault.CHANGED, "it does not say what was sealed")
        stranger = self.stranger(event)
        if stranger is not None:
            return FirstBad(event.id, Fault.INSERTED, seal.number, stranger)
        if event.digests.keys() != event.salts.keys():
            self.forgotten += 1
        return None

    def stranger(self, event: StoredEvent) -> str | None:
        """Why this event was not written by a process of this installation; None when it was."""
        if event.mark == OLD_MARK and event.id <= self.unmarked_to:
            return None
        if self.keys.is_ours(event):
            return None
        return "no process with this installation's key wrote it"

    def _torn(self, seal: Seal, event: StoredEvent | None) -> FirstBad:
        missing = seal.number - self.number - 1
        if event is not None and event.id < seal.event_id:
            return FirstBad(
                event.id, Fault.CHAIN, self.number + 1, f"its seal is gone; {missing} are missing"
            )
        return FirstBad(
            seal.event_id,
            Fault.DELETED,
            self.number + 1,
            f"{missing} before it are gone, with their seals",
        )


def missing_values(event: StoredEvent) -> set[str]:
    """The personal values that an event once had and has no longer."""
    return set(event.digests) - set(event.salts)


def wrong_value(event: StoredEvent, erased: Collection[str]) -> str | None:
    """What is wrong with the personal values of an event; None when nothing is."""
    values: dict[str, JsonValue] = dict(event.personal)
    if event.actor_id is not None and ACTOR in event.digests:
        values[ACTOR] = event.actor_id
    if not event.digests.keys() >= event.salts.keys() | values.keys():
        return "it has a personal value that it never had"
    for name, expected in event.digests.items():
        salt = event.salts.get(name)
        if salt is None and name not in values:
            if name not in erased:
                return f"its {name} is gone, and no erasure is on record"
        elif salt is None or name not in values:
            return f"its {name} was dropped by half"
        elif digest(salt, name, values[name]) != expected:
            return f"its {name} is not the one that was sealed"
    return None


def _bad(seal: Seal, what: Fault, detail: str) -> FirstBad:
    return FirstBad(seal.event_id, what, seal.number, detail)
