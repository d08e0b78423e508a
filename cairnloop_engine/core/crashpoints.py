"""Named points at which a test can kill the process, to prove that nothing is lost or doubled."""

from __future__ import annotations

import os
import signal

# Read once: production never sets it, and a point costs one comparison.
_armed = os.environ.get("CAIRNLOOP_CRASH_AT", "")  # noqa: TID251 - must work before settings exist
_passes_left = 0


def crashpoint(name: str) -> None:
    """Die here by SIGKILL when ``CAIRNLOOP_CRASH_AT`` or :func:`arm` named this point."""
    if name == _armed:
        _die_at_last()


def arm(name: str, *, passing: int = 1) -> None:
    """Arm one point in this process, in place of the one before; it kills at that passing.

    For a child that was forked after the import, and so cannot be told by the environment.
    """
    # One per process, like the environment that it stands in for.
    global _armed, _passes_left
    _armed, _passes_left = name, passing - 1


def _die_at_last() -> None:
    global _passes_left  # noqa: PLW0603
    if _passes_left:
        _passes_left -= 1
    else:
        os.kill(os.getpid(), signal.SIGKILL)
