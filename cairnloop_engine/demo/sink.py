"""The demo's billing system: a small real HTTP service whose effects can be counted.

It stands for the systems that a host's tools act upon. ``python -m cairnloop_engine.demo.sink
FILE`` runs it as a process of its own; :func:`running` runs it inside another. It listens on
loopback only and answers one request for each connection:

- ``POST /effects`` with ``kind``, ``run_key``, ``attempt``, ``details``: the effect happens, once
  more for each request that arrives, as with most systems in the world. With the header
  ``Idempotency-Key`` it happens once for each key. ``takes_s`` makes it slow.
- ``GET /effects?run_key=…``: what happened under this run key.
- ``GET /records?kind=…&id=…``: what is known of an order or an account, with its revision;
  ``POST /records`` with ``kind`` and ``id`` stands for somebody else's change to it.
- ``GET /counts``: arrivals and effects for each run key, for a judge.
- ``POST /weather`` with ``kind`` (or null for every kind), ``mode`` and ``times``: how the next
  requests fare, see :class:`Mode`.
- ``GET /health``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cairnloop_engine.core.clock import Clock, SystemClock
from cairnloop_engine.demo.sink_store import KeyReused, Order, SinkStore

HOST = "127.0.0.1"
LARGEST_HEAD = 16 * 1024
LARGEST_BODY = 64 * 1024
LONGEST_S = 600.0
# Whoever opens a connection and says nothing is hung up on.
READ_TIMEOUT_S = 10.0


class Mode(StrEnum):
    """What becomes of a request: whether the effect happens, and what the caller hears."""

    REFUSE = "refuse"  # no effect; answers ``status``
    FAIL_AFTER = "fail_after"  # the effect happens; answers ``status``
    DROP_BEFORE = "drop_before"  # no effect; hangs up without an answer
    DROP_AFTER = "drop_after"  # the effect happens; hangs up without an answer
    SLOW = "slow"  # the effect happens; answers after ``seconds``


_HAPPENS = {Mode.FAIL_AFTER, Mode.DROP_AFTER, Mode.SLOW}
_HANGS_UP = {Mode.DROP_BEFORE, Mode.DROP_AFTER}


@dataclass(slots=True)
class Weather:
    """How the next ``times`` requests of a kind fare; kind None means every kind."""

    mode: Mode
    kind: str | None = None
    times: int = 1
    status: int = 503
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, read whole."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def told(self) -> dict[str, object]:
        """The body as a JSON object.

        Raises:
            ValueError: it is something else.
        """
        told = json.loads(self.body or b"{}")
        if not isinstance(told, dict):
            raise ValueError("the body is not a JSON object")
        return told


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; None in its place hangs up."""

    status: int
    body: Mapping[str, object]

    def written(self) -> bytes:
        body = json.dumps(self.body).encode()
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class Sink:
    """The service over one file."""

    store: SinkStore
    clock: Clock = field(default_factory=SystemClock)
    weather: list[Weather] = field(default_factory=list)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request, answer it, hang up."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                request = await _read(reader)
            answer = await self._answer(request)
            if answer is not None:
                writer.write(answer.written())
                await writer.drain()
        except ValueError as error:
            writer.write(Answer(400, {"error": str(error)}).written())
        except (OSError, EOFError, TimeoutError):
            # The caller went away, or never spoke.
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, request: Request) -> Answer | None:
        match request.method, request.path:
            case "POST", "/effects":
                return await self._effect(request)
            case "GET", "/effects":
                found = self.store.effects(request.query.get("run_key", [""])[0])
                return Answer(200, {"effects": [asdict(one) for one in found]})
            case "GET", "/records":
                kind, name = (request.query.get(part, [""])[0] for part in ("kind", "id"))
                return Answer(200, {"record": asdict(self.store.record(kind, name))})
            case "POST", "/records":
                kind, name = _named(request.told())
                self.store.change(kind, name, now=self.clock.now())
                return Answer(200, {"record": asdict(self.store.record(kind, name))})
            case "GET", "/counts":
                counts = self.store.counts()
                return Answer(200, {**asdict(counts), "doubled": counts.doubled})
            case "POST", "/weather":
                self.weather.append(_weather(request.told()))
                return Answer(200, {"ordered": len(self.weather)})
            case "GET", "/health":
                return Answer(200, {"status": "ok"})
        return Answer(404, {"error": "There is nothing here."})

    async def _effect(self, request: Request) -> Answer | None:
        told = request.told()
        order = _order(told, request.headers.get("idempotency-key"))
        arrival = self.store.arrive(order, now=self.clock.now())
        weather = self._next_weather(order.kind)
        if weather is not None and weather.mode not in _HAPPENS:
            refusal = Answer(weather.status, {"error": "Not now.", "effect": "none"})
            return None if weather.mode in _HANGS_UP else refusal
        try:
            applied = self.store.apply(order, arrival, now=self.clock.now())
        except KeyReused:
            return Answer(409, {"error": "This key was used for another request."})
        await asyncio.sleep(_seconds(told.get("takes_s", 0.0)))
        if weather is None:
            return Answer(200, {"effect": asdict(applied)})
        await asyncio.sleep(weather.seconds)
        if weather.mode in _HANGS_UP:
            return None
        if weather.mode is Mode.FAIL_AFTER:
            return Answer(weather.status, {"error": "Something broke."})
        return Answer(200, {"effect": asdict(applied)})

    def _next_weather(self, kind: str) -> Weather | None:
        for weather in self.weather:
            if weather.kind in {None, kind}:
                weather.times -= 1
                if weather.times <= 0:
                    self.weather.remove(weather)
                return weather
        return None


@asynccontextmanager
async def running(
    file: Path, *, host: str = HOST, port: int = 0, clock: Clock | None = None
) -> AsyncIterator[str]:
    """The service inside this process; gives its base URL. Port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    with SinkStore(file) as store:
        sink = Sink(store, clock or SystemClock())
        talks: set[asyncio.Task[None]] = set()

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            talks.add(task)
            task.add_done_callback(talks.discard)
            await sink.converse(reader, writer)

        server = await asyncio.start_server(converse, host, port, limit=LARGEST_HEAD)
        try:
            address = server.sockets[0].getsockname()
            yield f"http://{host}:{address[1]}"
        finally:
            server.close()
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
            await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise ValueError("the head is too large") from error
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        raise ValueError("not an HTTP request")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= LARGEST_BODY:
        raise ValueError("the body is too large")
    target = urlsplit(words[1])
    body = await reader.readexactly(length)
    return Request(words[0], target.path, parse_qs(target.query), headers, body)


def _order(told: Mapping[str, object], idempotency_key: str | None) -> Order:
    kind, run_key, attempt = told.get("kind"), told.get("run_key"), told.get("attempt", 1)
    details = told.get("details", {})
    if not (isinstance(kind, str) and kind and isinstance(run_key, str) and run_key):
        raise ValueError("kind and run_key are needed")
    if not (isinstance(attempt, int) and isinstance(details, dict)):
        raise ValueError("attempt is a number, details an object")
    return Order(kind, run_key, attempt, details, idempotency_key)


def _named(told: Mapping[str, object]) -> tuple[str, str]:
    kind, name = told.get("kind"), told.get("id")
    if not (isinstance(kind, str) and kind and isinstance(name, str) and name):
        raise ValueError("kind and id are needed")
    return kind, name


def _weather(told: Mapping[str, object]) -> Weather:
    kind, times, status = told.get("kind"), told.get("times", 1), told.get("status", 503)
    if not (kind is None or isinstance(kind, str)):
        raise ValueError("kind is a word or null")
    if not (isinstance(times, int) and isinstance(status, int)):
        raise ValueError("times and status are numbers")
    mode, status = Mode(str(told.get("mode"))), HTTPStatus(status).value
    return Weather(mode, kind, times, status, _seconds(told.get("seconds", 0.0)))


def _seconds(given: object) -> float:
    if not isinstance(given, int | float):
        raise ValueError("seconds are a number")
    return min(LONGEST_S, max(0.0, float(given)))


async def _serve(file: Path, port: int) -> None:
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    async with running(file, port=port) as url:
        print(url, flush=True)  # noqa: T201 - whoever started it reads the address here
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the service until SIGTERM or SIGINT; the first line it prints is its base URL."""
    parser = argparse.ArgumentParser(description="The demo's billing system.")
    parser.add_argument("file", type=Path, help="where it remembers what happened")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    given = parser.parse_args(arguments)
    asyncio.run(_serve(given.file, given.port))


if __name__ == "__main__":
    main()
