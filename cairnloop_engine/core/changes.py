"""The live feed: which rows changed, as told by Postgres, with a poll for what got lost.

A change carries a kind and an id, never content: whoever hears of it reads again through a
facade. After every reconnect, and regularly while LISTEN is not possible, the feed says
"resync", which means: assume that you missed something and reload.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any

import psycopg

from cairnloop_engine.core.database import CHANGES_CHANNEL

log = logging.getLogger(__name__)

Connect = Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]

RESYNC = "resync"
# Past this many waiting changes one "reload everything" is cheaper for everybody.
MOST_WAITING = 2000
LONGEST_PAUSE_S = 5.0
# How often a silent connection is asked whether it is still there.
HEARTBEAT_S = 10.0


class FeedState(StrEnum):
    """How fresh the feed is; shown to people."""

    LIVE = "live"
    POLLING = "polling"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Change:
    """Something changed. Kind "resync" with id 0 means: reload."""

    workspace: str
    kind: str
    id: int


class ChangeFeed:
    """An endless asynchronous iterator of changes; survives the database going away.

    Use it as ``async with feed: async for change in feed: …``. ``workspace`` None hears all.
    With ``connect`` None (behind a transaction pooler) it only polls.
    """

    def __init__(
        self, connect: Connect | None, *, workspace: str | None, poll_interval: float = 15.0
    ) -> None:
        self._connect = connect
        self._workspace = workspace
        self._poll_interval = poll_interval
        self._waiting: dict[Change, None] = {}
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.state = FeedState.OFFLINE

    async def __aenter__(self) -> ChangeFeed:
        follow = self._follow() if self._connect is not None else self._poll()
        self._task = asyncio.create_task(follow, name="change feed")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def __aiter__(self) -> ChangeFeed:
        return self

    async def __anext__(self) -> Change:
        while not self._waiting:
            self._something.clear()
            await self._something.wait()
        change = next(iter(self._waiting))
        del self._waiting[change]
        return change

    def _put(self, change: Change) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            change = self._resync()
        self._waiting[change] = None
        self._something.set()

    def _resync(self) -> Change:
        return Change(self._workspace or "", RESYNC, 0)

    async def _poll(self) -> None:
        self.state = FeedState.POLLING
        while True:
            self._put(self._resync())
            await asyncio.sleep(self._poll_interval)

    async def _follow(self) -> None:
        pause = 0.1
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                log.info("change feed lost its connection: %s", type(error).__name__)
            pause = 0.1 if self.state is FeedState.LIVE else min(LONGEST_PAUSE_S, pause * 2)
            self.state = FeedState.OFFLINE
            # Readers learn of the outage by reading; the next resync ends it.
            self._put(self._resync())
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads reconnects

    async def _listen(self) -> None:
        if self._connect is None:
            return
        connection = await self._connect()
        try:
            await connection.execute(f'LISTEN "{CHANGES_CHANNEL}"')
            self.state = FeedState.LIVE
            self._put(self._resync())
            while True:
                async for notification in connection.notifies(timeout=HEARTBEAT_S):
                    self._hear(notification.payload)
                # A dead peer is only noticed by talking to it.
                await connection.execute("SELECT 1")
        finally:
            await connection.close()

    def _hear(self, payload: str) -> None:
        try:
            told = json.loads(payload)
            workspace = str(told["w"])
            changes = [Change(workspace, str(kind), int(row_id)) for kind, row_id in told["c"]]
        except (ValueError, KeyError, TypeError):
            log.warning("a notification was not understood; reloading instead")
            changes = [self._resync()]
        for change in changes:
            if self._workspace in (None, change.workspace):
                self._put(change)
