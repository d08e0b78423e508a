"""Verifying the trail: the whole chain, batch by batch, beside writers that go on writing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic

from cairnloop_engine.audit import queries
from cairnloop_engine.audit.chain import ChainKeys, row_text
from cairnloop_engine.audit.config import AuditConfig, nobodys_keys, unfit
from cairnloop_engine.audit.heads import Head, HeadFile, newest_by_chain
from cairnloop_engine.audit.model import (
    Fault,
    FirstBad,
    OutsideHead,
    Seal,
    StoredEvent,
    Verification,
)
from cairnloop_engine.audit.walk import BEFORE_ALL, Walk, missing_values
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database

BATCH = 1_000
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Start:
    """What was there when the verification began; the file was read before the database."""

    outside: list[Head]
    database: str
    opening: Seal | None
    head: Seal | None

    @property
    def chain(self) -> str | None:
        return None if self.opening is None else self.opening.row_hash.hex()

    @property
    def heads(self) -> list[Head]:
        """What was written down of this chain."""
        return [head for head in self._of_this_database() if head.chain == self.chain]

    @property
    def lost(self) -> Head | None:
        """Another chain of this same database, which was never closed."""
        newest = newest_by_chain(self._of_this_database())
        return next((one for one in newest if one.chain != self.chain and not one.closed), None)

    def _of_this_database(self) -> list[Head]:
        return [head for head in self.outside if head.database == self.database]


async def verify(db: Database, config: AuditConfig, caller: Caller) -> Verification:
    """Walk the chain from its first link and stop at the first row that is not as sealed.

    Raises:
        Misconfigured: ``install_key_missing``, ``install_key_unfit`` and whatever the key raises.
    """
    began = monotonic()
    start = await _start(db, config, caller)
    walk: Walk | None = None
    if start.opening is not None:
        keys = config.keys()
        if not keys.opened(start.opening):
            raise unfit()
        walk = _walk(keys, start)
        bad = await _follow(db, caller, walk, start)
    else:
        bad = _without_opening(start)
    bad = bad or _beyond(start) or await _strangers(db, config, caller, start)
    async with db.read(caller) as read:
        unsealed, _ = await queries.unsealed(read, after_id=_end(start))
    return Verification(
        ok=bad is None,
        first_bad=bad,
        sealed=start.head.number if start.head else 0,
        unsealed=unsealed,
        forgotten=walk.forgotten if walk else 0,
        chain=start.chain,
        head=start.head.chain_hash.hex() if start.head else None,
        last_id=start.head.event_id if start.head and start.head.number else None,
        outside_head=_outside(start, bad),
        seconds=monotonic() - began,
    )


async def check_tail(db: Database, config: AuditConfig, caller: Caller, *, length: int) -> bool:
    """Whether the newest links hold, and the head agrees with what was written down outside."""
    start = await _start(db, config, caller)
    if start.opening is None or start.head is None:
        return _without_opening(start) is None
    keys = config.keys()
    walk = _walk(keys, start)
    first = max(0, start.head.number - length)
    if first:
        async with db.read(caller) as read:
            before = await queries.seal(read, first)
        if before is None:
            return False
        walk.number, walk.chain_hash = before.number, before.chain_hash
        walk.event_id = before.event_id
    return (await _follow(db, caller, walk, start) or _beyond(start)) is None


async def end_chain(db: Database, config: AuditConfig) -> None:
    """Close, in the outside file, every chain of this database."""
    async with db.read(Caller.system("audit")) as read:
        database, now = await queries.database_name(read), read.now
    await asyncio.to_thread(HeadFile(config.home).close, database, at=now)


async def _start(db: Database, config: AuditConfig, caller: Caller) -> Start:
    outside = await asyncio.to_thread(HeadFile(config.home).read)
    async with db.read(caller) as read:
        # The head first: where there is one, the first link is found after it.
        head = await queries.head(read)
        return Start(
            outside=outside,
            database=await queries.database_name(read),
            opening=await queries.seal(read, 0),
            head=head,
        )


def _walk(keys: ChainKeys, start: Start) -> Walk:
    opening = start.opening
    if opening is None:
        raise ValueError("a walk needs a first link")
    outside = {head.count: head.head for head in start.heads if not head.closed}
    return Walk(keys, outside, opening.number, opening.chain_hash, -opening.event_id)


async def _follow(db: Database, caller: Caller, walk: Walk, start: Start) -> FirstBad | None:
    last = start.head.number if start.head else 0
    while walk.number < last:
        async with db.read(caller) as read:
            seals = await queries.seals(read, after=walk.number, up_to=last, limit=BATCH)
            events = await queries.stored(
                read,
                after_id=walk.event_id,
                up_to_id=seals[-1].event_id if seals else walk.event_id,
                limit=len(seals) + 1,
            )
            missing = [event for event in events if missing_values(event)]
            erased = await queries.erased(read, missing)
        if not seals:
            return FirstBad(walk.event_id, Fault.CHAIN, walk.number, "the seals after it are gone")
        bad = walk.step(seals, events, erased)
        if bad is not None:
            return await _moved(db, caller, walk.keys, bad)
    return None


async def _moved(db: Database, caller: Caller, keys: ChainKeys, bad: FirstBad) -> FirstBad:
    """A changed row that holds exactly what was sealed under another id was put in its place."""
    if bad.what is not Fault.CHANGED:
        return bad
    async with db.read(caller) as read:
        found = await queries.stored(
            read, after_id=bad.event_id - 1, up_to_id=bad.event_id, limit=1
        )
    other = await _belongs_to(db, caller, keys, found[0]) if found else None
    if other is None:
        return bad
    async with db.read(caller) as read:
        there = await queries.stored(
            read, after_id=other.event_id - 1, up_to_id=other.event_id, limit=1
        )
    if there and keys.row_hash(there[0]) == other.row_hash:
        return bad
    detail = f"it holds what was sealed as event {other.event_id}"
    return FirstBad(bad.event_id, Fault.REORDERED, bad.number, detail)


async def _belongs_to(
    db: Database, caller: Caller, keys: ChainKeys, event: StoredEvent
) -> Seal | None:
    """The seal, of another event, that this content was sealed with."""
    text, after = row_text(event), 0
    while True:
        async with db.read(caller) as read:
            seals = await queries.seals(read, after=after, up_to=LARGEST_ID, limit=BATCH)
        for seal in seals:
            if seal.row_hash == keys.hash_at(seal.event_id, text):
                return None if seal.event_id == event.id else seal
        if len(seals) < BATCH:
            return None
        after = seals[-1].number


async def _strangers(
    db: Database, config: AuditConfig, caller: Caller, start: Start
) -> FirstBad | None:
    """The first event after the sealed ones, or the first copy, that none of us wrote."""
    opening, after = start.opening, _end(start)
    # Before the chain is open nothing says where the events of older releases end.
    unmarked_to = LARGEST_ID if opening is None else -opening.event_id
    keyless = opening is None and not config.has_key()
    walk = Walk(nobodys_keys() if keyless else config.keys(), {}, 0, b"", unmarked_to)
    while True:
        async with db.read(caller) as read:
            events = await queries.stored(read, after_id=after, up_to_id=LARGEST_ID, limit=BATCH)
        for event in events:
            why = walk.stranger(event)
            if why is not None:
                return FirstBad(event.id, Fault.INSERTED, None, why)
        if len(events) < BATCH:
            break
        after = events[-1].id
    async with db.read(caller) as read:
        copy = await queries.copied(read)
    if copy is None:
        return None
    return FirstBad(copy, Fault.INSERTED, None, "it is a copy of an earlier event")


def _without_opening(start: Start) -> FirstBad | None:
    """No first link: fine as long as there never was a chain."""
    if start.head is not None:
        return FirstBad(start.head.event_id, Fault.CHAIN, 0, "the first link of the chain is gone")
    return None


def _beyond(start: Start) -> FirstBad | None:
    """What was written down outside the database, and is no longer in it."""
    if start.lost is not None:
        gone = start.lost
        return FirstBad(
            gone.last_id,
            Fault.HEAD,
            gone.count,
            f"a chain of {gone.count} events that was written down outside is gone",
        )
    last = start.head.number if start.head else 0
    beyond = sorted((one.count, one.last_id) for one in start.heads if one.count > last)
    if not beyond:
        return None
    count, last_id = beyond[0]
    return FirstBad(
        last_id,
        Fault.HEAD,
        count,
        f"the chain ends after {last} events, and had {beyond[-1][0]} by the outside head",
    )


def _outside(start: Start, bad: FirstBad | None) -> OutsideHead:
    if bad is not None and bad.what is Fault.HEAD:
        return OutsideHead.DISAGREES
    return OutsideHead.AGREES if start.heads else OutsideHead.UNKNOWN_HERE


def _end(start: Start) -> int:
    """The last sealed id, wherever a walk stopped before it."""
    return start.head.event_id if start.head and start.head.number else BEFORE_ALL
