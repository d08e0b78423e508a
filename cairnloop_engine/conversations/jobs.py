"""The slice's work in the background: letting held replies out when their moment comes."""

from __future__ import annotations

from datetime import timedelta

from cairnloop_engine.conversations import queries, release
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.errors import NotFound
from cairnloop_engine.core.ids import MessageId
from cairnloop_engine.core.jobs import JobContext, Queues, Sweep, TaskSpec

RELEASER = "send-window"


def tasks(db: Database) -> list[TaskSpec]:
    async def release_held(job: JobContext) -> None:
        caller = Caller.system(RELEASER, job.workspace)
        async with db.work(caller) as work:
            await release.release(work, MessageId(job.integer("message_id")))

    return [TaskSpec(release.RELEASE_TASK, Queues.DELIVERY, release_held)]


def sweeps(db: Database) -> list[Sweep]:
    async def release_overdue() -> None:
        """Let out what a lost or failed job left behind."""
        async with db.read(Caller.system(RELEASER)) as read:
            overdue = await queries.overdue_held(read)
        for workspace, message_id in overdue:
            try:
                async with db.work(Caller.system(RELEASER, workspace)) as work:
                    await release.release(work, message_id)
            except NotFound:
                continue

    return [Sweep("release overdue replies", timedelta(seconds=10), release_overdue)]
