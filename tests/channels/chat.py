"""A scripted customer, and a chat server to talk to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cairnloop_engine import Engine
from cairnloop_engine.channels.widget.config import WidgetConfig
from cairnloop_engine.channels.widget.ports import WidgetVerifier
from cairnloop_engine.channels.widget.server import WidgetServer
from cairnloop_engine.channels.widget.tokens import mint_token
from cairnloop_engine.channels.widget.verify import verifier_for

SECRET = "a secret that only tests know, 32+"

# Generous: a wait ends when its condition holds, this only bounds a failure.
PATIENCE_S = 30.0

Frame = dict[str, Any]


def token_for(
    customer_ref: str, workspace: str = "default", *, ttl: float = 600, **more: Any
) -> str:
    return mint_token(
        SECRET,
        customer_ref=customer_ref,
        workspace=workspace,
        ttl=timedelta(seconds=ttl),
        **more,
    )


@asynccontextmanager
async def chat_server(
    engine: Engine, *, verifier: WidgetVerifier | None = None, **knobs: Any
) -> AsyncIterator[WidgetServer]:
    """A chat server in this process, on a port of its own."""
    config = replace(WidgetConfig(port=0, secret=SECRET), **knobs)
    async with WidgetServer.of(engine, config, verifier or verifier_for(config)) as server:
        yield server


def socket_url(server: WidgetServer) -> str:
    return f"ws://127.0.0.1:{server.port}/ws"


@dataclass
class Customer:
    """One socket of one customer."""

    socket: ClientConnection
    frames: list[Frame] = field(default_factory=list)

    async def say(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def hello(self, token: str, **more: Any) -> Frame:
        await self.say(type="hello", v=1, token=token, **more)
        return await self.hear("welcome", "refused")

    async def write(self, text: str, client_id: str = "c1") -> Frame:
        """Send a message; returns its answer."""
        await self.say(type="message", client_id=client_id, text=text)
        return await self.hear("accepted", "refused")

    async def hear(self, *types: str) -> Frame:
        """The next frame of one of these types."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame: Frame = json.loads(await self.socket.recv())
                self.frames.append(frame)
                if frame["type"] in types:
                    return frame

    async def texts(self, count: int) -> list[str]:
        """The texts of the next so many messages."""
        return [(await self.hear("message"))["text"] for _ in range(count)]

    async def nothing_more(self) -> None:
        """What was sent before this ping's answer is all there was: no message among it."""
        before = len(self.frames)
        await self.say(type="ping")
        await self.hear("pong")
        stray = [frame for frame in self.frames[before:] if frame["type"] == "message"]
        assert stray == []

    async def closed(self) -> int:
        """The close code, once the server has closed the socket."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    self.frames.append(json.loads(await self.socket.recv()))
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else 1006

    @property
    def refusals(self) -> list[str]:
        return [frame["code"] for frame in self.frames if frame["type"] == "refused"]


@asynccontextmanager
async def customer(server: WidgetServer, **options: Any) -> AsyncIterator[Customer]:
    """A socket that has not said hello."""
    async with connect(socket_url(server), compression=None, **options) as socket:
        yield Customer(socket)


@asynccontextmanager
async def welcomed(
    server: WidgetServer, customer_ref: str = "ada", **hello: Any
) -> AsyncIterator[Customer]:
    """A socket after its welcome."""
    async with customer(server) as one:
        answer = await one.hello(token_for(customer_ref), **hello)
        assert answer["type"] == "welcome", answer
        yield one
