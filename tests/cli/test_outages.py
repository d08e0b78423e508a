"""Postgres goes away under running commands: each says so, none exits, all recover."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from tests.cli.desk import PATIENCE_S, CommandLine, environment_for
from tests.postgres import TestCluster
from tests.waiting import wait_until

RECOVERS_WITHIN_S = 40.0


@dataclass(slots=True)
class Watched:
    """A running command and every line that it has said so far."""

    process: subprocess.Popen[str]
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    ears: list[threading.Thread] = field(default_factory=list)

    def listen(self) -> None:
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            assert stream is not None
            self.ears.append(threading.Thread(target=_keep, args=(stream, lines)))
            self.ears[-1].start()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for ear in self.ears:
            ear.join()

    def said(self, words: str) -> str | None:
        return next((line for line in list(self.err) if words in line), None)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


@contextmanager
def started(cli: CommandLine, *arguments: object, until: str) -> Iterator[Watched]:
    watched = Watched(cli.start(*arguments))
    watched.listen()
    try:
        wait_until(
            lambda: watched.said(until) or watched.out or not watched.alive, within=PATIENCE_S
        )
        yield watched
    finally:
        watched.end()


def _keep(stream: IO[str], lines: list[str]) -> None:
    with stream:
        for line in stream:
            lines.append(line)  # noqa: PERF402 - each one as it comes


def ready(address: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
def test_worker_server_and_watcher_outlive_the_database(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    private_cluster: TestCluster,
    home: Path,
) -> None:
    url = private_cluster.copy_template("outage")
    cli = CommandLine(monkeypatch, capfd, environment_for(url, home))
    with (
        started(cli, "worker", until="Working.") as worker,
        started(cli, "serve", "--port", 0, until="listens at") as server,
        started(cli, "inbox", "--watch", "--json", until="nothing") as watcher,
    ):
        line = server.said("listens at")
        assert line is not None
        address = re.search(r"http://(\S+)\.", line)[1]  # type: ignore[index]
        assert ready(address) == 200

        private_cluster.server.stop("immediate")
        wait_until(lambda: ready(address) == 503, within=PATIENCE_S)
        wait_until(lambda: watcher.said("unavailable: The database cannot be reached"), within=60)
        wait_until(lambda: worker.said("the worker cannot reach its queue"), within=PATIENCE_S)
        private_cluster.server.start()

        wait_until(lambda: ready(address) == 200, within=RECOVERS_WITHIN_S)
        cli.json("ingest", "--customer", "acme", "Are you back?")
        wait_until(lambda: drafted(cli), within=RECOVERS_WITHIN_S)
        wait_until(
            lambda: any(json.loads(seen)["items"] for seen in list(watcher.out)),
            within=RECOVERS_WITHIN_S,
        )
        assert all(one.alive for one in (worker, server, watcher))


def drafted(cli: CommandLine) -> bool:
    return bool(cli.json("drafts")["items"])


def test_a_worker_waits_for_a_database_that_was_never_there(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], home: Path
) -> None:
    environment = environment_for("postgresql://u@127.0.0.1:1/none", home)
    cli = CommandLine(monkeypatch, capfd, environment)

    with started(cli, "worker", "--json", until="sweep failed") as worker:
        assert worker.said("sweep failed")
        assert worker.alive
        assert worker.out == []
