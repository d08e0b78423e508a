"""The audit slice as an edge sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from cairnloop_engine.audit import labels, reads, status, verifying
from cairnloop_engine.audit.config import AuditConfig
from cairnloop_engine.audit.labels import ActionOption
from cairnloop_engine.audit.model import AuditFilter, ChainStatus, Verification
from cairnloop_engine.audit.reads import AuditEvent, ExportedEvent
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.paging import Page


@dataclass(frozen=True, slots=True)
class Audit:
    """Reads the trail; nothing outside the engine can write it."""

    db: Database
    config: AuditConfig

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

    def actions(self) -> tuple[ActionOption, ...]:
        """The actions that one can filter by, with their words for people."""
        return labels.known_actions()

    def export(
        self,
        caller: Caller,
        *,
        filter: AuditFilter = AuditFilter(),  # noqa: A002, B008 - a frozen value; the word of the CLI
    ) -> AsyncIterator[ExportedEvent]:
        """Every event word for word, newest first, with its hashes."""
        return reads.export(self.db, caller, filter)

    async def verify(self, caller: Caller) -> Verification:
        """Check the whole trail, of every workspace, against its chain and the outside head.

        Raises:
            Misconfigured: ``install_key_missing`` or ``install_key_unfit``.
        """
        return await verifying.verify(self.db, self.config, caller)

    async def chain(self, caller: Caller) -> ChainStatus:
        """How the chain stands, looking at its newest links only."""
        return await status.chain_status(self.db, self.config, caller)

    async def end_chain(self) -> None:
        """Note outside the database that it was emptied on purpose, so that a new chain begins."""
        await verifying.end_chain(self.db, self.config)
