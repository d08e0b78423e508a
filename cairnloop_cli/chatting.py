"""A customer's chat in the terminal: lines in, messages out, over the same websocket as the page.

Both sides are outside text to each other: what the operator wrote is made safe before it is shown.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from cairnloop_cli.answers import Block
from cairnloop_cli.output import Output
from cairnloop_cli.pipes import chunks
from cairnloop_engine.core.errors import Forbidden, Invalid, JsonObject, Unavailable
from cairnloop_engine.core.text import is_blank, safe

VERSION = 1
SOCKET_PATH = "/ws"
OPEN_WITHIN_S = 10.0
SHORTEST_PAUSE_S = 0.3
LONGEST_PAUSE_S = 5.0
# Close codes after which the same hello would be turned down again.
FINAL = frozenset({1008, *range(4400, 4429)})

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Door:
    """Where the chat is, and with which token to enter; the token stays out of reprs."""

    address: str
    token: str | None = field(default=None, repr=False)


def door(url: str) -> Door:
    """The socket behind an address: ``ws://…``, or the page's own link with its token.

    Raises:
        Invalid: ``url_invalid``.
    """
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    try:
        parts = urlsplit(url)
        scheme, host, _ = schemes[parts.scheme], parts.hostname, parts.port
    except (KeyError, ValueError) as error:
        raise Invalid("url_invalid", "The chat's address begins with http:// or ws://.") from error
    if not host:
        raise Invalid("url_invalid", "The chat's address names no host.")
    path = parts.path if parts.path not in ("", "/") else SOCKET_PATH
    token = parse_qs(parts.fragment).get("token", [None])[0]
    return Door(f"{scheme}://{parts.netloc}{path}", token)


@dataclass(slots=True)
class Chat:
    """One customer's side. Everything typed is kept until the server has it."""

    door: Door
    out: Output
    conversation_id: int | None = None
    position: int = 0
    unsent: dict[str, str] = field(default_factory=dict)
    own: set[int] = field(default_factory=set)
    sent: list[JsonObject] = field(default_factory=list)
    received: list[JsonObject] = field(default_factory=list)
    dropped: list[JsonObject] = field(default_factory=list)
    welcomed: bool = False
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _socket: ClientConnection | None = None
    _told: bool = False
    _resending: set[asyncio.Future[None]] = field(default_factory=set)

    async def run(self, source: int, *, linger: float) -> None:
        """Chat until the input ends and everything typed has been taken, and ``linger`` more.

        Raises:
            Forbidden: the server lets this customer in no more; the code says why.
        Unavailable: ``chat_unreachable`` when it was never reached.
            Invalid: ``file_unreadable``.
        """
        connected = asyncio.create_task(self._stay_connected(), name="chat")
        typed = asyncio.create_task(self._type(source, linger), name="typing")
        try:
            await asyncio.wait({connected, typed}, return_when=asyncio.FIRST_COMPLETED)
            for task in (connected, typed):
                if task.done():
                    task.result()
        finally:
            connected.cancel()
            typed.cancel()
            await asyncio.gather(connected, typed, return_exceptions=True)

    async def _type(self, source: int, linger: float) -> None:
        async for line in _lines(source):
            if is_blank(line):
                continue
            client_id = secrets.token_hex(8)
            self.unsent[client_id] = line
            await self._send_one(client_id, line)
        async with self.news:
            await self.news.wait_for(lambda: self.welcomed and not self.unsent)
        await asyncio.sleep(linger)

    async def _stay_connected(self) -> None:
        pause = SHORTEST_PAUSE_S
        while True:
            try:
                async with connect(
                    self.door.address, proxy=None, open_timeout=OPEN_WITHIN_S
                ) as socket:
                    pause = SHORTEST_PAUSE_S
                    await self._hold(socket)
            except ConnectionClosed as closed:
                _refuse_if_final(closed)
            except (OSError, TimeoutError, InvalidHandshake) as error:
                self._tell_outage(error)
            finally:
                self._socket = None
            # Spreads the visitors of a server that came back; not a secret.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(LONGEST_PAUSE_S, pause * 2)

    def _tell_outage(self, error: Exception) -> None:
        """Once for each outage; a chat that never began has nothing to come back to."""
        if not self.welcomed:
            raise Unavailable(
                "chat_unreachable",
                "No chat server answers there. Start one with `cairnloop serve-widget`.",
            ) from error
        if not self._told:
            self._told = True
            self.out.note("The chat cannot be reached; trying again.")

    async def _hold(self, socket: ClientConnection) -> None:
        hello: Frame = {"type": "hello", "v": VERSION, "token": self.door.token or ""}
        if self.conversation_id is not None:
            hello |= {"conversation_id": self.conversation_id, "after": self.position}
        await socket.send(json.dumps(hello))
        while True:
            await self._hear(socket, json.loads(await socket.recv()))

    async def _hear(self, socket: ClientConnection, frame: Frame) -> None:
        match frame.get("type"):
            case "welcome":
                self.conversation_id, self.position = frame["conversation_id"], frame["after"]
                self._socket, self._told = socket, False
                await self._enter()
                self.out.note(f"Connected as {frame['name'] or 'a customer'}.")
                for client_id, text in list(self.unsent.items()):
                    await self._send_one(client_id, text)
            case "accepted":
                await self._accepted(frame)
            case "refused":
                await self._refused(frame)
            case "conversation":
                self.conversation_id, self.position = frame["conversation_id"], 0
            case "message":
                self._show(frame)
            case "status":
                self.out.note(f"The conversation is {frame['status']}.")

    async def _enter(self) -> None:
        async with self.news:
            self.welcomed = True
            self.news.notify_all()

    async def _send_one(self, client_id: str, text: str) -> None:
        """Send, when connected; otherwise the next welcome does."""
        if self._socket is None:
            return
        frame = {"type": "message", "client_id": client_id, "text": text}
        try:
            await self._socket.send(json.dumps(frame))
        except ConnectionClosed:
            self._socket = None

    async def _accepted(self, frame: Frame) -> None:
        self.conversation_id = frame["conversation_id"]
        self.own.add(frame["message_id"])
        kept = ("client_id", "conversation_id", "message_id", "position", "duplicate")
        self.sent.append({key: frame[key] for key in kept})
        await self._settle(frame["client_id"])

    async def _refused(self, frame: Frame) -> None:
        self.out.note(f"refused: {frame['message']} ({frame['code']})")
        client_id, wait = frame.get("client_id"), frame.get("retry_after")
        if client_id is None or client_id not in self.unsent:
            return
        if wait is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(float(wait), self._again, client_id)
            return
        self.dropped.append({"client_id": client_id, "code": frame["code"]})
        await self._settle(client_id)

    def _again(self, client_id: str) -> None:
        text = self.unsent.get(client_id)
        if text is not None:
            task = asyncio.ensure_future(self._send_one(client_id, text))
            self._resending.add(task)
            task.add_done_callback(self._resending.discard)

    async def _settle(self, client_id: str) -> None:
        async with self.news:
            self.unsent.pop(client_id, None)
            self.news.notify_all()

    def _show(self, frame: Frame) -> None:
        self.position = frame["position"]
        if frame["message_id"] in self.own:
            return
        kept = ("conversation_id", "message_id", "position", "role", "author", "text", "at")
        self.received.append({key: frame[key] for key in kept})
        if not self.out.as_json:
            self.out.line(f"{safe(str(frame['author']), limit=80)} · {frame['at'][:16]}")
            self.out.block(Block(str(frame["text"])))


def _refuse_if_final(closed: ConnectionClosed) -> None:
    end = closed.rcvd
    if end is not None and end.code in FINAL:
        raise Forbidden(
            safe(end.reason, limit=60) or "chat_refused", "The chat does not let this customer in."
        ) from closed


async def _lines(source: int) -> AsyncIterator[str]:
    begun = b""
    async for chunk in chunks(source):
        *ended, begun = (begun + chunk).split(b"\n")
        for line in ended:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if begun:
        yield begun.decode("utf-8", "replace")
