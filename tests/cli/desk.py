"""Runs command lines: in this process, as most tests want it, or as real processes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cairnloop_cli.main import run

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command line ended, and what it said where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The code of the failure that the document tells."""
        return str(self.json["error"]["code"])


@dataclass(slots=True)
class CommandLine:
    """``cairnloop`` with an environment of its own."""

    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: object, piped: bytes | str | None = None) -> Ran:
        """Run one in this process."""
        self.capture.readouterr()
        with self.monkeypatch.context() as patch, _stdin(patch, piped):
            for name, value in self.environment.items():
                patch.setenv(name, value)
            code = run([str(argument) for argument in arguments])
        said = self.capture.readouterr()
        return Ran(code, said.out, said.err)

    def json(self, *arguments: object, piped: bytes | str | None = None) -> Any:
        """Run one that must succeed with ``--json``; its document."""
        ran = self(*arguments, "--json", piped=piped)
        assert ran.code == 0, ran
        return ran.json

    def start(self, *arguments: object, **more: Any) -> subprocess.Popen[str]:
        """Start one as a process."""
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL, **more}
        return subprocess.Popen(
            [sys.executable, "-m", "cairnloop_cli", *map(str, arguments)],
            env={**os.environ, **self.environment},
            stderr=subprocess.PIPE,
            text=True,
            **streams,
        )

    def having(self, extra: Mapping[str, str | None]) -> CommandLine:
        """The same with other environment names; None takes one away."""
        merged = {**self.environment, **{k: v for k, v in extra.items() if v is not None}}
        for name in [name for name, value in extra.items() if value is None]:
            merged.pop(name, None)
        return CommandLine(self.monkeypatch, self.capture, merged)


@contextmanager
def _stdin(patch: pytest.MonkeyPatch, piped: bytes | str | None) -> Iterator[None]:
    content = piped.encode() if isinstance(piped, str) else piped or b""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        stream = io.TextIOWrapper(file, encoding="utf-8")
        patch.setattr(sys, "stdin", stream)
        yield
        stream.detach()


def environment_for(database_url: str, home: Path) -> dict[str, str]:
    """What every test's command line stands on; the embedder that needs no model file."""
    return {
        "CAIRNLOOP_DATABASE_URL": database_url,
        "CAIRNLOOP_HOME": str(home),
        "CAIRNLOOP_OPERATOR": "maya",
        "CAIRNLOOP_EMBEDDER": "hashing",
        "CAIRNLOOP_DRAFT_DELAY": "0",
    }
