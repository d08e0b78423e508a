"""What the socket turns down, how it says so, and what it does to others: nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cairnloop_engine import Caller, Engine
from cairnloop_engine.channels.widget.ports import WidgetIdentity
from tests.channels.chat import (
    PATIENCE_S,
    SECRET,
    chat_server,
    customer,
    socket_url,
    token_for,
    welcomed,
)
from tests.waiting import until

MAYA = Caller.operator("maya")
SOON = 4_000_000_000


def _part(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


WRONG_TOKENS = {
    "garbage": "not a token",
    "unsigned": f"{_part({'alg': 'none'})}."
    f"{_part({'sub': 'ada', 'workspace': 'default', 'exp': SOON})}.",
    "signed by somebody else": jwt.encode(
        {"sub": "ada", "workspace": "default", "exp": SOON}, "x" * 32, algorithm="HS256"
    ),
    "without an end": jwt.encode({"sub": "ada", "workspace": "default"}, SECRET, algorithm="HS256"),
    "without a workspace": jwt.encode({"sub": "ada", "exp": SOON}, SECRET, algorithm="HS256"),
    "of nobody": jwt.encode(
        {"sub": "", "workspace": "default", "exp": SOON}, SECRET, algorithm="HS256"
    ),
}


@pytest.mark.requirement("01-conversations:127")
@pytest.mark.parametrize("token", WRONG_TOKENS.values(), ids=WRONG_TOKENS)
async def test_a_wrong_token_is_refused_and_leaves_no_row(engine: Engine, token: str) -> None:
    async with chat_server(engine) as server, customer(server) as stranger:
        refused = await stranger.hello(token)
        code = await stranger.closed()

    assert (refused["code"], code) == ("unauthorized", 4401)
    assert (await engine.conversations.inbox(MAYA)).items == ()


async def test_an_expired_token_is_told_apart(engine: Engine) -> None:
    async with chat_server(engine) as server, customer(server) as late:
        refused = await late.hello(token_for("ada", ttl=-60))

        assert (refused["code"], await late.closed()) == ("token_expired", 4410)


async def test_a_token_that_expires_meanwhile_closes_the_socket(engine: Engine) -> None:
    async with chat_server(engine, token_leeway=0.5) as server, customer(server) as ada:
        assert (await ada.hello(token_for("ada", ttl=1)))["type"] == "welcome"

        assert await ada.closed() == 4410
    assert ada.refusals == ["token_expired"]


async def test_a_fresh_token_on_the_same_socket_keeps_it_open(engine: Engine) -> None:
    async with chat_server(engine, token_leeway=0.0) as server, customer(server) as ada:
        await ada.hello(token_for("ada", ttl=2))
        await ada.write("one")
        renewed = await ada.hello(token_for("ada", ttl=600))
        sockets = set(server.sessions)
        expired = token_for("ben", ttl=2)
        async with customer(server) as ben:
            await ben.hello(expired)
            assert await ben.closed() == 4410

        assert sockets <= server.sessions
        assert (await ada.write("two", "c2"))["type"] == "accepted"

    assert renewed["type"] == "welcome"


@pytest.mark.parametrize("identity", [("ben", "default"), ("ada", "elsewhere")])
async def test_another_identity_on_the_same_socket_closes_it(
    engine: Engine, identity: tuple[str, str]
) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        # Made now: one made when the tests were collected expires in a long run of them.
        refused = await ada.hello(token_for(*identity))

        assert (refused["code"], await ada.closed()) == ("identity_changed", 4403)


@pytest.mark.requirement("01-conversations:125")
async def test_without_a_secret_nobody_gets_in(engine: Engine) -> None:
    async with chat_server(engine, secret=None) as server, customer(server) as ada:
        refused = await ada.hello(token_for("ada"))

        assert (refused["code"], await ada.closed()) == ("not_configured", 4401)


@pytest.mark.requirement("01-conversations:126")
async def test_a_hosts_own_verifier_decides_and_no_token_stays_behind(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    class Doorman:
        async def verify(self, token: str) -> WidgetIdentity:
            return WidgetIdentity(token.removeprefix("pass:"), "default")

    caplog.set_level(logging.DEBUG)
    async with chat_server(engine, verifier=Doorman()) as server, customer(server) as ada:
        assert (await ada.hello("pass:ada"))["type"] == "welcome"
        accepted = await ada.write("The parcel of Ada Lovelace is late.")
        kept = [repr(session) + repr(session.identity) for session in server.sessions]

    assert accepted["type"] == "accepted"
    # The client is in this process too, and its library logs what it sends.
    logged = [line.getMessage() for line in caplog.records if line.name != "websockets.client"]
    assert logged
    assert not any("pass:ada" in text for text in [*kept, *logged])
    assert not any("Lovelace" in text for text in logged)


async def test_a_socket_that_says_nothing_is_closed(engine: Engine) -> None:
    async with chat_server(engine, hello_deadline=0.2) as server, customer(server) as mute:
        assert await mute.closed() == 4408
    assert mute.refusals == ["hello_required"]


async def test_a_message_before_the_hello_is_refused(engine: Engine) -> None:
    async with chat_server(engine) as server, customer(server) as eager:
        await eager.say(type="message", client_id="c", text="hi")

        assert await eager.closed() == 4408
    assert eager.refusals == ["hello_required"]


async def test_another_version_is_refused(engine: Engine) -> None:
    async with chat_server(engine) as server, customer(server) as old:
        await old.say(type="hello", v=2, token=token_for("ada"))

        assert await old.closed() == 4400
    assert old.refusals == ["version_unsupported"]


async def test_a_frame_that_is_not_understood_is_answered_and_the_socket_lives(
    engine: Engine,
) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        for raw in ("", "{", "[]", '{"type":"shout"}', '{"type":"message"}'):
            await ada.socket.send(raw)
            await ada.hear("refused")

        assert (await ada.write("still here"))["type"] == "accepted"
    assert ada.refusals == ["frame_invalid"] * 3 + ["type_unknown", "frame_invalid"]


async def test_too_many_mistakes_close_the_socket(engine: Engine) -> None:
    async with chat_server(engine, bad_frames_allowed=3) as server, welcomed(server) as ada:
        for _ in range(4):
            await ada.socket.send("nonsense")

        assert await ada.closed() == 1008
    assert ada.refusals == ["frame_invalid"] * 3 + ["too_many_errors"]


async def test_binary_frames_are_refused(engine: Engine) -> None:
    async with chat_server(engine) as server:
        async with welcomed(server) as ada:
            await ada.socket.send(b'{"type":"ping"}')
            assert (await ada.closed(), ada.refusals) == (1003, ["binary_refused"])
        async with customer(server) as stranger:
            await stranger.socket.send(b"\x00\x01")
            assert (await stranger.closed(), stranger.refusals) == (1003, ["binary_refused"])


async def test_text_that_is_no_utf8_closes_the_socket(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        await ada.socket.send(b"\xff\xfe", text=True)

        assert await ada.closed() == 1007


async def test_an_oversized_frame_closes_the_socket_and_no_other(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada, welcomed(server, "ben") as b:
        await ada.socket.send(
            json.dumps({"type": "message", "client_id": "c", "text": "x" * 2**20})
        )

        assert await ada.closed() == 1009
        assert (await b.write("hello"))["type"] == "accepted"


async def test_a_replayed_hello_and_message_change_nothing(engine: Engine) -> None:
    async with chat_server(engine) as server:
        answers = []
        for _ in range(3):
            async with welcomed(server) as ada:
                answers.append(await ada.write("once", "only"))

    assert [answer["duplicate"] for answer in answers] == [False, True, True]
    assert len({answer["message_id"] for answer in answers}) == 1


async def test_too_many_messages_are_refused_with_the_time_to_wait(engine: Engine) -> None:
    knobs: dict[str, Any] = {"message_burst": 3, "messages_per_minute": 6}
    async with (
        chat_server(engine, **knobs) as server,
        welcomed(server) as ada,
        welcomed(server) as twin,
        welcomed(server, "ben") as ben,
    ):
        answers = [await ada.write(f"line {n}", f"c{n}") for n in range(2)]
        answers += [await twin.write(f"line {n}", f"t{n}") for n in range(2)]
        other = await ben.write("me too")

    assert [answer["type"] for answer in answers] == ["accepted"] * 3 + ["refused"]
    assert (answers[3]["code"], answers[3]["client_id"]) == ("rate_limited", "t1")
    assert 0 < answers[3]["retry_after"] <= 10.1
    assert other["type"] == "accepted"


async def test_a_flood_of_pings_ends_the_socket(engine: Engine) -> None:
    knobs: dict[str, Any] = {"frame_burst": 5, "frames_per_second": 0.1, "bad_frames_allowed": 2}
    async with chat_server(engine, **knobs) as server, welcomed(server) as ada:
        for _ in range(8):
            await ada.say(type="ping")

        assert await ada.closed() == 1008
    assert ada.refusals == ["rate_limited", "rate_limited", "too_many_errors"]


async def test_a_customer_holds_only_so_many_sockets(engine: Engine) -> None:
    async with chat_server(engine, max_connections_per_customer=2) as server:
        async with welcomed(server), welcomed(server), customer(server) as third:
            refused = await third.hello(token_for("ada"))
            assert (refused["code"], await third.closed()) == ("too_many_connections", 4429)
            async with welcomed(server, "ben"):
                pass
        async with welcomed(server):
            pass


async def test_a_full_server_says_so_before_the_handshake(engine: Engine) -> None:
    async with chat_server(engine, max_connections=1) as server, welcomed(server):
        with pytest.raises(InvalidStatus) as refused:
            await connect(socket_url(server))

    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"]


async def test_a_token_in_the_address_is_refused(engine: Engine) -> None:
    async with chat_server(engine) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{socket_url(server)}?token={token_for('ada')}")

    assert refused.value.response.status_code == 400


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_strange_origin_is_refused(engine: Engine, origin: str) -> None:
    async with chat_server(engine) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(socket_url(server), additional_headers={"Origin": origin})

    assert refused.value.response.status_code == 403


async def test_our_own_and_listed_origins_are_welcome(engine: Engine) -> None:
    async with chat_server(engine, origins=("https://shop.example",)) as server:
        own = f"http://127.0.0.1:{server.port}"
        for origin in (own, "https://shop.example"):
            headers = {"Origin": origin}
            async with customer(server, additional_headers=headers) as ada:
                assert (await ada.hello(token_for("ada")))["type"] == "welcome"


async def test_a_client_without_an_origin_can_be_kept_out(engine: Engine) -> None:
    async with chat_server(engine, allow_missing_origin=False) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(socket_url(server))

    assert refused.value.response.status_code == 403


async def test_a_peer_that_does_not_read_is_dropped(engine: Engine) -> None:
    for _ in range(60):
        await engine.conversations.ingest(
            Caller.customer("ada"), customer_ref="ada", text="x" * 9_000
        )
    knobs: dict[str, Any] = {"send_timeout": 0.3, "ping_interval": 0.3}
    async with chat_server(engine, **knobs) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        socket = _raw_socket(writer)
        socket.pause_reading()
        writer.write(_handshake(server.port) + _masked(_hello()))
        await until(server.shared.seats.seated.total, within=PATIENCE_S)

        await until(lambda: not server.sessions, within=PATIENCE_S)
        writer.close()


def _raw_socket(writer: asyncio.StreamWriter) -> asyncio.ReadTransport:
    transport = writer.transport
    assert isinstance(transport, asyncio.ReadTransport)
    return transport


def _handshake(port: int) -> bytes:
    return (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def _hello() -> bytes:
    return json.dumps({"type": "hello", "v": 1, "token": token_for("ada")}).encode()


def _masked(payload: bytes) -> bytes:
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + b"\0\0\0\0" + payload


async def test_a_closed_socket_does_not_cut_off_its_message(engine: Engine) -> None:
    async with chat_server(engine) as server:
        async with welcomed(server) as ada:
            await ada.say(type="message", client_id="last", text="Bye, and thanks.")
        async with welcomed(server) as back:
            answer = await back.write("Bye, and thanks.", "last")

    assert answer["type"] == "accepted"
    inbox = await engine.conversations.inbox(MAYA)
    assert [row.message_count for row in inbox.items] == [1]


async def test_a_broken_verifier_keeps_the_server_alive(engine: Engine) -> None:
    class Broken:
        async def verify(self, token: str) -> WidgetIdentity:
            raise RuntimeError(datetime.now(UTC).isoformat())

    async with chat_server(engine, verifier=Broken()) as server:
        for _ in range(2):
            async with customer(server) as ada:
                refused = await ada.hello("anything")
                assert (refused["code"], await ada.closed()) == ("unauthorized", 4401)
