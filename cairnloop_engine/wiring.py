"""The composition root: which handler follows which event, and what a worker can run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cairnloop_engine.conversations import jobs as conversation_jobs
from cairnloop_engine.core.database import Database, EventHandler
from cairnloop_engine.core.jobs import Sweep, TaskSpec
from cairnloop_engine.core.rescue import SWEEP_EVERY, rescue_stranded


@dataclass(frozen=True, slots=True)
class Wired:
    """Everything that a worker needs, put together."""

    tasks: Mapping[str, TaskSpec]
    sweeps: Sequence[Sweep]


def handlers() -> dict[type, Sequence[EventHandler]]:
    """In-transaction handlers, in the order in which they run before the commit."""
    return {}


def wire(db: Database) -> Wired:
    """Register every task and every sweep."""
    specs = [*conversation_jobs.tasks(db)]
    tasks = {spec.name: spec for spec in specs}

    async def rescue() -> None:
        await rescue_stranded(db, tasks)

    sweeps = [Sweep("rescue stranded jobs", SWEEP_EVERY, rescue), *conversation_jobs.sweeps(db)]
    return Wired(tasks, sweeps)
