"""Every call of the engine goes through here: in a worker, with one route for what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from textual.message import Message
from textual.message_pump import MessagePump
from textual.widget import Widget

from cairnloop_engine import CairnloopError, Caller, Engine, Unavailable
from cairnloop_tui.crash import log_bug
from cairnloop_tui.session import Session
from cairnloop_tui.trouble import Trouble, trouble_of

T = TypeVar("T")

# A read that takes longer than this is a database that is not there.
READ_WITHIN_S = 10.0

Ask = Callable[[Engine, Caller], Awaitable[T]]
Failed = Callable[[Trouble, Exception], None]


class Answered(Message):
    """A call came back; ``deliver`` hands the answer to whoever asked."""

    def __init__(self, asker: MessagePump, deliver: Callable[[], None]) -> None:
        super().__init__()
        self.asker = asker
        self.deliver = deliver


class Troubled(Message):
    """A call failed; the application says so, then ``deliver`` tells whoever asked."""

    def __init__(
        self,
        asker: MessagePump,
        trouble: Trouble,
        deliver: Callable[[], None] | None,
        *,
        quiet: bool,
    ) -> None:
        super().__init__()
        self.asker = asker
        self.trouble = trouble
        self.deliver = deliver
        self.quiet = quiet


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of a facade: what to ask, for whom, and who hears of it.

    A ``quiet`` call failed without the operator having asked for anything: nothing is said.
    """

    asker: MessagePump
    ask: Ask[T]
    then: Callable[[T], None]
    doing: str
    failed: Failed | None = None
    quiet: bool = False
    within_s: float | None = None


async def make_call(session: Session, call: Call[T], *, still_wanted: Callable[[], bool]) -> None:
    """Call the facade and post what came of it; the body of a worker."""
    try:
        engine = await session.engine()
        answer = await _in_time(call.ask(engine, session.caller), call.within_s)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        call.asker.post_message(_troubled(call, error))
    else:
        if still_wanted():
            call.asker.post_message(Answered(call.asker, lambda: call.then(answer)))


async def _in_time(answer: Awaitable[T], within_s: float | None) -> T:
    try:
        async with asyncio.timeout(within_s):
            return await answer
    except TimeoutError as error:
        raise Unavailable(
            "database_unavailable", "The database does not answer; nothing was changed."
        ) from error


class Reads:
    """Of several reads of one kind one runs and the newest waits; answers in between are dropped.

    Nothing is cancelled: a cancelled query costs its connection.
    """

    def __init__(self) -> None:
        self._running: set[tuple[str, int]] = set()
        self._waiting: dict[tuple[str, int], Call[Any]] = {}

    def take(self, group: str, call: Call[Any]) -> bool:
        """Note a read; True when nothing of its kind is running and it may start."""
        key = (group, id(call.asker))
        if key in self._running:
            self._waiting[key] = call
            return False
        self._running.add(key)
        return True

    async def run(self, session: Session, group: str, call: Call[Any]) -> None:
        """Make the call, then whatever was asked for meanwhile."""
        key = (group, id(call.asker))
        following: Call[Any] | None = call
        try:
            while following is not None:
                await make_call(session, following, still_wanted=lambda: key not in self._waiting)
                following = self._waiting.pop(key, None)
        finally:
            self._running.discard(key)
            self._waiting.pop(key, None)


def _troubled(call: Call[Any], error: Exception) -> Troubled:
    # What is known needs no report; a bug is logged without locals, which hold message bodies.
    is_known = isinstance(error, CairnloopError)
    reference = "" if is_known else log_bug(error, call.doing)
    trouble = trouble_of(error, call.doing, reference=reference)
    failed = call.failed
    deliver = None if failed is None else lambda: failed(trouble, error)
    return Troubled(call.asker, trouble, deliver, quiet=call.quiet)


def is_gone(asker: Any) -> bool:
    """Whether the screen that asked was closed meanwhile."""
    return isinstance(asker, Widget) and not asker.is_attached
