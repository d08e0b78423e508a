"""The chat when parts of it go away: its own process, the database, both."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import TextClause, text
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.channels.widget.config import WidgetConfig
from cairnloop_engine.channels.widget.facade import serve_widget
from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.core.ids import ConversationId
from tests.channels.chat import (
    PATIENCE_S,
    SECRET,
    Customer,
    Frame,
    chat_server,
    customer,
    token_for,
    welcomed,
)
from tests.postgres import TestCluster
from tests.waiting import until

MAYA = Caller.operator("maya")
LINES = 8


async def test_a_drain_says_goodbye_and_closes(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada, customer(server) as mute:
        await ada.write("one")
        drained = asyncio.create_task(server.drain())

        told = await ada.hear("draining")
        assert (await ada.closed(), await mute.closed()) == (1001, 1001)
        await drained

    assert told["retry_after"] > 0
    assert server.sessions == set()
    assert server.shared.seats.total == 0


async def test_a_drain_waits_for_the_message_that_is_being_stored(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        accepted = await ada.write("one")
        async with engine.db.work(Caller.system("test")) as work:
            # Holds what the next message needs, so that it is under way when the drain begins.
            await work.session.execute(_lock(accepted["conversation_id"]))
            await ada.say(type="message", client_id="c2", text="two")
            await until(lambda: server.shared.in_flight)
            drained = asyncio.create_task(server.drain())
            await ada.hear("draining")
            assert not drained.done()
        answer = await ada.hear("accepted", "refused")
        assert await ada.closed() == 1001
        await drained

    thread = await engine.conversations.thread(MAYA, ConversationId(accepted["conversation_id"]))
    assert answer["type"] == "accepted"
    assert [message.content for message in thread.messages] == ["one", "two"]


async def test_sigterm_drains_and_frees_the_port(engine: Engine) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    config = WidgetConfig(port=0, secret=SECRET)
    serving = asyncio.create_task(serve_widget(engine, config, ready=ready.set_result))
    url = await asyncio.wait_for(ready, PATIENCE_S)

    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, PATIENCE_S)

    port = int(url.rsplit(":", 1)[1].strip("/"))
    again = asyncio.Event()
    async with asyncio.timeout(PATIENCE_S):
        await serve_widget(
            engine,
            WidgetConfig(port=port, secret=SECRET),
            stop=again,
            ready=lambda _: again.set(),
        )


async def test_a_port_that_is_taken_is_named(engine: Engine) -> None:
    async with chat_server(engine) as server:
        with pytest.raises(Misconfigured) as refused:
            async with chat_server(engine, port=server.port):
                pass

    assert refused.value.code == "widget_port_taken"
    assert str(server.port) in refused.value.message


@pytest.fixture
async def mortal(private_cluster: TestCluster, tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine whose database a test may stop."""
    url = private_cluster.copy_template("mortal")
    settings = Settings.load(database_url=url, home=tmp_path / "home", pool_size=5)
    async with Engine(settings) as engine:
        yield engine


@pytest.mark.requirement("01-conversations:129")
async def test_the_database_may_go_and_come_back_under_a_running_chat(
    mortal: Engine, private_cluster: TestCluster
) -> None:
    async with (
        chat_server(mortal, commit_timeout=3.0, read_timeout=2.0) as server,
        welcomed(server) as ada,
    ):
        accepted = await ada.write("before")
        await ada.texts(1)

        private_cluster.server.stop("fast")
        refused = await ada.write("during", "c2")
        assert await server.routes.readiness.reason() is not None
        async with customer(server) as ben:
            late = await ben.hello(token_for("ben"))
            assert (late["code"], await ben.closed()) == ("unavailable", 1013)

        await asyncio.to_thread(private_cluster.server.start)
        answer = await until(lambda: _accepted(ada, "during", "c2"), within=20)
        assert await ada.texts(1) == ["during"]
        await until(lambda: server.shared.audience.state() == "live", within=20)
        await mortal.conversations.reply(
            MAYA, ConversationId(accepted["conversation_id"]), "after", hold=0
        )
        assert await ada.texts(1) == ["after"]
        await ada.nothing_more()

    assert (refused["code"], refused["client_id"]) == ("unavailable", "c2")
    assert refused["retry_after"] > 0
    assert answer["position"] == 2


async def test_a_reply_that_was_missed_while_changes_were_lost_is_sent_by_the_poll(
    engine: Engine,
) -> None:
    async with chat_server(engine, poll_interval=0.2) as server, welcomed(server) as ada:
        accepted = await ada.write("one")
        await ada.texts(1)
        # The feed is deaf: what it hears concerns nobody any more.
        server.shared.audience.listening.clear()
        await engine.conversations.reply(
            MAYA, ConversationId(accepted["conversation_id"]), "two", hold=0
        )

        assert await ada.texts(1) == ["two"]


async def test_many_sockets_and_a_restart_lose_and_double_nothing(engine: Engine) -> None:
    async with chat_server(engine, message_burst=100) as first:
        port = first.port
        visits = [asyncio.create_task(_chatter(port, f"c{n}")) for n in range(4)]
        await until(lambda: first.shared.seats.seated.total() == 4, within=PATIENCE_S)
    async with chat_server(engine, port=port, message_burst=100):
        seen = await asyncio.gather(*visits)

    for texts in seen:
        assert texts == [f"line {number}" for number in range(LINES)]


async def _chatter(port: int, customer_ref: str) -> list[str]:
    """Write some lines as a page would: keep each until it is accepted, resume by cursor."""
    page = _Page(customer_ref, [f"line {number}" for number in range(LINES)])

    async def finished() -> bool:
        with suppress(ConnectionClosed, OSError, InvalidStatus):
            async with connect(f"ws://127.0.0.1:{port}/ws") as socket:
                await page.visit(Customer(socket))
        return page.is_done

    await until(finished, within=60)
    return page.shown


@dataclass
class _Page:
    customer_ref: str
    waiting: list[str]
    shown: list[str] = field(default_factory=list)
    place: dict[str, int] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return not self.waiting and len(self.shown) == LINES

    async def visit(self, socket: Customer) -> None:
        welcome = await socket.hello(token_for(self.customer_ref), **self.place)
        while welcome["type"] == "welcome" and not self.is_done:
            if self.waiting:
                line = self.waiting[0]
                await socket.say(type="message", client_id=line.replace(" ", "-"), text=line)
            frame = await socket.hear("accepted", "message")
            if frame["type"] == "accepted":
                # Said again before it was answered, a line is answered twice.
                line = frame["client_id"].replace("-", " ")
                self.waiting = [other for other in self.waiting if other != line]
                continue
            self.shown.append(frame["text"])
            self.place = {"conversation_id": frame["conversation_id"], "after": frame["position"]}


def _lock(conversation_id: int) -> TextClause:
    return text(
        f"SELECT 1 FROM cairnloop.conversations WHERE id = {int(conversation_id)} FOR UPDATE"
    )


async def _accepted(ada: Customer, words: str, client_id: str) -> Frame | None:
    answer = await ada.write(words, client_id)
    return answer if answer["type"] == "accepted" else None
