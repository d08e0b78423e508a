"""Commands as real processes: signals, pipes that close, servers, and what a start loads."""

from __future__ import annotations

import http.client
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.cli.desk import PATIENCE_S, CommandLine, environment_for

CHAT_SECRET = "a-secret-for-tests-of-forty-characters-x"


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    own_database: str,
    home: Path,
) -> CommandLine:
    """A command line on a database of its own, for processes that outlive a call."""
    environment = environment_for(own_database, home)
    return CommandLine(monkeypatch, capfd, {**environment, "CAIRNLOOP_WIDGET_SECRET": CHAT_SECRET})


@contextmanager
def running(shell: CommandLine, *arguments: object, until: str) -> Iterator[Any]:
    """A process that has said ``until`` on standard error; yields it and the line."""
    process = shell.start(*arguments)
    try:
        assert process.stderr is not None
        yield process, _line_with(process.stderr, until)
    finally:
        process.kill()
        process.communicate()


def _line_with(stream: IO[str], wanted: str) -> str:
    said = []
    for line in stream:
        said.append(line)
        if wanted in line:
            return line
    raise AssertionError(f"never said {wanted!r}: {said}")


def get(address: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    out, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stops_when_asked_and_says_what_it_did(
    shell: CommandLine, number: signal.Signals
) -> None:
    with running(shell, "worker", "--json", until="Working.") as (process, _):
        code, out = ended(process, number)

    assert code == 0
    assert json.loads(out).keys() >= {"ran", "failed"}


def test_the_http_server_tells_health_readiness_and_numbers(shell: CommandLine) -> None:
    with running(shell, "serve", "--port", 0, until="listens at") as (process, line):
        address = re.search(r"http://(\S+)\.", line)[1]  # type: ignore[index]
        answers = {path: get(address, path) for path in ("/health", "/ready", "/metrics", "/x")}
        code, _ = ended(process, signal.SIGTERM)

    assert code == 0
    assert answers["/health"] == (200, '{"status":"ok"}')
    assert answers["/ready"] == (200, '{"ready":true}')
    assert 'cairnloop_jobs{queue="drafting",state="ready"} 0.0' in answers["/metrics"][1]
    assert answers["/x"][0] == 404


def test_a_port_that_is_taken_is_a_setting_to_change(shell: CommandLine) -> None:
    with running(shell, "serve", "--port", 0, until="listens at") as (_, line):
        port = re.search(r":(\d+)\.", line)[1]  # type: ignore[index]
        ran = shell("serve", "--port", port, "--json")

    assert (ran.code, ran.error) == (2, "http_port_taken")


def test_a_customer_chats_from_the_terminal(shell: CommandLine) -> None:
    with running(shell, "serve-widget", "--port", 0, until="The chat listens at") as (_, line):
        url = re.search(r"(http://\S+)\. Ctrl", line)[1]  # type: ignore[index]
        first = shell.json("chat", "--url", url, "--customer", "zed", piped="Hello\n\nAnyone?\n")
        shell.json("reply", first["conversation_id"], "I am \x1b[2Jhere")
        token = shell.json("widget-token", "--customer", "zed")["token"]
        link = f"{url}#token={token}"
        second = shell("chat", "--url", link, "--wait", 1, piped="Thanks")
        stranger = shell("chat", "--url", f"{url}#token=forged", "--json")
        page, _ = get(url.removeprefix("http://").rstrip("/"), "/")

    assert [one["position"] for one in first["sent"]] == [1, 2]
    assert second.code == 0
    assert "│ I am ␛[2Jhere" in second.out
    assert "\x1b" not in second.out
    assert (stranger.code, stranger.error) == (1, "unauthorized")
    assert page == 200
    thread = shell.json("show", first["conversation_id"])
    contents = [one["content"] for one in thread["messages"]]
    assert contents == ["Hello", "Anyone?", "I am \x1b[2Jhere", "Thanks"]


def test_a_chat_that_was_never_there_is_3(shell: CommandLine) -> None:
    ran = shell("chat", "--url", "ws://127.0.0.1:1", "--customer", "zed", "--json", piped="Hi")

    assert (ran.code, ran.error) == (3, "chat_unreachable")


def test_a_token_needs_a_secret_and_is_nothing_but_the_token(shell: CommandLine) -> None:
    plain = shell("widget-token", "--customer", "zed")
    long = shell("widget-token", "--customer", "é" * 200, "--name", "é" * 200)
    without = shell.having({"CAIRNLOOP_WIDGET_SECRET": None})("widget-token", "--customer", "z")

    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", plain.out)
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", long.out)
    assert len(long.out) > 2_000
    assert without.code == 2
    assert CHAT_SECRET not in plain.out + plain.err


def test_watching_prints_a_document_for_each_change(shell: CommandLine) -> None:
    process = shell.start("inbox", "--watch", "--json")
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        shell.json("ingest", "--customer", "acme", "Hello")
        later = first
        while not later["items"]:
            later = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()

    assert first["items"] == []
    assert later["items"][0]["customer_ref"] == "acme"
    assert process.returncode == 130


def test_a_reader_who_leaves_early_is_no_error(shell: CommandLine) -> None:
    for number in range(3):
        shell.json("ingest", "--customer", f"c{number}", "Hello")
    reading, writing = os.pipe()
    os.close(reading)

    process = shell.start("inbox", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode, err) == (0, "")


def test_a_terminal_that_cannot_draw_gets_no_console(shell: CommandLine) -> None:
    ours, theirs = pty.openpty()
    dumb = shell.having({"TERM": "dumb"})

    process = dumb.start("tui", stdin=theirs, stdout=theirs)
    os.close(theirs)
    _, err = process.communicate(timeout=PATIENCE_S)
    os.close(ours)

    assert process.returncode == 2
    assert "(no_terminal)" in err


def test_an_interrupted_command_is_130_and_says_nothing(shell: CommandLine) -> None:
    watching = shell.start("stats", "--watch")
    assert watching.stdout is not None
    watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=PATIENCE_S)

    assert (watching.returncode, err) == (130, "")
