"""The console's hold on the engine: who works, in which workspace, and whether they may write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from cairnloop_engine import Caller, Engine

EngineSource = Callable[[], AbstractAsyncContextManager[Engine]]

NO_OPERATOR = (
    "Read-only: no operator is named, so nothing can be changed. "
    "Start with --operator NAME or set CAIRNLOOP_OPERATOR."
)
ASKED_READ_ONLY = "Read-only: the console was started with --read-only."


class Session:
    """Opens the engine once and hands it to whoever asks, as soon as it is there."""

    def __init__(
        self,
        source: EngineSource,
        *,
        operator: str | None,
        workspace: str,
        read_only: bool,
        hold_s: float,
    ) -> None:
        self.caller = Caller.operator(operator, workspace)
        self.hold_s = hold_s
        self._source = source
        self._read_only = read_only
        self._opened: Engine | None = None
        self._is_open = asyncio.Event()
        self._closing = asyncio.Event()

    @property
    def operator(self) -> str | None:
        return self.caller.actor.id if self.caller.actor else None

    @property
    def workspace(self) -> str:
        return self.caller.workspace

    @property
    def read_only_reason(self) -> str | None:
        """Why nothing may be changed from here, or None."""
        if self._read_only:
            return ASKED_READ_ONLY
        return None if self.operator else NO_OPERATOR

    async def hold_open(self) -> None:
        """Keep the engine open until :meth:`close`; raises what opening raises."""
        async with self._source() as engine:
            self._opened = engine
            self._is_open.set()
            await self._closing.wait()
            self._is_open.clear()
            self._opened = None

    def close(self) -> None:
        self._closing.set()

    async def engine(self) -> Engine:
        """The engine, once it is open."""
        await self._is_open.wait()
        assert self._opened is not None
        return self._opened
