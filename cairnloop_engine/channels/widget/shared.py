"""What all sockets of one chat server share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TypeVar

from cairnloop_engine.channels.widget.audience import Audience, Desk
from cairnloop_engine.channels.widget.config import WidgetConfig
from cairnloop_engine.channels.widget.limits import Rates, Seats
from cairnloop_engine.channels.widget.ports import WidgetVerifier
from cairnloop_engine.core.clock import Clock, SystemClock

log = logging.getLogger(__name__)

T = TypeVar("T")

AWAY_FOR_S = 1.0


@dataclass(slots=True)
class Shared:
    """Configuration, limits and the work in progress of one process."""

    desk: Desk
    config: WidgetConfig
    verifier: WidgetVerifier
    audience: Audience
    rates: Rates
    seats: Seats
    # Sockets that catch up must leave database connections to messages that arrive.
    reads: asyncio.Semaphore
    clock: Clock = field(default_factory=SystemClock)
    draining: bool = False
    # Nobody reads before this moment: the database was away a moment ago.
    away_until: float = 0.0
    in_flight: set[asyncio.Task[object]] = field(default_factory=set)

    @classmethod
    def of(cls, desk: Desk, config: WidgetConfig, verifier: WidgetVerifier) -> Shared:
        return cls(
            desk=desk,
            config=config,
            verifier=verifier,
            audience=Audience(desk),
            rates=Rates(config.message_burst, config.messages_per_minute / 60.0),
            seats=Seats(
                config.max_connections,
                config.max_connections_per_customer,
                config.max_waiting_for_hello,
            ),
            reads=asyncio.Semaphore(config.concurrent_reads),
        )

    def now(self) -> float:
        """A clock for limits: seconds that never step back."""
        return asyncio.get_running_loop().time()

    @property
    def is_away(self) -> bool:
        """Whether the database was found away within the last second or so."""
        return self.now() < self.away_until

    def found_away(self) -> None:
        """One socket found the database away; the others need not try just now.

        Thousands of sockets that each keep trying would leave no time for anything else.
        """
        if not self.away_until:
            log.warning("the chat waits for the database", extra={"count": self.seats.total})
        self.away_until = self.now() + AWAY_FOR_S

    def found_back(self) -> None:
        """A read went well."""
        if self.away_until:
            log.info("the chat reads again", extra={"count": self.seats.total})
        self.away_until = 0.0

    async def to_the_end(self, work: Coroutine[object, object, T]) -> T:
        """Run ``work`` so that a closing socket does not cut it off; a drain waits for it."""
        task = asyncio.create_task(work)
        self.in_flight.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self.in_flight.discard(task)
        if not task.cancelled():
            # Read it, so that an error whose socket is gone is not reported as forgotten.
            task.exception()
