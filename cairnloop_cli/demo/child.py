"""Runs one command of ``cairnloop`` for the demo, and ends it when the demo is gone.

``python -m cairnloop_cli.demo.child FD COMMAND…``: the demo holds the other end of the pipe FD and
never writes to it. However the demo ends, also by a kill that no handler sees, the operating system
closes the pipe, and this process stops as if it had been asked to. The command ``billing`` is the
demo's billing system, which no installation has.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

# How long a command may take to finish what it began.
GRACE_S = 10.0
BILLING = "billing"


def main(arguments: Sequence[str]) -> int:
    """Watch the pipe and run the command; returns its exit code."""
    pipe, *command = arguments
    threading.Thread(target=_outlive_nobody, args=(int(pipe),), daemon=True).start()
    if command[0] == BILLING:
        from cairnloop_engine.demo import sink  # deferred: the watch begins before anything loads

        sink.main(command[1:])
        return 0
    from cairnloop_cli.main import run  # deferred: as above

    return run(command)


def _outlive_nobody(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
