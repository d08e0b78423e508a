"""The bounded wait on a condition: the one place in the tests that pauses between two looks."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

PAUSE_S = 0.02


async def until(
    condition: Callable[[], object | Awaitable[object]],
    *,
    within: float = 5.0,
    what: str | None = None,
) -> Any:
    """Wait for ``condition`` to answer something true, and return that answer.

    The condition may be an ordinary or an async function. ``within`` is in seconds.

    Raises:
        AssertionError: it did not come true in time; the message says ``what`` was awaited.
    """
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        _give_up_after(deadline, within, what or _source(condition))
        await asyncio.sleep(PAUSE_S)


def wait_until(
    condition: Callable[[], object], *, within: float = 5.0, what: str | None = None
) -> Any:
    """As :func:`until`, for tests without an event loop."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        _give_up_after(deadline, within, what or _source(condition))
        time.sleep(PAUSE_S)
    return answer


def _give_up_after(deadline: float, within: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise AssertionError(f"not within {within} s: {what}")


def _source(condition: Callable[..., object]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)
