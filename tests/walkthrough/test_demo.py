"""``cairnloop demo``: what it starts, what it tells, and that nothing of it stays behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pty
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cairnloop_cli.demo.processes import free_port
from cairnloop_cli.demo.stage import kept_secret
from cairnloop_cli.demo.visitor import visiting
from cairnloop_engine import Misconfigured
from tests.waiting import wait_until
from tests.walkthrough.demos import running_demo
from tests.walkthrough.processes import (
    COMMAND,
    alive,
    environment,
    home_of_its_own,
    ran,
)

CTRL_Q = b"\x11"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """One home for the tests of this file: the story is loaded once."""
    with home_of_its_own() as folder:
        yield folder


def page_status(chat: str) -> int:
    place = urlsplit(chat)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().status


def test_without_a_terminal_it_says_how_to_go_on(tmp_path: Path) -> None:
    done = ran("demo", home=tmp_path)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "--smoke" in done.stderr
    assert "--no-tui" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_the_link_opens_a_chat_and_stopping_the_demo_stops_everything(home: Path) -> None:
    with running_demo(home) as demo:
        place = urlsplit(demo.chat)
        assert place.hostname == "127.0.0.1"
        assert place.query == ""
        assert page_status(demo.chat) == 200
        token = place.fragment.removeprefix("token=")
        async with visiting(f"ws://{place.netloc}/ws", token) as visitor:
            assert visitor.frames[0]["name"] == "Visitor"
        started = demo.children
        demo.process.terminate()
        demo.process.wait(timeout=60)

    assert alive(started) == []
    done = ran("inbox", "--json", "--limit", "100", home=home)
    assert len(json.loads(done.stdout)["items"]) == 27


@pytest.mark.slow
def test_a_killed_demo_takes_its_processes_with_it(home: Path) -> None:
    with running_demo(home) as demo:
        started = demo.children
        demo.process.send_signal(signal.SIGKILL)
        wait_until(lambda: not alive(started), within=30, what="the children end by themselves")


@pytest.mark.slow
def test_no_command_line_holds_the_secret_and_no_one_else_may_read_it(home: Path) -> None:
    with running_demo(home) as demo:
        lines = [" ".join(child.cmdline()) for child in demo.children]

    kept = home / "demo" / "widget-secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert not any(kept.read_text() in line for line in lines)
    for log in (home / "logs").glob("demo-*.log"):
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        assert kept.read_text() not in log.read_text()


@pytest.mark.slow
def test_a_port_in_use_is_named_and_the_next_is_taken(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running_demo(home, CAIRNLOOP_WIDGET_PORT=str(port)) as demo:
            chosen = urlsplit(demo.chat).port
            demo.process.terminate()
            said = demo.process.communicate(timeout=60)[1]

    assert chosen is not None
    assert chosen > port
    assert f"Port {port} is in use; the chat listens on {chosen}." in said


@pytest.mark.slow
def test_in_a_terminal_it_opens_the_console_and_tells_the_link_before_and_after(
    home: Path,
) -> None:
    with Screen.showing(home) as screen:
        screen.read_until(b"\x1b[?1049h")
        before = bytes(screen.seen)
        screen.read_until(b"customers wait")
        screen.type(CTRL_Q)
        screen.read_until(b"Stopped.")
        assert screen.process.wait(timeout=30) == 0

    after = bytes(screen.seen).rpartition(b"\x1b[?1049l")[2]
    assert b"/#token=" in before
    assert b"/#token=" in after


@dataclass(slots=True)
class Screen:
    """The demo in a pseudo terminal, and everything it has drawn."""

    process: subprocess.Popen[bytes]
    terminal: int
    seen: bytearray

    @classmethod
    @contextlib.contextmanager
    def showing(cls, home: Path) -> Iterator[Screen]:
        terminal, inside = pty.openpty()
        process = subprocess.Popen(
            [*COMMAND, "demo"],
            env=environment(home, TERM="xterm-256color", COLUMNS="120", LINES="40"),
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)
        try:
            yield cls(process, terminal, bytearray())
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(timeout=60)
            os.close(terminal)

    def read_until(self, wanted: bytes) -> None:
        def read() -> bool:
            with contextlib.suppress(OSError):
                self.seen += os.read(self.terminal, 65536)
            return wanted in self.seen

        wait_until(read, within=90, what=f"{wanted!r} on the screen")

    def type(self, keys: bytes) -> None:
        os.write(self.terminal, keys)


def test_a_free_port_is_taken_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_when_no_port_is_free_it_says_what_to_set() -> None:
    with pytest.raises(Misconfigured) as refusal:
        free_port(65530, taken=range(65530, 65536))

    assert refusal.value.code == "no_free_port"
    assert "CAIRNLOOP_WIDGET_PORT" in refusal.value.message


def test_a_home_keeps_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "demo" / "widget-secret"

    first = kept_secret(path)

    assert kept_secret(path) == first
    assert len(first) >= 32
    assert kept_secret(tmp_path / "other" / "widget-secret") != first
