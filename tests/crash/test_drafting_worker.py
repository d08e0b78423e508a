"""A worker killed in the middle of drafting: the question still gets its draft, and only one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.ids import ConversationId
from tests.waiting import until

MAYA = Caller.operator("maya")
ACME = Caller.customer("acme")

WORKER = """
import asyncio, sys
from cairnloop_engine import Engine, Settings

async def main():
    settings = Settings.load(database_url=sys.argv[1], embedder="hashing", draft_delay=0.0)
    async with Engine(settings) as engine:
        await engine.run_worker(queues=["drafting"], concurrency=1)

asyncio.run(main())
"""


@asynccontextmanager
async def worker(url: str, *, crash_at: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    """A real worker process of the drafting queue, killed when the block ends."""
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        url,
        cwd=root,
        env={**os.environ, "CAIRNLOOP_CRASH_AT": crash_at},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def desk(own_database: str, home: Path) -> AsyncIterator[Engine]:
    """An engine whose drafts are due at once, on a database that processes may share."""
    settings = Settings.load(
        database_url=own_database, home=home, embedder="hashing", draft_delay=0.0
    )
    async with Engine(settings) as engine:
        yield engine


async def scalar(desk: Engine, statement: str) -> Any:
    async with desk.db.engine.begin() as connection:
        return await connection.scalar(text(statement))


async def drafts(desk: Engine) -> int:
    return int(await scalar(desk, "SELECT count(*) FROM cairnloop.drafts"))


async def gaps(desk: Engine) -> int:
    """The knowledge base of this desk is empty, so every draft leaves one."""
    return int(await scalar(desk, "SELECT count(*) FROM cairnloop.gap_events"))


async def nothing_left(desk: Engine) -> bool:
    """Whether the queue holds no drafting job and the list no request."""
    left = await scalar(
        desk,
        "SELECT (SELECT count(*) FROM public.procrastinate_jobs WHERE status IN ('todo', 'doing')"
        " AND task_name = 'drafting.draft') + (SELECT count(*) FROM cairnloop.pending_work)",
    )
    return bool(left == 0)


async def ask(desk: Engine, words: str = "How do I rotate my API key?") -> ConversationId:
    received = await desk.conversations.ingest(ACME, customer_ref="acme", text=words)
    return received.conversation_id


@pytest.mark.slow
@pytest.mark.requirement("03-retrieval-drafting:102")
@pytest.mark.parametrize(
    ("point", "left_behind"),
    [
        ("drafting.before_record", 0),
        ("drafting.before_commit", 0),
        ("drafting.after_record", 1),
    ],
)
async def test_a_worker_killed_while_drafting_leaves_exactly_one_draft(
    desk: Engine, own_database: str, point: str, left_behind: int
) -> None:
    conversation_id = await ask(desk)

    async with worker(own_database, crash_at=point) as doomed:
        async with asyncio.timeout(30):
            assert await doomed.wait() == -signal.SIGKILL
    assert await drafts(desk) == await gaps(desk) == left_behind
    assert not await nothing_left(desk)

    # What half a minute of silence would do: the dead worker's heartbeat is old.
    await scalar(
        desk,
        "UPDATE public.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
        " RETURNING id",
    )
    async with worker(own_database):
        await until(lambda: nothing_left(desk), within=30, what="the request is settled")

    assert await drafts(desk) == await gaps(desk) == 1
    waiting = await desk.drafting.pending_for(MAYA, conversation_id)
    assert waiting is not None
    created = (await desk.audit.events(MAYA)).items
    assert [event.action for event in created].count("drafting.created") == 1


@pytest.mark.slow
async def test_a_message_that_arrives_while_the_worker_is_dead_gets_the_only_draft(
    desk: Engine, own_database: str
) -> None:
    conversation_id = await ask(desk, "First question")
    async with worker(own_database, crash_at="drafting.before_record") as doomed:
        async with asyncio.timeout(30):
            await doomed.wait()
    await ask(desk, "Second question")
    await scalar(
        desk,
        "UPDATE public.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
        " RETURNING id",
    )

    async with worker(own_database):
        await until(lambda: nothing_left(desk), within=30, what="both requests are settled")

    assert await drafts(desk) == 1
    waiting = await desk.drafting.pending_for(MAYA, conversation_id)
    assert waiting is not None
    assert waiting.grounding.query.startswith("Second question")
