"""Every SQL statement about gap events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import GapEventId
from cairnloop_engine.core.tables import UtcTime
from cairnloop_engine.retrieval.tables import GapEventRow

# What two reports of the same event have in common.
_SAME = (GapEventRow.workspace, GapEventRow.dedupe_key)


@dataclass(frozen=True, slots=True)
class GapPosition:
    """Where a page of gap events begins: after this moment and id."""

    last_seen_at: datetime
    id: int


async def insert_once(work: Work, **values: Any) -> GapEventId | None:
    """A new event; None when one with this key is there already."""
    found = await work.session.scalar(
        insert(GapEventRow)
        .values(workspace=work.workspace, occurrences=1, inserted_at=work.now, **values)
        .on_conflict_do_nothing(index_elements=_SAME)
        .returning(GapEventRow.id)
    )
    return None if found is None else GapEventId(found)


async def close_window(work: Work, dedupe_key: str, *, opened_until: datetime) -> None:
    """Let the next report of this key begin an event of its own, if this one is that old.

    The older event keeps its row under a key that nobody asks for. Of two transactions that do
    this at once the second waits, and then finds nothing left to do.
    """
    await work.session.execute(
        update(GapEventRow)
        .where(
            GapEventRow.workspace == work.workspace,
            GapEventRow.dedupe_key == dedupe_key,
            GapEventRow.occurred_at <= opened_until,
        )
        .values(dedupe_key=func.concat(GapEventRow.dedupe_key, "@", GapEventRow.id))
    )


async def insert_or_count(work: Work, **values: Any) -> GapEventId:
    """A new event, or one more occurrence of the one that has this key."""
    statement = insert(GapEventRow).values(
        workspace=work.workspace, occurrences=1, inserted_at=work.now, **values
    )
    found = await work.session.execute(
        statement.on_conflict_do_update(
            index_elements=_SAME,
            set_={
                "occurrences": GapEventRow.occurrences + 1,
                "last_seen_at": func.greatest(
                    GapEventRow.last_seen_at, statement.excluded.last_seen_at
                ),
            },
        ).returning(GapEventRow.id)
    )
    return GapEventId(found.scalar_one())


async def recent(read: Read, *, after: GapPosition | None, limit: int) -> Sequence[GapEventRow]:
    """A page of events, the one seen last first."""
    place = tuple_(GapEventRow.last_seen_at, GapEventRow.id)
    statement = select(GapEventRow).where(GapEventRow.workspace == read.workspace)
    if after is not None:
        start = tuple_(literal(after.last_seen_at, UtcTime), literal(after.id))
        statement = statement.where(place < start)
    found = await read.session.scalars(
        statement.order_by(GapEventRow.last_seen_at.desc(), GapEventRow.id.desc()).limit(limit)
    )
    return found.all()


async def prune(work: Work, *, before: datetime, limit: int) -> int:
    """Delete one batch of events of every workspace that occurred before a moment."""
    old = (
        select(GapEventRow.id)
        .where(GapEventRow.occurred_at < before)
        .order_by(GapEventRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = await work.session.execute(
        delete(GapEventRow).where(GapEventRow.id.in_(old)).returning(GapEventRow.id)
    )
    return len(gone.all())
