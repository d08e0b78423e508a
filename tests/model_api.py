"""The HTTP interface of a model on loopback: answers as told, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Headers = dict[str, str]


@dataclass(frozen=True)
class Call:
    """One request as it arrived."""

    path: str
    headers: Headers
    body: dict[str, Any]

    @property
    def rules(self) -> str:
        return str(self.body["system"][0]["text"])

    @property
    def prompt(self) -> str:
        """The only message of the request."""
        (message,) = self.body["messages"]
        assert message["role"] == "user"
        return str(message["content"])

    @property
    def asks_for_a_quote(self) -> bool:
        return "You check whether passages answer" in self.rules


@dataclass(frozen=True)
class Response:
    """What is sent back. ``reset`` drops the connection, ``silent`` never answers."""

    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=dict)
    reset: bool = False
    silent: bool = False


def says(text: str, *, stop: str | None = "end_turn", model: str = "claude-test-1") -> Response:
    """A complete answer with one block of text."""
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    return Response(body=json.dumps(message).encode())


def fails(status: int, **headers: str) -> Response:
    """An error as the API words it."""
    told = {"type": "error", "error": {"type": "some_error", "message": "told by the fake"}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, json.dumps(told).encode(), named)


Script = Callable[[Call], Response]


@dataclass
class ModelApi:
    """The fake: where it listens, what it was asked, and what it answers next."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answer: Script = lambda call: says("")

    def quoting(self, quote: str, reply: Response | str) -> None:
        """Answer the question for a quote, and then the one for the reply."""
        worded = says(reply) if isinstance(reply, str) else reply
        self.answer = lambda call: says(quote) if call.asks_for_a_quote else worded

    def failing(self, *first: Response, then: Script | None = None) -> None:
        """Answer the first calls so, and every later one as before or as ``then``."""
        waiting = list(first)
        following = then or self.answer
        self.answer = lambda call: waiting.pop(0) if waiting else following(call)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = await _read(reader)
        if call is None:
            writer.close()
            return
        self.calls.append(call)
        response = self.answer(call)
        if response.silent:
            await reader.read()
        elif not response.reset:
            writer.write(_raw(response))
            await writer.drain()
        if response.reset:
            writer.transport.abort()
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Call | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(first.split(" ")[1], headers, json.loads(body or b"{}"))


def _raw(response: Response) -> bytes:
    headers = {
        "content-type": "application/json",
        "content-length": str(len(response.body)),
        "connection": "close",
        **response.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {response.status} Told\r\n{head}\r\n".encode() + response.body


@asynccontextmanager
async def model_api() -> AsyncIterator[ModelApi]:
    """Serve the fake on a port of its own until the block ends."""
    api = ModelApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    api.url = f"http://127.0.0.1:{port}"
    try:
        yield api
    finally:
        server.close()
        await server.wait_closed()
