"""The sealer: chains what was written, a moment after it was written.

Writers insert and go on. The sealer follows them in the order of the ids, which are given out
before the commit: the event with the smaller id may appear after the one with the larger. So it
first asks up to which id any were given out, waits until every transaction that was writing to
the trail at that moment has ended, and seals no further. An id that is missing then belongs to a
transaction that was rolled back.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cairnloop_engine.audit import queries
from cairnloop_engine.audit.chain import ChainKeys
from cairnloop_engine.audit.config import AuditConfig, unfit
from cairnloop_engine.audit.heads import Head, HeadFile
from cairnloop_engine.audit.model import Seal
from cairnloop_engine.audit.walk import BEFORE_ALL
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.errors import Misconfigured

log = logging.getLogger(__name__)

SEALER = Caller.system("sealer")
BATCH = 2_000
# How long one round waits for writers; the next one goes on waiting for the same ones.
PATIENCE_S = 0.5
LOOK_AGAIN_S = 0.02
CHAIN_NAME_BYTES = 32


@dataclass(frozen=True, slots=True)
class Horizon:
    """Ids up to ``last_id`` are decided once all of ``writers`` have ended."""

    last_id: int
    writers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Standing:
    """What one look at the database tells."""

    database: str
    opening: Seal | None
    head: Seal | None
    newest_id: int | None


@dataclass(slots=True)
class Sealer:
    """Runs as a duty of every worker; whoever comes while another one seals stands down."""

    db: Database
    config: AuditConfig
    heads: HeadFile = field(init=False)
    _horizon: Horizon | None = None
    _told: str | None = None
    _remembered: int = 0

    def __post_init__(self) -> None:
        self.heads = HeadFile(Path(self.config.home))

    async def run(self) -> int:
        """Seal what can be sealed now; returns how many events were.

        A host without the right key seals nothing, and says so once.
        """
        standing = await self._look()
        if standing.newest_id is None and standing.opening is None:
            return 0
        try:
            keys = self.config.keys(create=standing.opening is None)
            opening = standing.opening or await self._open(keys)
            if opening is not None and not keys.opened(opening):
                raise unfit()
        except Misconfigured as refusal:
            self._once(refusal.code, f"the audit trail is not sealed here: {refusal.message}")
            return 0
        if opening is None:
            return 0
        sealed = await self._follow(keys, standing)
        if sealed or standing.head is None or standing.head.number != self._remembered:
            await self._remember(standing.database, opening)
        return sealed

    async def _look(self) -> Standing:
        async with self.db.read(SEALER) as read:
            # The head first: where there is one, the first link is found after it.
            head = await queries.head(read)
            return Standing(
                database=await queries.database_name(read),
                opening=await queries.seal(read, 0),
                head=head,
                newest_id=await queries.newest_id(read),
            )

    async def _open(self, keys: ChainKeys) -> Seal | None:
        """Open the chain, or find the one that somebody else opened; None while they do."""
        async with self.db.work(SEALER) as work:
            if await queries.alone(work) and await queries.head(work) is None:
                opening = keys.open(
                    secrets.token_bytes(CHAIN_NAME_BYTES),
                    at=work.now,
                    unmarked_to=await queries.newest_unmarked(work),
                )
                await queries.add_seals(work, [opening])
        async with self.db.read(SEALER) as read:
            return await queries.seal(read, 0)

    async def _follow(self, keys: ChainKeys, standing: Standing) -> int:
        """Seal batch after batch up to an id below which nothing can appear any more."""
        after = standing.head.event_id if standing.head and standing.head.number else BEFORE_ALL
        if standing.newest_id is None or standing.newest_id <= after:
            return 0
        last_id = await self._decided()
        if last_id is None:
            return 0
        total = 0
        while True:
            sealed = await self._seal(keys, last_id)
            total += sealed
            if sealed < BATCH:
                return total

    async def _decided(self) -> int | None:
        """The largest id that is settled, with all below it; None when writers take their time."""
        waiting = self._horizon or await self._mark()
        for _ in range(max(1, int(PATIENCE_S / LOOK_AGAIN_S))):
            if not waiting.writers:
                break
            await asyncio.sleep(LOOK_AGAIN_S)
            async with self.db.read(SEALER) as read:
                still = await queries.writers(read)
            waiting = Horizon(waiting.last_id, waiting.writers & still)
        self._horizon = waiting if waiting.writers else None
        return None if waiting.writers else waiting.last_id

    async def _mark(self) -> Horizon:
        """The order matters: whoever took an id up to this one held its lock before."""
        async with self.db.read(SEALER) as read:
            last_id = await queries.given_out(read)
            return Horizon(last_id, await queries.writers(read))

    async def _seal(self, keys: ChainKeys, last_id: int) -> int:
        async with self.db.work(SEALER) as work:
            if not await queries.alone(work):
                return 0
            previous = await queries.head(work)
            if previous is None:
                return 0
            after = previous.event_id if previous.number else BEFORE_ALL
            events = await queries.stored(work, after_id=after, up_to_id=last_id, limit=BATCH)
            made: list[Seal] = []
            for event in events:
                previous = keys.seal(previous, event, at=work.now)
                made.append(previous)
            if made:
                await queries.add_seals(work, made)
            return len(made)

    async def _remember(self, database: str, opening: Seal) -> None:
        """Write the newest head down outside the database, unless it contradicts what is there."""
        known = [
            head
            for head in await asyncio.to_thread(self.heads.read)
            if (head.database, head.chain) == (database, opening.row_hash.hex())
        ]
        async with self.db.read(SEALER) as read:
            newest = await queries.head(read)
            at_last = await queries.seal(read, known[-1].count) if known else None
            now = read.now
        if newest is None or newest.number == 0:
            return
        if known and (at_last is None or at_last.chain_hash.hex() != known[-1].head):
            self._once(
                "audit_head",
                "the audit chain is not the one whose head was written down here."
                " Run `cairnloop audit verify`.",
            )
            return
        self._remembered = newest.number
        if known and known[-1].count >= newest.number:
            return
        try:
            await asyncio.to_thread(self.heads.append, _head(database, opening, newest, now))
        except OSError as error:
            self._once(
                "audit_head_unwritable",
                "the head of the audit chain is in the log alone: the home folder cannot be"
                f" written ({type(error).__name__})",
            )
        log.info(
            "audit chain sealed",
            extra={"count": newest.number, "ref": newest.chain_hash.hex(), "to": newest.event_id},
        )

    def _once(self, code: str, message: str) -> None:
        if self._told != code:
            log.error(message, extra={"code": code})
            self._told = code


def _head(database: str, opening: Seal, newest: Seal, now: datetime) -> Head:
    return Head(
        at=now.isoformat(timespec="milliseconds"),
        database=database,
        chain=opening.row_hash.hex(),
        count=newest.number,
        last_id=newest.event_id,
        head=newest.chain_hash.hex(),
    )
