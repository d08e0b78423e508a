"""A server on loopback that speaks an embeddings interface, and fails as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

DIM = 4


@dataclass
class Reply:
    """One answer. ``body`` None embeds what was asked; ``stalls`` never answers."""

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stalls: bool = False
    hangs_up: bool = False


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


def embedded(texts: list[str]) -> list[dict[str, Any]]:
    """A vector that says of each text how long it is."""
    return [
        {"object": "embedding", "index": position, "embedding": [1.0, float(len(text)), 0.5, 0.25]}
        for position, text in enumerate(texts)
    ]


def data(items: list[dict[str, Any]]) -> Reply:
    # Python writes NaN and Infinity as servers do that forget to look.
    return Reply(body=json.dumps({"object": "list", "data": items}).encode())


class Provider:
    """Answers with the replies in turn, the last one for ever; keeps what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [Reply()]
        self.asked: list[Request] = []
        self.url = ""
        self.answering: Callable[[Request], Reply] | None = None
        self._stalled = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (h.partition(":") for h in head[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(head[0].split(" ")[1], headers, json.loads(body))
        self.asked.append(request)
        reply = self._reply(request)
        if reply.stalls:
            await self._stalled.wait()
        if reply.hangs_up or reply.stalls:
            return False
        content = reply.body
        if content is None:
            content = json.dumps({"data": embedded(request.body["input"])}).encode()
        told = {"content-length": str(len(content)), **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Told", *(f"{k}: {v}" for k, v in told.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()
        return True

    def _reply(self, request: Request) -> Reply:
        if self.answering is not None:
            return self.answering(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def let_go(self) -> None:
        self._stalled.set()


@asynccontextmanager
async def serving() -> AsyncIterator[Provider]:
    """A provider on a free port of this machine."""
    provider = Provider()
    server = await asyncio.start_server(provider.handle, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield provider
    finally:
        provider.let_go()
        server.close()
        await server.wait_closed()
