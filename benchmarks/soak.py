"""A soak: customers write and operators answer while workers are killed and Postgres restarts.

Run it with ``python -m benchmarks.soak [--minutes 10]``. Everything is real: two worker
processes, one chat server process, twenty websocket clients, one embedded Postgres. One worker
is killed by SIGKILL and started again every thirty seconds; Postgres is restarted twice. At the
end the books are balanced:

- every message that was acknowledged stands in the database exactly once,
- every client saw every released message of its conversation exactly once, in order.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from cairnloop_engine import CairnloopError, Caller, Engine, Settings
from cairnloop_engine.channels.widget.tokens import mint_token
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.core.embedded import EmbeddedPostgres

CLIENTS = 20
KILL_EVERY_S = 30.0
MAYA = Caller.operator("maya")


@dataclass(slots=True)
class Books:
    """What was promised and what was seen."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    seen: dict[str, list[int]] = field(default_factory=dict)
    replied: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    reconnects: int = 0
    kills: int = 0
    restarts: int = 0


@dataclass(slots=True)
class Customer:
    """One browser: writes now and then, resends what was not acknowledged, resumes by cursor."""

    ref: str
    url: str
    secret: str
    books: Books
    writing: asyncio.Event
    unsent: dict[str, str] = field(default_factory=dict)
    conversation_id: int | None = None
    position: int = 0
    count: int = 0

    async def live(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with connect(f"{self.url}/ws", compression=None) as socket:
                    await self._converse(socket, stop)
            except (WebSocketException, OSError, TimeoutError):
                self.books.reconnects += 1
                await asyncio.sleep(random.uniform(0.1, 0.6))

    async def _converse(self, socket: ClientConnection, stop: asyncio.Event) -> None:
        token = mint_token(
            self.secret, customer_ref=self.ref, workspace="default", ttl=timedelta(hours=1)
        )
        hello: dict[str, Any] = {"type": "hello", "v": 1, "token": token, "after": self.position}
        if self.conversation_id is not None:
            hello["conversation_id"] = self.conversation_id
        await socket.send(json.dumps(hello))
        writer = asyncio.create_task(self._write(socket, stop))
        try:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    self._hear(json.loads(await asyncio.wait_for(socket.recv(), 2.0)))
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self, socket: ClientConnection, stop: asyncio.Event) -> None:
        for client_id, words in list(self.unsent.items()):
            await self._send(socket, client_id, words)
        while not stop.is_set():
            await asyncio.sleep(random.uniform(2.5, 5.0))
            if not self.writing.is_set():
                for client_id, words in list(self.unsent.items()):
                    await self._send(socket, client_id, words)
                continue
            self.count += 1
            client_id = f"{self.ref}-{self.count}"
            self.unsent[client_id] = f"message {self.count} of {self.ref}"
            await self._send(socket, client_id, self.unsent[client_id])

    async def _send(self, socket: ClientConnection, client_id: str, words: str) -> None:
        frame = {"type": "message", "client_id": client_id, "text": words}
        await socket.send(json.dumps(frame))

    def _hear(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "welcome":
                self.conversation_id = frame["conversation_id"] or self.conversation_id
                if frame["after"] < self.position:
                    raise AssertionError("the server threw away what the client holds")
            case "conversation":
                self.conversation_id = frame["conversation_id"]
            case "accepted":
                self.books.acknowledged[frame["client_id"]] = frame["message_id"]
                self.unsent.pop(frame["client_id"], None)
            case "message":
                self.position = frame["position"]
                self.books.seen.setdefault(self.ref, []).append(frame["message_id"])
            case "refused":
                self.books.refused[frame["code"]] += 1


class Processes:
    """The product's own processes, each started as an operator would start it."""

    def __init__(self, home: Path, secret: str) -> None:
        self.secret = secret
        self._environment = {
            "CAIRNLOOP_HOME": str(home),
            "CAIRNLOOP_WIDGET_SECRET": secret,
            "CAIRNLOOP_DRAFT_DELAY": "1",
            "CAIRNLOOP_WIDGET_RATE_PER_MINUTE": "600",
            "PATH": "/usr/bin:/bin",
        }
        self._home = home
        self.running: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, *arguments: str) -> None:
        log = (self._home / f"{name}.log").open("ab")
        self.running[name] = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cairnloop_cli",
            *arguments,
            env=self._environment,
            stdout=log,
            stderr=log,
        )

    async def kill(self, name: str) -> None:
        process = self.running[name]
        if process.returncode is not None:
            raise AssertionError(f"{name} had exited by itself with {process.returncode}")
        process.kill()
        await process.wait()

    async def stop(self) -> None:
        for process in self.running.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        for name, process in self.running.items():
            async with asyncio.timeout(60):
                code = await process.wait()
            print(f"{name} ended with {code}")


async def answer(engine: Engine, books: Books, stop: asyncio.Event) -> None:
    """An operator who answers whoever waits, half of them after a hold that the worker ends."""
    waiting = InboxFilter.parse("is:waiting")
    while not stop.is_set():
        await asyncio.sleep(1.0)
        try:
            page = await engine.conversations.inbox(MAYA, filter=waiting, limit=10)
            for row in [row for row in page.items if not row.held]:
                words = f"answer to {row.message_count} messages"
                hold = random.choice([0.0, 1.0])
                await engine.conversations.reply(MAYA, row.id, words, hold=hold)
                books.replied += 1
        except CairnloopError as error:
            books.refused[f"operator {error.code}"] += 1


async def disturb(
    processes: Processes, server: EmbeddedPostgres, books: Books, seconds: float
) -> None:
    """Kill a worker every thirty seconds, restart Postgres at a third and at two thirds."""
    began = time.monotonic()
    restarts = [seconds / 3, seconds * 2 / 3]
    next_kill = KILL_EVERY_S
    while (elapsed := time.monotonic() - began) < seconds:
        if restarts and elapsed >= restarts[0]:
            restarts.pop(0)
            await asyncio.to_thread(server.restart)
            books.restarts += 1
        if elapsed >= next_kill:
            next_kill += KILL_EVERY_S
            await processes.kill("worker-a")
            await processes.start("worker-a", "worker")
            books.kills += 1
        await asyncio.sleep(0.5)


async def settled(engine: Engine, customers: list[Customer], books: Books) -> None:
    """Wait until nothing is on its way any more."""
    async with asyncio.timeout(180):
        while True:
            await asyncio.sleep(1.0)
            released = await released_by_customer(engine)
            behind = [
                one.ref
                for one in customers
                if one.unsent
                or len(set(books.seen.get(one.ref, ()))) < len(released.get(one.ref, ()))
            ]
            if not behind and not (await engine.conversations.counts(MAYA)).held:
                return


async def released_by_customer(engine: Engine) -> dict[str, list[int]]:
    async with engine.db.read(MAYA) as read:
        rows = await read.session.execute(
            text(
                "SELECT c.customer_ref, m.id FROM cairnloop.messages m"
                " JOIN cairnloop.conversations c ON c.id = m.conversation_id"
                " WHERE m.customer_position IS NOT NULL ORDER BY c.id, m.customer_position"
            )
        )
        found: dict[str, list[int]] = {}
        for ref, message_id in rows:
            found.setdefault(ref, []).append(message_id)
    return found


async def balanced(engine: Engine, books: Books) -> dict[str, Any]:
    """Compare what was promised with what is stored, and what is stored with what was seen."""
    async with engine.db.read(MAYA) as read:
        rows = await read.session.execute(
            text(
                "SELECT client_message_id, count(*) AS times FROM cairnloop.messages"
                " WHERE client_message_id IS NOT NULL GROUP BY 1"
            )
        )
        stored = {row.client_message_id: row.times for row in rows}
        drafts = await read.session.scalar(text("SELECT count(*) FROM cairnloop.drafts"))
    released = await released_by_customer(engine)
    return {
        "acknowledged": len(books.acknowledged),
        "acknowledged_but_missing": sorted(set(books.acknowledged) - set(stored)),
        "stored_more_than_once": sorted(one for one, count in stored.items() if count != 1),
        "replies": books.replied,
        "released": sum(map(len, released.values())),
        "clients_that_saw_something_else": sorted(
            ref for ref, ids in released.items() if books.seen.get(ref) != ids
        ),
        "drafts": drafts,
        "reconnects": books.reconnects,
        "worker_kills": books.kills,
        "postgres_restarts": books.restarts,
        "refusals": dict(books.refused),
    }


async def soak(minutes: float, home: Path) -> bool:
    processes = Processes(home, secrets.token_urlsafe(32))
    try:
        async with Engine(Settings.load(home=home)) as engine:
            result = await run(engine, processes, home, minutes)
    finally:
        await processes.stop()
    print(json.dumps(result, indent=2))
    return not (
        result["acknowledged_but_missing"]
        or result["stored_more_than_once"]
        or result["clients_that_saw_something_else"]
    )


async def run(engine: Engine, processes: Processes, home: Path, minutes: float) -> dict[str, Any]:
    books, stop, writing = Books(), asyncio.Event(), asyncio.Event()
    port = random.randint(20_000, 40_000)
    await processes.start("widget", "serve-widget", "--port", str(port))
    await processes.start("worker-a", "worker")
    await processes.start("worker-b", "worker")
    url = f"ws://127.0.0.1:{port}"
    customers = [
        Customer(f"customer-{number}", url, processes.secret, books, writing)
        for number in range(CLIENTS)
    ]
    writing.set()
    # A group: a client that fails ends the soak, loudly.
    async with asyncio.TaskGroup() as everybody:
        for one in customers:
            everybody.create_task(one.live(stop))
        everybody.create_task(answer(engine, books, stop))
        await disturb(processes, EmbeddedPostgres(home), books, minutes * 60)
        writing.clear()
        try:
            await settled(engine, customers, books)
        except TimeoutError:
            print("not everything came to rest within three minutes")
        stop.set()
    return await balanced(engine, books)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    home = Path(tempfile.mkdtemp(prefix="cairnloop-soak-"))
    print(f"logs and data: {home}")
    held = asyncio.run(soak(parser.parse_args().minutes, home))
    print("every promise was kept" if held else "A PROMISE WAS BROKEN")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
