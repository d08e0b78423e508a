"""The billing system of the kill cycles: the demo's sink in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.chaos.forks import die_with_parent


@contextmanager
def billing_process(file: Path) -> Iterator[str]:
    """The base URL of a sink that lives while the block runs.

    Raises:
        RuntimeError: it did not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "cairnloop_engine.demo.sink", str(file)],
        stdout=subprocess.PIPE,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - the harness has no threads by then
        text=True,
    )
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise RuntimeError("the sink did not start")
        yield url
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
