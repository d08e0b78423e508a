"""The audit slice as an edge sees it."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.audit import reads
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.audit.reads import AuditEvent
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.paging import Page


@dataclass(frozen=True, slots=True)
class Audit:
    """Reads the trail; nothing outside the engine can write it."""

    db: Database

    async def events(
        self,
        caller: Caller,
        *,
        filter: AuditFilter = AuditFilter(),  # noqa: A002, B008 - a frozen value; the word of the CLI
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[AuditEvent]:
        """A page of events, newest first."""
        async with self.db.read(caller) as read:
            return await reads.events(read, filter, cursor=cursor, limit=limit)
