"""What the chat server answers to plain HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass

import pytest

from cairnloop_engine import Engine
from cairnloop_engine.channels.widget.server import WidgetServer
from tests.channels.chat import chat_server


@dataclass(frozen=True)
class Answer:
    """A response; status 0 when the server hung up instead."""

    status: int
    headers: dict[str, str]
    body: str


async def request(server: WidgetServer, path: str, method: str = "GET", body: str = "") -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: chat.example\r\n{length}\r\n{body}".encode())
    async with asyncio.timeout(10):
        raw = (await reader.read()).decode()
    writer.close()
    if not raw:
        return Answer(0, {}, "")
    head, _, rest = raw.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Answer(int(status.split()[1]), headers, rest)


@pytest.mark.requirement("01-conversations:149")
async def test_health_is_exactly_ok_and_claims_nothing_else(engine: Engine) -> None:
    async with chat_server(engine) as server:
        answer = await request(server, "/health")

    assert (answer.status, answer.body) == (200, '{"status":"ok"}')
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


async def test_ready_means_database_and_changes(engine: Engine) -> None:
    async with chat_server(engine) as server:
        async with asyncio.timeout(10):
            while (answer := await request(server, "/ready")).status != 200:
                assert json.loads(answer.body)["reason"] == "changes_offline"

    assert json.loads(answer.body) == {"status": "ready", "changes": "live"}


async def test_the_page_runs_its_own_script_and_nothing_else(engine: Engine) -> None:
    async with chat_server(engine, origins=("https://shop.example",)) as server:
        answer = await request(server, "/")

    policy = answer.headers["content-security-policy"]
    assert answer.status == 200
    assert "unsafe" not in policy
    assert re.search(r"script-src 'sha256-[^']+'(;|$)", policy)
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self' https://shop.example" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "server" not in answer.headers


async def test_the_page_needs_nothing_from_elsewhere(engine: Engine) -> None:
    async with chat_server(engine) as server:
        page = (await request(server, "/")).body
        script = (await request(server, "/widget.js")).body

    outside = re.compile(r"""(?:src|href|url\(|import)\s*[=(]?\s*["']?(?:https?:)?//""")
    assert not outside.search(page.replace("http://www.w3.org/2000/svg", ""))
    assert "innerHTML" not in page + script
    assert "eval(" not in page + script


async def test_the_script_may_be_loaded_from_other_origins(engine: Engine) -> None:
    async with chat_server(engine) as server:
        answer = await request(server, "/widget.js")

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/static/page.js", 404),
        ("GET", "/../tokens.py", 404),
        ("GET", "//", 404),
        ("GET", "/ws", 426),
        ("GET", "/ws?token=x", 400),
        ("POST", "/", 405),
        ("PUT", "/ws", 405),
    ],
)
async def test_anything_else_is_refused_with_the_same_headers(
    engine: Engine, method: str, path: str, status: int
) -> None:
    async with chat_server(engine) as server:
        answer = await request(server, path, method)

    assert answer.status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_head_is_get_without_a_body(engine: Engine) -> None:
    async with chat_server(engine) as server:
        answer = await request(server, "/health", "HEAD")

    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, "", "15")


async def test_a_request_with_a_body_does_not_hurt(engine: Engine) -> None:
    async with chat_server(engine) as server:
        answer = await request(server, "/", "POST", body="x" * 1000)
        after = await request(server, "/health")

    assert answer.status in (0, 400, 405)
    assert after.status == 200
