"""Arguments and options that several commands share, and text that may come from a pipe."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cairnloop_engine.core.errors import Invalid

# The largest id that the database can hold; more is a typing mistake, not a missing row.
LARGEST_ID = 2**63 - 1
# More than any text that the engine takes; a pipe that never ends must not fill the memory.
MOST_BYTES = 8 * 1024 * 1024
PIPE = "-"

ConversationArg = Annotated[
    int, typer.Argument(metavar="CONVERSATION", min=1, max=LARGEST_ID, help="Its id.")
]
ConversationsArg = Annotated[
    list[int], typer.Argument(metavar="CONVERSATION...", min=1, max=LARGEST_ID, help="Their ids.")
]
TextArg = Annotated[
    str, typer.Argument(metavar="TEXT|-", help="The words; - reads them from a pipe.")
]
Cursor = Annotated[
    str | None, typer.Option("--cursor", metavar="CURSOR", help="Where the page before ended.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=500, help="Most rows to show.")]
Watch = Annotated[
    bool,
    typer.Option("--watch", help="Stay, and show it again whenever it changes; Ctrl+C ends it."),
]
Hold = Annotated[
    float | None,
    typer.Option(
        "--hold",
        metavar="SECONDS",
        min=0,
        max=86_400,
        help="How long it can still be taken back; without it, the setting `reply_hold`.",
    ),
]


def words(given: str) -> str:
    """The text itself, or with ``-`` what the pipe holds, without the line's end.

    Raises:
        Invalid: ``text_not_utf8`` or ``text_too_long``.
    """
    if given != PIPE:
        return given
    piped = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(piped) > MOST_BYTES:
        raise Invalid("text_too_long", f"The text is longer than {MOST_BYTES:,} bytes.")
    try:
        text = piped.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("text_not_utf8", "What came through the pipe is not UTF-8 text.") from error
    return text.removesuffix("\n").removesuffix("\r")
