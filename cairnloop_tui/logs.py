"""Where the console logs: a file of its own, because the terminal belongs to the screen."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cairnloop_engine.core.telemetry import configure_logging


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Send every record to this file (mode 0600) for as long as the console runs."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        # No place for a log is no reason to work without a console.
        handle = os.open(os.devnull, os.O_WRONLY)
    before = list(logging.getLogger().handlers)
    with os.fdopen(handle, "a", encoding="utf-8") as stream:
        configure_logging("WARNING", stream=stream)
        try:
            yield
        finally:
            logging.getLogger().handlers[:] = before or [logging.NullHandler()]
