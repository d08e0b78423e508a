"""How the chain stands, told without walking all of it: what the doctor asks."""

from __future__ import annotations

from datetime import timedelta

from cairnloop_engine.audit import queries, verifying
from cairnloop_engine.audit.config import AuditConfig, unfit
from cairnloop_engine.audit.model import ChainStatus
from cairnloop_engine.audit.walk import BEFORE_ALL
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.core.installkey import readable_by_others

TAIL = 200


async def chain_status(db: Database, config: AuditConfig, caller: Caller) -> ChainStatus:
    """Sealed and waiting events, the key, and whether the newest links hold."""
    async with db.read(caller) as read:
        head = await queries.head(read)
        opening = await queries.seal(read, 0)
        after = head.event_id if head and head.number else BEFORE_ALL
        waiting, since = await queries.unsealed(read, after_id=after)
        now = read.now
    problem, holds = None, None
    try:
        if opening is not None and not config.keys().opened(opening):
            raise unfit()
        holds = await verifying.check_tail(db, config, caller, length=TAIL)
    except Misconfigured as refusal:
        problem = refusal
    return ChainStatus(
        sealed=head.number if head else 0,
        waiting=waiting,
        lag=max(timedelta(0), now - since) if since else timedelta(0),
        holds=holds,
        problem=problem,
        key_exposed=config.key is None and readable_by_others(config.home),
    )
