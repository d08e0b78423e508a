"""What becomes of old gap events: once a day they are pruned, in bounded steps."""

from __future__ import annotations

import logging
from datetime import timedelta

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.jobs import Sweep
from cairnloop_engine.retrieval import gap_queries

log = logging.getLogger(__name__)

PRUNE_EVERY = timedelta(days=1)
# Rows in one statement, and statements in one sweep: the next day goes on where this one stops.
BATCH = 1_000
MOST_ROUNDS = 500


def sweeps(db: Database, *, retention: timedelta) -> list[Sweep]:
    async def forget_old_gaps() -> None:
        await prune(db, retention)

    return [Sweep("prune gap events", PRUNE_EVERY, forget_old_gaps)]


async def prune(db: Database, retention: timedelta, *, batch: int = BATCH) -> int:
    """Delete the events that occurred longer ago than this; returns how many went."""
    pruned = 0
    for _ in range(MOST_ROUNDS):
        async with db.work(Caller.system("retention")) as work:
            gone = await gap_queries.prune(work, before=work.now - retention, limit=batch)
        pruned += gone
        if gone < batch:
            break
    if pruned:
        log.info("pruned gap events", extra={"count": pruned})
    return pruned
