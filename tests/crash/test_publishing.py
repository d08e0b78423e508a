"""A process killed while it publishes: what was current stays current, and nothing is half done."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.model import ImportStatus, RevisionState

MAYA = Caller.operator("maya")

DOOMED = """
import asyncio, sys
from pathlib import Path
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.crashpoints import arm
from cairnloop_engine.core.ids import ArticleId

MAYA = Caller.operator("maya")

async def main():
    settings = Settings.load(database_url=sys.argv[1], embedder="hashing")
    async with Engine(settings) as engine:
        arm("knowledge.before_publish_commit", passing=int(sys.argv[3]))
        if sys.argv[2].isdigit():
            await engine.knowledge.publish(MAYA, ArticleId(int(sys.argv[2])))
        else:
            await engine.knowledge.import_folder(MAYA, Path(sys.argv[2]))

asyncio.run(main())
"""


@pytest.fixture
async def desk(own_database: str, home: Path) -> AsyncIterator[Engine]:
    settings = Settings.load(database_url=own_database, home=home, embedder="hashing")
    async with Engine(settings) as engine:
        yield engine


async def killed(url: str, what: object, *, passing: int = 1) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DOOMED, url, str(what), str(passing)),
        cwd=Path(__file__).parents[2],
        env={**os.environ},
    )
    async with asyncio.timeout(60):
        assert await process.wait() == -signal.SIGKILL


async def count(desk: Engine, table: str) -> int:
    async with desk.db.engine.connect() as connection:
        found = await connection.scalar(text(f"SELECT count(*) FROM {table}"))
        return int(found)


@pytest.mark.slow
async def test_a_publisher_killed_before_the_commit_changes_nothing(
    desk: Engine, own_database: str
) -> None:
    saved = await desk.knowledge.create(MAYA, "Keys", "Press revoke")
    await desk.knowledge.publish(MAYA, saved.article_id)
    before = await desk.knowledge.article(MAYA, saved.article_id)
    await desk.knowledge.save_draft(
        MAYA, saved.article_id, "Press generate", expected_version=before.edit_version
    )
    kept = [await count(desk, f"cairnloop.{name}") for name in ("chunks", "search_postings")]
    jobs = await count(desk, "public.procrastinate_jobs")

    await killed(own_database, saved.article_id)

    view = await desk.knowledge.article(MAYA, saved.article_id)
    assert [(r.version, r.state) for r in view.revisions] == [
        (2, RevisionState.DRAFT),
        (1, RevisionState.PUBLISHED),
    ]
    assert [
        await count(desk, f"cairnloop.{name}") for name in ("chunks", "search_postings")
    ] == kept
    assert await count(desk, "public.procrastinate_jobs") == jobs
    # It let go of every lock: the next one publishes at once.
    done = await desk.knowledge.publish(MAYA, saved.article_id)
    assert (done.version, done.state) == (2, RevisionState.PUBLISHED)
    assert await count(desk, "public.procrastinate_jobs") == jobs + 1


@pytest.mark.slow
async def test_an_import_killed_on_its_way_is_finished_by_the_next(
    desk: Engine, own_database: str, tmp_path: Path
) -> None:
    for number in range(4):
        (tmp_path / f"{number}.md").write_text(
            f"# Article {number}\nSee [the last](3.md). Words of {number}."
        )

    await killed(own_database, tmp_path, passing=3)
    stored = await count(desk, "cairnloop.articles")
    report = await desk.knowledge.import_folder(MAYA, tmp_path)

    first = await desk.knowledge.article(MAYA, ArticleId(report.items[0].article_id or 0))
    assert stored == 2
    assert [item.status for item in report.items] == [
        *(ImportStatus.UNCHANGED, ImportStatus.UNCHANGED),
        *(ImportStatus.CREATED, ImportStatus.CREATED),
    ]
    # What the killed one stored leads on to what came later.
    assert [link.article_id for link in first.links] == [report.items[3].article_id]
    assert not [item for item in report.items if item.broken_links]
