"""Bringing runs to an end: together where they end well, one by one where they do not.

Under the fence every statement may be repeated, so each is, until the database has answered: a
worker that lost its connection between a run and its record neither dies nor forgets.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from cairnloop_engine.core import fencing
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.fencing import Fetched, Run
from cairnloop_engine.core.jobs import TaskSpec
from cairnloop_engine.core.lines import FAULTS, Connection, Line
from cairnloop_engine.core.plan import Pauses
from cairnloop_engine.core.verdicts import Failure

log = logging.getLogger(__name__)

T = TypeVar("T")


class Settler:
    """Records how a worker's runs ended."""

    def __init__(self, line: Line, schema: str) -> None:
        self._line = line
        self._schema = schema
        self._finished: list[tuple[Run, asyncio.Future[bool]]] = []
        self._flusher: asyncio.Task[None] | None = None

    async def finish(self, run: Run) -> bool:
        """Take the job off the queue, together with whatever else is finished by then."""
        crashpoint("jobs.before_finish")
        settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._finished.append((run, settled))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush(), name="finish runs")
        return await settled

    async def _flush(self) -> None:
        while self._finished:
            batch, self._finished = self._finished, []
            runs = [run for run, _ in batch]
            try:
                kept = await self._insist(partial(fencing.finish, runs=runs))
            except Exception as error:
                # A bug: the runs hear of it, and their rows are found by the next heartbeat.
                for _, settled in batch:
                    _tell(settled, error)
                raise
            crashpoint("jobs.after_finish")
            for run, settled in batch:
                _tell(settled, run in kept)

    async def give_up(self, job: Fetched, spec: TaskSpec | None, failure: Failure) -> bool:
        crashpoint("jobs.before_give_up")

        async def record(connection: Connection) -> str | None:
            return await fencing.give_up(
                connection,
                job.run,
                failure,
                schema=self._schema,
                spec=spec,
                jitter=random.uniform(0.5, 1.5),  # noqa: S311 - spreads a herd
            )

        became = await self._insist(record)
        if became == "dead":
            log.error(
                "job put aside: %s",
                failure.error_type,
                extra={"task": job.task, "job": job.run.job_id},
            )
        return became is not None

    async def _insist(self, call: Callable[[Connection], Awaitable[T]]) -> T:
        """Repeat what the fence makes safe to repeat until the database has answered."""
        pauses = Pauses()
        while True:
            try:
                return await self._line.run(call)
            except FAULTS as error:
                log.warning("the worker cannot record its runs: %s", type(error).__name__)
                await self._line.pause(pauses.take())

    async def release(self, run: Run) -> None:
        """Give a job back because the worker stops; tried once, for the sweep covers the rest."""
        try:
            await self._line.run(partial(fencing.release, run=run))
        except FAULTS:
            log.debug("could not give a job back; it will be rescued")

    def abandon(self) -> None:
        """Leave what is not recorded yet to the sweep: the worker goes."""
        if self._flusher is not None:
            self._flusher.cancel()


def _tell(settled: asyncio.Future[bool], outcome: bool | Exception) -> None:
    if settled.done():
        return
    if isinstance(outcome, Exception):
        settled.set_exception(outcome)
    else:
        settled.set_result(outcome)
