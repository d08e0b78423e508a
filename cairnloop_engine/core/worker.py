"""procrastinate's worker with a fence: it survives its database, and owns only what it runs.

What is kept of procrastinate: its table, its way to take a job, its notifications, its loop. What
is ours: taking several jobs at once, bringing runs to an end under the fence (:mod:`core.fencing`)
as often as it takes, heartbeats that register the worker again after it was given up for dead,
and the comparison of what the database believes we run with what we do run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import procrastinate
from procrastinate.worker import Worker
from psycopg import errors

from cairnloop_engine.core import fencing, heartbeats
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.errors import Refused
from cairnloop_engine.core.fencing import Fetched, Run
from cairnloop_engine.core.jobs import JobContext, TaskSpec
from cairnloop_engine.core.lines import (
    FAULTS,
    PATIENCE_S,
    Answers,
    Connection,
    Line,
    LineConnector,
    close_all,
)
from cairnloop_engine.core.plan import SHORTEST_PAUSE_S, Bench, Pauses
from cairnloop_engine.core.settling import Settler
from cairnloop_engine.core.verdicts import STRANDED, TASK_UNKNOWN, Failure, Trouble

log = logging.getLogger(__name__)

T = TypeVar("T")

# A job with a date is found by polling: this is how late it may start.
POLL_S = 0.5
# Jobs asked for at once when few are expected: finding fewer says that no more are due.
FEWEST_TAKEN = 2
# The row of a worker that died long ago; its jobs went back long before.
FORGOTTEN_AFTER = timedelta(minutes=5)
# How often a silent listener is asked whether it still hears.
LISTENING_CHECK_S = 10.0
# What is left of a stopping worker's runs after it told them to stop.
LAST_WORDS_S = 5.0
ANY_QUEUE = "procrastinate_any_queue_v1"


class FencedWorker(Worker):
    """One life of a worker. It ends when asked to stop, or when it could not even begin."""

    def __init__(self, bench: Bench) -> None:
        self._answers = Answers()
        self._lines = {
            name: Line(bench.connection, self._answers)
            for name in ("fetch", "settle", "beat", "listen")
        }
        super().__init__(
            procrastinate.App(connector=LineConnector(self._lines["beat"])),
            queues=bench.plan.queue_names,
            name="cairnloop",
            concurrency=bench.plan.concurrency,
            wait=not bench.plan.drain,
            fetch_job_polling_interval=POLL_S,
            install_signal_handlers=False,
            stalled_worker_timeout=FORGOTTEN_AFTER.total_seconds(),
        )
        self._bench = bench
        # Every run that holds a slot, and of those the ones whose task body is at work.
        self._runs: dict[Run, asyncio.Task[None]] = {}
        self._bodies: dict[Run, asyncio.Task[None]] = {}
        self._taken_away: set[Run] = set()
        self._slot_free = asyncio.Event()
        # Held while jobs are taken, so that a look at the table sees none half taken.
        self._taking = asyncio.Lock()
        self._most = FEWEST_TAKEN
        self._settler = Settler(self._lines["settle"], bench.schema)

    def stop(self) -> None:
        """Take no more jobs; running ones get the plan's time to finish."""
        super().stop()  # type: ignore[no-untyped-call]
        self._slot_free.set()
        self._answers.tell()

    # Taking jobs

    async def _fetch_and_process_jobs(self) -> None:
        pauses = Pauses()
        while not self._stop_event.is_set():
            free = self.concurrency - len(self._runs)
            if free <= 0:
                await self._until_a_slot_is_free()
                continue
            try:
                asked = min(free, self._most)
                found = await self._take(asked)
            except FAULTS as error:
                await self._after_a_fault(error, pauses.take())
                continue
            pauses.reset()
            if found >= asked:
                self._most = min(self.concurrency, self._most * 2)
                continue
            self._most = FEWEST_TAKEN
            if self.wait or not self._runs:
                return
            await self._until_a_slot_is_free()

    async def _take(self, most: int) -> int:
        # Before looking: what is put into the queue while we look is looked for again.
        self._new_job_event.clear()
        async with self._taking:
            worker_id = self.worker_id or 0

            async def ask(connection: Connection) -> list[Fetched]:
                return await fencing.fetch(
                    connection,
                    queues=self._bench.plan.queue_names,
                    worker_id=worker_id,
                    most=most,
                )

            jobs = await self._lines["fetch"].run(ask)
            crashpoint("jobs.after_fetch")
            for job in jobs:
                task = asyncio.create_task(self._process(job), name=f"{job.task}[{job.run.token}]")
                self._runs[job.run] = self._bodies[job.run] = task
                task.add_done_callback(lambda _, run=job.run: self._ended(run))  # type: ignore[misc]
        return len(jobs)

    async def _after_a_fault(self, error: BaseException, pause_s: float) -> None:
        if isinstance(error, errors.ForeignKeyViolation):
            # Given up for dead, and forgotten: the queue knows no worker of our number.
            pause_s = SHORTEST_PAUSE_S
            try:
                await self._beat()
            except FAULTS:
                log.debug("could not register again yet")
        log.warning("the worker cannot reach its queue: %s", type(error).__name__)
        if not self._stop_event.is_set():
            await self._lines["fetch"].pause(pause_s)

    async def _until_a_slot_is_free(self) -> None:
        self._slot_free.clear()
        if self._stop_event.is_set():
            return
        await self._slot_free.wait()

    def _ended(self, run: Run) -> None:
        self._runs.pop(run, None)
        self._bodies.pop(run, None)
        self._taken_away.discard(run)
        self._slot_free.set()

    # Running them

    async def _process(self, job: Fetched) -> None:
        spec = self._bench.specs.get(job.task)
        try:
            failure = TASK_UNKNOWN if spec is None else await self._body(spec, job)
        except asyncio.CancelledError as error:
            if _was_asked_to_stop():
                await self._after_cancelling(job)
                return
            failure = Failure.of(error)
        finally:
            self._bodies.pop(job.run, None)
        if failure is None:
            kept = await self._settler.finish(job.run)
        else:
            kept = await self._settler.give_up(job, spec, failure)
        if not kept:
            _stand_down(job)

    async def _body(self, spec: TaskSpec, job: Fetched) -> Failure | None:
        run = job.run
        context = JobContext(job.args, run.job_id, run.attempts + 1, run.token, run.worker_id)
        self._bench.report.ran += 1
        crashpoint("jobs.before_run")
        try:
            async with asyncio.timeout(spec.hard_cap.total_seconds()):
                await spec.run(context)
        except Refused as refusal:
            # Trying again cannot help; the refusal itself is the outcome.
            log.info("job skipped: %s", refusal.code, extra={"task": spec.name})
        except Exception as error:
            self._bench.report.failed += 1
            failure = Failure.of(error)
            log.warning(
                "job failed: %s",
                failure.error_type,
                # An outage fails many jobs at once, and its stack tells nothing of any of them.
                exc_info=None if failure.trouble is Trouble.OUTAGE else error,
                extra={"task": spec.name, "job": run.job_id},
            )
            return failure
        return None

    async def _after_cancelling(self, job: Fetched) -> None:
        """Stopped from outside: taken away by somebody, or the worker is going."""
        if job.run in self._taken_away:
            _stand_down(job)
            return
        # Cancelled by a shutdown is not an attempt.
        await self._settler.release(job.run)

    # Side tasks

    def _start_side_tasks(self) -> list[asyncio.Task[Any]]:
        if self._bench.ready is not None:
            self._bench.ready()
        duties: list[Coroutine[Any, Any, None]] = [self._keep_alive()]
        if self._bench.listen:
            duties.append(self._keep_listening())
        return [asyncio.create_task(duty) for duty in duties]

    async def _keep_alive(self) -> None:
        pauses = Pauses()
        while True:
            try:
                await self._beat()
            except FAULTS as error:
                log.warning("the worker's heartbeat is not heard: %s", type(error).__name__)
                await self._lines["beat"].pause(pauses.take())
            else:
                pauses.reset()
                await asyncio.sleep(self._bench.windows.heartbeat.total_seconds())

    async def _beat(self) -> None:
        """Say that we live, and find the runs on which we and the database do not agree."""
        plan, schema = self._bench.plan, self._bench.schema
        async with self._taking:
            mine = await self._lines["beat"].run(
                lambda connection: heartbeats.beat(
                    connection, self.worker_id or 0, plan.queue_names, plan.concurrency, schema
                )
            )
            if mine != self.worker_id:
                log.warning("given up for dead while alive; registered again")
                self.worker_id = mine
            believed = await self._lines["beat"].run(
                lambda connection: fencing.running(connection, mine)
            )
            strays = believed - set(self._runs)
            for run, body in self._bodies.items():
                if run not in believed:
                    self._taken_away.add(run)
                    body.cancel()
        for run in strays:
            await self._return_stray(run)

    async def _return_stray(self, run: Run) -> None:
        """A job that stands as ours, and is not among our runs, would stand so for ever."""
        log.warning("a job stood as running here and was not", extra={"job": run.job_id})
        await self._lines["beat"].run(
            lambda connection: fencing.give_up(
                connection, run, STRANDED, schema=self._bench.schema, spec=None, jitter=1.0
            )
        )

    async def _keep_listening(self) -> None:
        channels = [f"procrastinate_queue_v1#{name}" for name in self._bench.plan.queue_names or ()]
        pauses = Pauses()
        while True:
            try:
                await self._listen(channels or [ANY_QUEUE], pauses)
            except FAULTS as error:
                log.warning("the worker hears no notifications: %s", type(error).__name__)
            await self._lines["listen"].close()
            await self._lines["listen"].pause(pauses.take())

    async def _listen(self, channels: list[str], pauses: Pauses) -> None:
        connection = await self._lines["listen"].opened()
        await heartbeats.listen(connection, channels)
        pauses.reset()
        # What was put into the queue while nobody listened.
        self._new_job_event.set()
        while True:
            async for _ in connection.notifies(timeout=LISTENING_CHECK_S):
                self._new_job_event.set()
            async with asyncio.timeout(PATIENCE_S):
                await connection.execute("SELECT 1")

    # Stopping

    async def _shutdown(self, side_tasks: list[asyncio.Task[Any]]) -> None:
        """Let runs finish while the heart still beats, give the rest back, and sign off."""
        if self._runs:
            patience = self._bench.plan.drain_timeout.total_seconds()
            await asyncio.wait(self._runs.values(), timeout=patience)
        left = [*self._runs.values(), *side_tasks]
        for task in self._runs.values():
            task.cancel()
        for duty in side_tasks:
            duty.cancel()
        if self._runs:
            log.warning("stopping with %d runs at work; they go back", len(self._runs))
        if left:
            await asyncio.wait(left, timeout=LAST_WORDS_S)
        self._settler.abandon()
        try:
            await self._lines["beat"].run(
                lambda connection: heartbeats.sign_off(
                    connection, self.worker_id or 0, self._bench.schema
                )
            )
        except FAULTS:
            log.debug("could not sign off; the heartbeat will tell")

    async def close(self) -> None:
        """Throw the connections away."""
        await close_all(self._lines.values())


def _was_asked_to_stop() -> bool:
    """Whether somebody cancelled this task: a body can let a cancellation of its own escape."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


def _stand_down(job: Fetched) -> None:
    log.warning(
        "a run was taken away; it stands down",
        extra={"task": job.task, "job": job.run.job_id, "run": job.run.token},
    )
