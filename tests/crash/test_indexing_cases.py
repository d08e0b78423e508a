"""A worker killed at every point of indexing a case: the case is whole or absent, and comes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cairnloop_engine import Engine, Settings
from cairnloop_engine.retrieval import case_jobs, cases, indexing
from tests.builders import MAYA, answered_conversation
from tests.engine.retrieval.desk import index

WORKER = """
import asyncio, sys
from cairnloop_engine import Engine, Settings

async def main():
    settings = Settings.load(database_url=sys.argv[1], home=sys.argv[2], embedder="hashing")
    async with Engine(settings) as engine:
        await engine.run_worker(queues=["indexing"], concurrency=1)

asyncio.run(main())
"""
# Where the worker dies, and how many cases and vectors there are by then.
POINTS = {
    "case_read": (0, 0),
    "case_before_commit": (0, 0),
    "case_written": (1, 0),
    "vectors_made": (1, 0),
}
WHOLE = (1, 4)


def test_every_crash_point_of_indexing_a_case_has_a_case() -> None:
    source = "".join(
        Path(module.__file__).read_text(encoding="utf-8") for module in (case_jobs, indexing)
    )

    assert set(re.findall(r'crashpoint\("retrieval\.(\w+)"\)', source)) == set(POINTS)


@pytest.fixture
async def desk(own_database: str, home: Path) -> AsyncIterator[Engine]:
    settings = Settings.load(database_url=own_database, home=home, embedder="hashing")
    async with Engine(settings) as engine:
        yield engine


async def row(desk: Engine, statement: str) -> tuple[Any, ...]:
    async with desk.db.engine.begin() as connection:
        return tuple((await connection.execute(text(statement))).one())


async def stored(desk: Engine) -> tuple[Any, ...]:
    return await row(
        desk,
        "SELECT (SELECT count(*) FROM cairnloop.resolved_cases),"
        " (SELECT count(*) FROM cairnloop.search_vectors)",
    )


async def statistics(desk: Engine) -> tuple[Any, ...]:
    return await row(
        desk,
        "SELECT n_docs, sum_title, sum_body, (SELECT sum(n_docs) FROM cairnloop.search_lexemes)"
        " FROM cairnloop.search_corpora",
    )


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_while_indexing_a_case_leaves_it_to_the_next(
    desk: Engine, own_database: str, home: Path, point: str
) -> None:
    conversation_id = await answered_conversation(desk)
    await desk.conversations.resolve(MAYA, conversation_id)
    doomed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        own_database,
        str(home),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CAIRNLOOP_CRASH_AT": f"retrieval.{point}"},
    )
    async with asyncio.timeout(60):
        assert await doomed.wait() == -signal.SIGKILL
    left_behind = await stored(desk)

    # What half a minute of silence would do: the dead worker's heartbeat is old.
    await row(
        desk,
        "UPDATE public.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
        " RETURNING id",
    )
    [rescue] = [one for one in desk._wired.sweeps if one.name == "rescue stranded jobs"]
    await rescue.run()
    await index(desk)

    assert left_behind == POINTS[point]
    assert await stored(desk) == WHOLE
    counted = await statistics(desk)
    async with desk.db.work(MAYA) as work:
        await cases.recount(work)
    assert counted == await statistics(desk)
