"""The crash screen: a reference and where the report is, never locals, never message bodies."""

from __future__ import annotations

import logging
import secrets
import traceback
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from cairnloop_tui.app import ConsoleApp

log = logging.getLogger(__name__)


def frames_of(error: BaseException) -> str:
    """Where it broke: files, lines and function names, without source values or messages."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return "\n".join([type(error).__name__, *places])


def log_bug(error: BaseException, doing: str) -> str:
    """Log a bug without anything that it was working on; returns the reference to quote."""
    reference = secrets.token_hex(3)
    # The log's formatter writes the stack's places, never values or the exception's own words.
    log.error("console bug while %s", doing, exc_info=error, extra={"ref": reference})
    return reference


def show_crash(app: ConsoleApp) -> None:
    """Leave the screen as it was found and say in two lines what to do."""
    error = app._exception  # noqa: SLF001 - Textual keeps it nowhere else
    reference = "unknown" if error is None else log_bug(error, "running")
    words = Text(
        f"The console stopped because of a bug (reference {reference}). "
        "Text that was not sent is kept and offered again at the next start."
    )
    where = Text(frames_of(error) if error is not None else "")
    app.panic(words, where)
