"""Running the real command line in real processes, in a home that is passable and deleted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from cairnloop_engine.core.embedded import EmbeddedPostgres

COMMAND = (sys.executable, "-m", "cairnloop_cli")
LONGEST_S = 240


@contextmanager
def home_of_its_own() -> Iterator[Path]:
    """A home in the temporary folder; pytest's own folders are closed to the server's account."""
    folder = Path(tempfile.mkdtemp(prefix="cairnloop-walk-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        EmbeddedPostgres(folder).erase()
        shutil.rmtree(folder, ignore_errors=True)


def environment(home: Path, **more: str) -> Mapping[str, str]:
    return os.environ | {"CAIRNLOOP_HOME": str(home), "PYTHONUNBUFFERED": "1"} | _ports() | more


def _ports() -> dict[str, str]:
    """Where this test process's demos begin to look for free ports, away from those beside it."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) + 1
    return {
        "CAIRNLOOP_WIDGET_PORT": str(20_000 + 200 * number),
        "CAIRNLOOP_HTTP_PORT": str(20_100 + 200 * number),
    }


def ran(
    *arguments: str, home: Path, cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without a terminal."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(home, **more),
        cwd=cwd or home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )


def demo_children(pid: int) -> list[psutil.Process]:
    """The processes that a demo has started and that run its commands."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process for process in below if _runs_a_command(process)]


def _runs_a_command(process: psutil.Process) -> bool:
    try:
        return "cairnloop_cli.demo.child" in process.cmdline()
    except psutil.Error:
        # It ended while we looked.
        return False


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [
        process
        for process in processes
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]
