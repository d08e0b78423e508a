"""A customer on the chat's websocket, as the page is one: hello, messages, and what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

VERSION = 1
PATIENCE_S = 20.0

Frame = dict[str, Any]


@dataclass(slots=True)
class Visitor:
    """One open chat socket, and every frame that it has brought."""

    socket: ClientConnection
    frames: list[Frame] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def say(self, client_id: str, text: str) -> Frame:
        """Send a message and wait until the server has taken it, or turned it down.

        Raises:
            TimeoutError: the server said neither.
        """
        before = len(self.frames)
        await self._send({"type": "message", "client_id": client_id, "text": text})
        return await self.until(
            lambda frame: (
                frame["type"] in ("accepted", "refused") and frame.get("client_id") == client_id
            ),
            since=before,
        )

    async def until(self, wanted: Callable[[Frame], bool], *, since: int = 0) -> Frame:
        """The first frame from ``since`` on that is wanted, waiting for it if need be.

        Raises:
            TimeoutError: it did not come.
        """
        async with asyncio.timeout(PATIENCE_S), self.news:
            while True:
                found = next(filter(wanted, self.frames[since:]), None)
                if found is not None:
                    return found
                await self.news.wait()

    async def round_trip(self) -> None:
        """Return once the server has handled everything sent so far."""
        before = len(self.frames)
        await self._send({"type": "ping"})
        await self.until(lambda frame: frame["type"] == "pong", since=before)

    def answers(self) -> list[Frame]:
        """The messages of operators that this socket has brought."""
        return [
            frame
            for frame in self.frames
            if frame["type"] == "message" and frame["role"] == "operator"
        ]

    async def _send(self, frame: Frame) -> None:
        await self.socket.send(json.dumps(frame))


@asynccontextmanager
async def visiting(
    address: str, token: str, *, conversation_id: int | None = None, after: int = 0
) -> AsyncIterator[Visitor]:
    """A visitor who has said hello and was welcomed.

    Raises:
        TimeoutError: nobody welcomed them.
        OSError: nobody listens there.
    """
    async with connect(address, proxy=None, open_timeout=PATIENCE_S) as socket:
        visitor = Visitor(socket)
        reader = asyncio.create_task(_read(visitor))
        try:
            hello: Frame = {"type": "hello", "v": VERSION, "token": token, "after": after}
            if conversation_id is not None:
                hello["conversation_id"] = conversation_id
            await socket.send(json.dumps(hello))
            await visitor.until(lambda frame: frame["type"] == "welcome")
            yield visitor
        finally:
            reader.cancel()


async def _read(visitor: Visitor) -> None:
    try:
        async for raw in visitor.socket:
            async with visitor.news:
                visitor.frames.append(json.loads(raw))
                visitor.news.notify_all()
    except ConnectionClosed:
        # Whoever waits for a frame times out and says so.
        return
