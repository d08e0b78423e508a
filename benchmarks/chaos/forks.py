"""Children forked from a parent that has imported everything, so that a thousand can be killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_PAUSE_S = 0.002
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the harness ends, however it ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(slots=True)
class Child:
    """A forked process; ``code`` is its exit code, minus the signal that ended it."""

    pid: int
    code: int | None = None

    def poll(self) -> int | None:
        """How it ended; None while it lives."""
        if self.code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, within: float) -> int | None:
        """Wait until it ended; None when it lives on after ``within`` seconds."""
        until = time.monotonic() + within
        while self.poll() is None and time.monotonic() < until:
            time.sleep(_PAUSE_S)
        return self.code

    def kill(self) -> None:
        """SIGKILL; works on a frozen process as well."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def fork(body: Callable[[], None]) -> Child:
    """Run ``body`` in a child. Only outside of a running event loop, which cannot be shared."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid)
    code = 70
    try:
        die_with_parent()
        body()
        code = 0
    finally:
        if code:
            traceback.print_exc()
        # Not sys.exit: what the parent registered to be done at its end is not the child's to do.
        sys.stderr.flush()
        os._exit(code)


@contextmanager
def children() -> Iterator[list[Child]]:
    """A list to put children into; whoever of them still lives at the end is killed."""
    alive: list[Child] = []
    try:
        yield alive
    finally:
        for child in alive:
            child.kill()
