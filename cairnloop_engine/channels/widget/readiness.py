"""Whether this server can do its work: the database answers, and changes are heard."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from cairnloop_engine.channels.widget.shared import Shared
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.errors import CairnloopError

log = logging.getLogger(__name__)

# Asking costs a query: answers are shared for this long, so that asking cannot be an attack.
FRESH_FOR_S = 1.0
DEADLINE_S = 2.5

# A customer who cannot exist: the probe reads through schema, index and permissions.
PROBE = Caller.customer("readiness probe", "readiness probe")


@dataclass(slots=True)
class Readiness:
    """A cached answer to "are you ready?"."""

    shared: Shared
    _reason: str | None = None
    _until: float = 0.0
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reason(self) -> str | None:
        """Why not; None when ready."""
        async with self._asking:
            if self.shared.now() >= self._until:
                self._reason = await self._ask()
                self._until = self.shared.now() + FRESH_FOR_S
        return self._reason

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self.shared.desk.conversations.customer_conversation(PROBE)
        except CairnloopError as error:
            return error.code
        except TimeoutError:
            return "database_timeout"
        if self.shared.audience.state() == "offline":
            return "changes_offline"
        return None
