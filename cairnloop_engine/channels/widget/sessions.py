"""One customer's socket: hello, then messages in and messages out until somebody leaves."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from cairnloop_engine.channels.widget import intake, protocol, refusals
from cairnloop_engine.channels.widget.delivery import Reader
from cairnloop_engine.channels.widget.limits import Bucket
from cairnloop_engine.channels.widget.ports import WidgetIdentity
from cairnloop_engine.channels.widget.protocol import (
    BadFrame,
    ClientFrame,
    Close,
    Draining,
    Hello,
    Limits,
    Ping,
    Pong,
    Refused,
    Send,
    ServerFrame,
    Welcome,
)
from cairnloop_engine.channels.widget.shared import Shared
from cairnloop_engine.channels.widget.tokens import expired
from cairnloop_engine.channels.widget.verify import identify
from cairnloop_engine.core.errors import CairnloopError, Forbidden, NotFound

log = logging.getLogger(__name__)

# A token that lives for years is looked at again after this long.
LONGEST_NAP_S = 3600.0
# Between two tries to read while the database is away.
SHORTEST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
DRAIN_RETRY_S = 2.0


class Hangup(Exception):
    """Ends the socket: the last frame, if any, and the close code."""

    def __init__(self, code: Close, refusal: Refused) -> None:
        super().__init__(refusal.code)
        self.code = code
        self.refusal = refusal


@dataclass(slots=True, eq=False)
class Session:
    """A socket from its hello to its end."""

    socket: ServerConnection
    shared: Shared
    ref: str = field(default_factory=lambda: secrets.token_hex(4))
    identity: WidgetIdentity | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    # One after the other: a message is accepted before its echo is sent.
    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    bad_frames: int = 0

    async def run(self) -> None:
        """Serve the socket until it closes; a bug flies on and closes it with 1011."""
        if not self.shared.seats.enter():
            await self._end(Hangup(Close.TRY_LATER, refusals.full()))
            return
        try:
            await self._serve()
        except Hangup as end:
            await self._end(end)
        except (ConnectionClosed, ConnectionAbortedError):
            log.debug("chat socket closed", extra={"ref": self.ref})
        finally:
            self.shared.seats.leave(None if self.identity is None else self.identity.key)

    async def say_draining(self) -> None:
        """Tell the client that the server is about to stop."""
        try:
            await self._send(Draining(retry_after=DRAIN_RETRY_S))
        except (ConnectionClosed, ConnectionAbortedError):
            log.debug("chat socket closed", extra={"ref": self.ref})

    async def _serve(self) -> None:
        hello = await self._hello()
        identity = await self._verified(hello.token)
        if not self.shared.seats.sit(identity.key):
            raise Hangup(
                Close.TOO_MANY, refusals.too_many(self.shared.config.max_connections_per_customer)
            )
        self.identity = identity
        reader = Reader(self.shared, identity)
        self.shared.audience.join(identity, self.woken.set)
        try:
            await self._open(reader, hello)
            await self._send(self._welcome(reader))
            # A change since the join has woken us already; otherwise only a past is to be sent.
            if reader.cursor < reader.last_position:
                self.woken.set()
            await _first_of(self._listen(reader), self._deliver(reader), self._watch_expiry())
        finally:
            self.shared.audience.leave(identity, self.woken.set)

    async def _hello(self) -> Hello:
        try:
            async with asyncio.timeout(self.shared.config.hello_deadline):
                frame = await self._frame()
        except TimeoutError as late:
            raise Hangup(Close.NO_HELLO, refusals.no_hello()) from late
        match frame:
            case Hello(v=protocol.VERSION):
                return frame
            case Hello():
                raise Hangup(Close.UNSUPPORTED, refusals.other_version())
            case BadFrame():
                raise Hangup(Close.UNSUPPORTED, frame.refused())
            case _:
                raise Hangup(Close.NO_HELLO, refusals.no_hello())

    async def _verified(self, token: str) -> WidgetIdentity:
        config = self.shared.config
        try:
            identity = await identify(self.shared.verifier, token, timeout=config.verify_timeout)
        except Forbidden as refusal:
            log.info("chat visitor refused", extra={"ref": self.ref, "code": refusal.code})
            code = Close.TOKEN_EXPIRED if refusal.code == "token_expired" else Close.UNAUTHORIZED
            raise Hangup(code, refusals.answer(refusal)) from refusal
        if identity.expires_at is not None and identity.expires_at <= self.shared.clock.now():
            raise Hangup(Close.TOKEN_EXPIRED, refusals.answer(expired()))
        return identity

    async def _open(self, reader: Reader, hello: Hello) -> None:
        try:
            await reader.open(hello.conversation_id, hello.after)
        except NotFound as missing:
            raise Hangup(Close.NOT_FOUND, refusals.not_found()) from missing
        except CairnloopError as error:
            raise Hangup(Close.TRY_LATER, refusals.answer(error)) from error
        log.info(
            "chat socket opened",
            extra={
                "ref": self.ref,
                "workspace": reader.identity.workspace,
                "conversation": reader.conversation_id,
            },
        )

    def _welcome(self, reader: Reader) -> Welcome:
        config = self.shared.config
        return Welcome(
            conversation_id=reader.conversation_id,
            cursor=reader.last_position,
            after=reader.cursor,
            status=None if reader.status is None else reader.status.value,
            name=reader.identity.name,
            scope=_scope(reader.identity),
            limits=Limits(
                message_chars=config.max_message_length,
                frame_bytes=config.frame_bytes,
                messages_per_minute=config.messages_per_minute,
            ),
        )

    async def _listen(self, reader: Reader) -> None:
        config = self.shared.config
        frames = Bucket.full(config.frame_burst, config.frames_per_second, now=self.shared.now())
        while True:
            frame = await self._frame()
            wait = frames.take(self.shared.now())
            if wait > 0:
                await self._bad_frame(refusals.too_fast(wait))
                continue
            match frame:
                case Send():
                    await self._take(reader, frame)
                case Ping():
                    await self._send(Pong())
                case Hello():
                    await self._renew(reader, frame)
                case BadFrame():
                    await self._bad_frame(frame.refused())

    async def _take(self, reader: Reader, frame: Send) -> None:
        async with self.order:
            answer = await intake.take(self.shared, reader.identity, reader.conversation_id, frame)
            await self._send(answer)
        if isinstance(answer, Refused) and answer.code == "conversation_not_found":
            raise Hangup(Close.NOT_FOUND, refusals.not_found())
        # The change feed will say so too; a poll behind a pooler would be slow to.
        self.woken.set()

    async def _renew(self, reader: Reader, hello: Hello) -> None:
        if hello.v != protocol.VERSION:
            raise Hangup(Close.UNSUPPORTED, refusals.other_version())
        identity = await self._verified(hello.token)
        if identity.key != reader.identity.key:
            raise Hangup(Close.OTHER_IDENTITY, refusals.other_identity())
        async with self.order:
            self.identity = reader.identity = identity
            await self._send(self._welcome(reader))

    async def _bad_frame(self, refusal: Refused) -> None:
        self.bad_frames += 1
        if self.bad_frames > self.shared.config.bad_frames_allowed:
            raise Hangup(Close.ABUSE, refusals.too_many_mistakes())
        await self._send(refusal)

    async def _deliver(self, reader: Reader) -> None:
        pause = SHORTEST_PAUSE_S
        while True:
            await self._wait_for_news()
            try:
                async with self.order:
                    await reader.catch_up(self._send)
                pause = SHORTEST_PAUSE_S
            except NotFound as missing:
                raise Hangup(Close.NOT_FOUND, refusals.not_found()) from missing
            except CairnloopError as error:
                log.debug("chat delivery waits", extra={"ref": self.ref, "code": error.code})
                # Spreads the sockets over the first second of a database that came back.
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                pause = min(LONGEST_PAUSE_S, pause * 2)
                self.woken.set()

    async def _wait_for_news(self) -> None:
        """A wake, or the slow poll that covers a wake that got lost."""
        poll = self.shared.config.poll_interval * random.uniform(0.75, 1.25)  # noqa: S311
        try:
            async with asyncio.timeout(poll):
                await self.woken.wait()
        except TimeoutError:
            log.debug("chat socket polls", extra={"ref": self.ref})
        # Cleared before the read: a wake during the read causes another one.
        self.woken.clear()

    async def _watch_expiry(self) -> None:
        while True:
            identity = self.identity
            if identity is None or identity.expires_at is None:
                await asyncio.sleep(LONGEST_NAP_S)
                continue
            left = (identity.expires_at - self.shared.clock.now()).total_seconds()
            if left <= 0:
                raise Hangup(Close.TOKEN_EXPIRED, refusals.answer(expired()))
            await asyncio.sleep(min(left, LONGEST_NAP_S))

    async def _frame(self) -> ClientFrame | BadFrame:
        raw = await self.socket.recv()
        if isinstance(raw, bytes):
            raise Hangup(Close.NO_BINARY, refusals.no_binary())
        return protocol.parse(raw)

    async def _send(self, frame: ServerFrame) -> None:
        try:
            async with asyncio.timeout(self.shared.config.send_timeout):
                await self.socket.send(protocol.encode(frame))
        except TimeoutError as slow:
            # The peer reads nothing: a polite close would wait for it as well.
            self.socket.transport.abort()
            raise ConnectionAbortedError("the peer does not read") from slow

    async def _end(self, end: Hangup) -> None:
        log.info("chat socket ended", extra={"ref": self.ref, "code": end.refusal.code})
        try:
            await self._send(end.refusal)
            await self.socket.close(end.code, end.refusal.code)
        except (ConnectionClosed, ConnectionAbortedError):
            log.debug("chat socket closed", extra={"ref": self.ref})


async def _first_of(*parts: Coroutine[object, object, None]) -> None:
    """Run the parts until one ends, however it ends; the others are cancelled."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _scope(identity: WidgetIdentity) -> str:
    """A name for an identity that does not tell it; keys what a browser keeps."""
    joined = "\0".join(identity.key).encode()
    return hashlib.sha256(b"cairnloop chat scope\0" + joined).hexdigest()[:24]
