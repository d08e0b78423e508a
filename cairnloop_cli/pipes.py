"""Reading a file or a pipe beside the event loop, so that a slow or endless one holds up nobody."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator

from cairnloop_cli.parameters import PIPE
from cairnloop_engine.core.errors import Invalid

CHUNK = 64 * 1024
# Chunks that may wait for their reader.
AHEAD = 4


def opened(name: str) -> int:
    """A file descriptor to read from; ``-`` is standard input.

    Raises:
        Invalid: ``file_unreadable``.
    """
    if name == PIPE:
        return sys.stdin.fileno()
    try:
        return os.open(name, os.O_RDONLY)
    except OSError as error:
        raise Invalid("file_unreadable", f"{name} cannot be read ({error.strerror}).") from error


async def chunks(source: int) -> AsyncIterator[bytes]:
    """What can be read, as it comes, to the end.

    Raises:
        Invalid: ``file_unreadable`` when reading fails on the way.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    room = threading.Semaphore(AHEAD)

    def read() -> None:
        found: bytes | OSError = b"more"
        while found and not isinstance(found, OSError):
            room.acquire()
            try:
                found = os.read(source, CHUNK)
            except OSError as error:
                found = error
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, found)
            except RuntimeError:
                return  # the loop is gone, and with it whoever wanted this

    # A daemon: Ctrl+C must not wait for a terminal on which nobody types.
    threading.Thread(target=read, name="reading", daemon=True).start()
    while found := await arrived.get():
        if isinstance(found, OSError):
            raise Invalid("file_unreadable", f"Reading failed ({found.strerror}).") from found
        room.release()
        yield found
