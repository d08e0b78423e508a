"""The slice's work in the background: sealing what was written."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from cairnloop_engine.audit.config import AuditConfig
from cairnloop_engine.audit.sealing import Sealer
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.errors import Unavailable
from cairnloop_engine.core.jobs import Sweep

SEAL_EVERY = timedelta(seconds=1)


def sweeps(db: Database, config: AuditConfig) -> list[Sweep]:
    sealer = Sealer(db, config)

    async def seal() -> None:
        # The worker itself says that the database is away; once a second would be noise.
        with suppress(Unavailable):
            await sealer.run()

    # What a drained queue has done is sealed before its worker leaves.
    return [Sweep("seal the audit trail", SEAL_EVERY, seal, after_drain=True)]
