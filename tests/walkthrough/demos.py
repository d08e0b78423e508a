"""A demo that runs without its console, for tests that live beside it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.waiting import wait_until
from tests.walkthrough.processes import COMMAND, demo_children, environment


@dataclass(slots=True)
class Demo:
    """A demo that runs without its console."""

    process: subprocess.Popen[str]
    doors: dict[str, str]

    @property
    def children(self) -> list[psutil.Process]:
        return demo_children(self.process.pid)

    @property
    def chat(self) -> str:
        return self.doors["chat"]


@contextlib.contextmanager
def running_demo(home: Path, **more: str) -> Iterator[Demo]:
    process = subprocess.Popen(
        [*COMMAND, "demo", "--no-tui", "--json"],
        env=environment(home, **more),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        demo = Demo(process, json.loads(line))
        wait_until(lambda: len(demo.children) == 4, within=30, what="four processes")
        yield demo
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)
