"""Waiting for another worker: jobs of the story may be taken by one that already runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cairnloop_engine.core.errors import Unavailable

PATIENCE_S = 60.0
PAUSE_S = 0.1


async def until(
    done: Callable[[], Awaitable[bool]], *, retry: Callable[[], Awaitable[None]], what: str
) -> None:
    """Do ``retry`` until ``done``; usually once, because then nobody else took the job.

    Raises:
        Unavailable: ``demo_stuck`` when it takes longer than anybody would wait.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await done():
                await retry()
                # Another worker may still be at it.
                await asyncio.sleep(0 if await done() else PAUSE_S)
    except TimeoutError as error:
        raise Unavailable(
            "demo_stuck",
            f"Waited {PATIENCE_S:.0f} seconds for {what} in vain. Run `cairnloop doctor`, "
            "then load the demo again: it goes on where it stopped.",
        ) from error
