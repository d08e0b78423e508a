"""A trail with a sealer, and somebody who owns the database and means no good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from cairnloop_engine import Caller, Engine
from cairnloop_engine.audit import service
from cairnloop_engine.audit.model import Verification
from cairnloop_engine.audit.sealing import Sealer
from cairnloop_engine.core.errors import JsonValue

MAYA = Caller.operator("maya")


@dataclass(slots=True)
class Vault:
    """An engine's trail, a sealer that runs when told to, and the way around the guards."""

    engine: Engine
    sealer: Sealer
    url: str

    async def record(
        self,
        *,
        action: str = "governance.approved",
        by: Caller = MAYA,
        subject: tuple[str, int] = ("action", 7),
        personal: Mapping[str, JsonValue] | None = None,
        conversation_id: int | None = None,
        **facts: JsonValue,
    ) -> None:
        async with self.engine.db.work(by) as work:
            await service.record(
                work,
                action,
                subject=subject,
                conversation_id=conversation_id,
                personal=personal,
                **facts,
            )

    async def sealed(self, count: int) -> None:
        """A trail of so many sealed events, numbered from 1, each with a reason."""
        for number in range(1, count + 1):
            await self.record(subject=("action", number), personal={"reason": f"reason {number}"})
        assert await self.sealer.run() == count

    async def sealed_so_far(self) -> None:
        """Seal all that was written."""
        await self.sealer.run()
        assert (await self.verify()).unsealed == 0

    async def verify(self) -> Verification:
        return await self.engine.audit.verify(MAYA)

    async def first_bad(self) -> tuple[int, str] | None:
        """Event id and fault of the first bad row."""
        found = await self.verify()
        assert found.ok == (found.first_bad is None)
        bad = found.first_bad
        return None if bad is None else (bad.event_id, bad.what.value)

    def tamper(self, *statements: str) -> None:
        """As the superuser whom no trigger stops; all or nothing."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                connection.execute(statement.encode())

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement.encode()).fetchall()


def vault_of(engine: Engine, url: str) -> Vault:
    return Vault(engine, Sealer(engine.db, engine.audit.config), url)
