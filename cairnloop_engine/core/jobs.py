"""Jobs as the engine sees them: what to run, on which queue, and how it enters the database.

A job is enqueued on the connection of the transaction that causes it, so it exists if and only
if that transaction commits. Jobs carry ids and short strings, never bodies.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import procrastinate
from procrastinate import exceptions as procrastinate_errors
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from cairnloop_engine.core.errors import JsonObject, Misconfigured


class Queues(StrEnum):
    """The fixed queues; a worker may be limited to some of them."""

    DRAFTING = "drafting"
    INDEXING = "indexing"
    EFFECTS = "effects"
    DELIVERY = "delivery"
    MAIL = "mail"
    MAINTENANCE = "maintenance"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work to enqueue. ``at`` None means as soon as a worker is free."""

    task: str
    args: JsonObject = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a task is told about its run; ``attempt`` counts from 1.

    ``job_id`` stays the same however often the job runs; ``token`` is this run's alone, also
    when the same worker runs the job again. A write-back that a stale run must not make is
    conditional on the token in the task's own ledger, or asks :func:`core.fencing.still_mine`.
    """

    args: JsonObject
    job_id: int
    attempt: int
    # A context made by hand is a run of its own, in nobody's worker.
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    worker_id: int = 0

    @property
    def workspace(self) -> str:
        return str(self.args["workspace"])

    def integer(self, name: str) -> int:
        """An id among the arguments."""
        value = self.args[name]
        if not isinstance(value, int):
            raise TypeError(f"job argument {name} is not an integer")
        return value

    def text(self, name: str) -> str:
        value = self.args[name]
        if not isinstance(value, str):
            raise TypeError(f"job argument {name} is not text")
        return value


TaskBody = Callable[[JobContext], Awaitable[None]]


# An outage of minutes must not use up a job: 30 tries at up to 60 s cover half an hour.
UNAVAILABLE_RETRIES = 30


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task that a worker can run.

    ``hard_cap`` bounds one run; ``retries`` = n allows n + 1 runs after errors that are bugs.
    An :class:`Unavailable` dependency is waited out for much longer, because trying again is
    known to be safe: ``outage_retries`` counts those apart. A ``Refused`` finishes the job:
    repeating it cannot help. A task whose effect must not be repeated by the queue sets both to
    0 and keeps a ledger of its own. A run longer than ``overdue_after`` is taken from its
    worker; None is the shortest window that is safe, hard cap and two heartbeats.
    """

    name: str
    queue: Queues
    run: TaskBody
    hard_cap: timedelta = timedelta(seconds=60)
    retries: int = 3
    outage_retries: int = UNAVAILABLE_RETRIES
    overdue_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """A periodic duty of every worker: cheap, idempotent, safe to run in several at once.

    ``after_drain``: also done once when a draining worker has found nothing more to do.
    """

    name: str
    every: timedelta
    run: Callable[[], Awaitable[None]]
    after_drain: bool = False


async def driver_connection(session: AsyncSession) -> AsyncConnection[Any]:
    """The psycopg connection under a session, inside its transaction."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    if not isinstance(driver, AsyncConnection):
        raise TypeError("the engine needs the asynchronous psycopg driver")
    return driver


class Enqueuer:
    """Puts jobs into the queue's own table through somebody else's transaction."""

    def __init__(self) -> None:
        # Never opened: every insert runs on the connection of the calling Work.
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._queues: dict[str, Queues] = {}

    def know(self, specs: Mapping[str, TaskSpec]) -> None:
        """Learn which queue each task belongs to."""
        self._queues = {name: spec.queue for name, spec in specs.items()}

    async def put(self, session: AsyncSession, job: Job) -> int:
        """Insert one job inside the session's transaction; returns its number.

        Raises:
            Misconfigured: ``task_unknown`` when no worker could ever run it.
        """
        queue = self._queues.get(job.task)
        if queue is None:
            raise Misconfigured("task_unknown", f"No task is registered as {job.task}.")
        driver = await driver_connection(session)
        deferrer = self._app.configure_task(
            job.task,
            allow_unknown=True,
            queue=queue.value,
            schedule_at=job.at,
            connection=driver,
        )
        try:
            # The savepoint keeps a refused insert from aborting the whole transaction.
            async with session.begin_nested():
                return await deferrer.defer_async(**job.args)
        except procrastinate_errors.ConnectorException as error:
            if error.__cause__ is not None:
                raise error.__cause__ from error
            raise
