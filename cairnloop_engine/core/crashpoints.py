"""Named points at which a test can kill the process, to prove that nothing is lost or doubled."""

from __future__ import annotations

import os
import signal

# Read once: production never sets it, and a point costs one comparison.
_ARMED = os.environ.get("CAIRNLOOP_CRASH_AT", "")  # noqa: TID251 - must work before settings exist


def crashpoint(name: str) -> None:
    """Die here by SIGKILL when the environment arms this point (``CAIRNLOOP_CRASH_AT=name``)."""
    if name == _ARMED:
        os.kill(os.getpid(), signal.SIGKILL)
