"""Workers frozen, thawed, killed and forgotten: one run owns a job, and only that one ends it."""

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

from cairnloop_engine import Engine, Settings
from tests.waiting import until

# Windows of production, ten times as fast and more; a body runs until the test lets it go.
WORKER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from cairnloop_engine import Engine, Settings
from cairnloop_engine.core.connections import Address
from cairnloop_engine.core.jobs import Queues, Sweep, TaskSpec
from cairnloop_engine.core.rescue import Windows, rescue_stranded
from cairnloop_engine.core.supervisor import Supervisor, WorkerPlan

url, folder, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
windows = Windows(
    heartbeat=timedelta(seconds=0.4), dead_after=timedelta(seconds=3),
    sweep_every=timedelta(seconds=0.4), recovering=timedelta(0),
)

async def body(job):
    (folder / f"started-{name}-{job.token}").touch()
    async with asyncio.timeout(60):
        while not (folder / f"go-{name}").exists():
            await asyncio.sleep(0.01)
    (folder / f"ended-{name}-{job.token}").touch()

async def main():
    async with Engine(Settings.load(database_url=url, embedder="hashing")) as engine:
        spec = TaskSpec("crash.wait", Queues.EFFECTS, body)
        async def rescue():
            await rescue_stranded(engine.db, {spec.name: spec}, windows=windows)
        supervisor = Supervisor(
            connection=Address.parse(url).driver_arguments(pgbouncer=False),
            specs=[spec],
            sweeps=[Sweep("rescue", windows.sweep_every, rescue)],
            plan=WorkerPlan(queues=(Queues.EFFECTS,), concurrency=2),
            windows=windows,
        )
        await supervisor.run(asyncio.Event(), ready=(folder / f"ready-{name}").touch)

asyncio.run(main())
"""


BOTH_BEAT = (
    "SELECT count(*) = 2 FROM public.procrastinate_workers"
    " WHERE last_heartbeat > now() - interval '1 second'"
)


@asynccontextmanager
async def worker(url: str, folder: Path, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real worker process, killed when the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, url, str(folder), name, cwd=Path(__file__).parents[2]
    )
    try:
        await until((folder / f"ready-{name}").exists, within=30, what=f"{name} is at work")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def desk(own_database: str, home: Path) -> AsyncIterator[Engine]:
    settings = Settings.load(database_url=own_database, home=home, embedder="hashing")
    async with Engine(settings) as engine:
        yield engine


async def scalar(desk: Engine, statement: str) -> Any:
    async with desk.db.engine.begin() as connection:
        return await connection.scalar(text(statement))


async def enqueue(desk: Engine) -> int:
    return int(
        await scalar(
            desk,
            "INSERT INTO public.procrastinate_jobs (queue_name, task_name)"
            " VALUES ('effects', 'crash.wait') RETURNING id",
        )
    )


async def owner(desk: Engine) -> tuple[Any, ...] | None:
    """The job's state, owner and attempts; None when it is done."""
    async with desk.db.engine.begin() as connection:
        row = (
            await connection.execute(
                text("SELECT status::text, worker_id, attempts FROM public.procrastinate_jobs")
            )
        ).first()
    return None if row is None else tuple(row)


def tokens(folder: Path, what: str, name: str) -> list[str]:
    """The runs of which this worker has told this."""
    prefix = f"{what}-{name}-"
    return sorted(path.name.removeprefix(prefix) for path in folder.glob(f"{prefix}*"))


@pytest.mark.slow
@pytest.mark.parametrize("thawed_body_ends", [True, False], ids=["ends", "still runs"])
async def test_a_thawed_worker_neither_ends_nor_repeats_the_run_that_took_its_job_over(
    desk: Engine, own_database: str, tmp_path: Path, thawed_body_ends: bool
) -> None:
    async with worker(own_database, tmp_path, "a") as a:
        await enqueue(desk)
        (first,) = await until(lambda: tokens(tmp_path, "started", "a"), within=20)
        os.kill(a.pid, signal.SIGSTOP)
        async with worker(own_database, tmp_path, "b"):
            (second,) = await until(lambda: tokens(tmp_path, "started", "b"), within=20)
            assert second != first
            taken_over = await owner(desk)
            assert taken_over is not None
            assert taken_over[0] == "doing"
            if thawed_body_ends:
                (tmp_path / "go-a").touch()
            os.kill(a.pid, signal.SIGCONT)

            await until(lambda: scalar(desk, BOTH_BEAT), within=20, what="both hearts beat")
            assert await owner(desk) == taken_over
            assert tokens(tmp_path, "started", "a") == [first]
            if not thawed_body_ends:
                assert tokens(tmp_path, "ended", "a") == []

            (tmp_path / "go-b").touch()
            await until(lambda: _is_done(desk), within=20, what="the job is done")
            assert tokens(tmp_path, "ended", "b") == [second]
            assert tokens(tmp_path, "started", "b") == [second]
        assert a.returncode is None
    assert await scalar(desk, "SELECT count(*) FROM cairnloop.dead_letters") == 0


async def _is_done(desk: Engine) -> bool:
    return await owner(desk) is None


@pytest.mark.slow
async def test_a_worker_that_was_forgotten_while_frozen_registers_again_and_works_on(
    desk: Engine, own_database: str, tmp_path: Path
) -> None:
    (tmp_path / "go-a").touch()
    async with worker(own_database, tmp_path, "a") as a:
        os.kill(a.pid, signal.SIGSTOP)
        forgotten = await scalar(desk, "DELETE FROM public.procrastinate_workers RETURNING id")
        await enqueue(desk)
        os.kill(a.pid, signal.SIGCONT)

        await until(lambda: tokens(tmp_path, "ended", "a"), within=20)
        await until(lambda: _is_done(desk), within=20, what="the job is done")
        assert a.returncode is None
        assert await scalar(desk, "SELECT id FROM public.procrastinate_workers") > forgotten


@pytest.mark.slow
async def test_a_killed_workers_job_runs_elsewhere_as_the_same_job_and_another_run(
    desk: Engine, own_database: str, tmp_path: Path
) -> None:
    (tmp_path / "go-b").touch()
    async with worker(own_database, tmp_path, "a") as a:
        job_id = await enqueue(desk)
        (first,) = await until(lambda: tokens(tmp_path, "started", "a"), within=20)
        async with worker(own_database, tmp_path, "b"):
            a.kill()
            (second,) = await until(lambda: tokens(tmp_path, "ended", "b"), within=20)

    assert first.split(".")[0] == second.split(".")[0] == str(job_id)
    assert (first.split(".")[2], second.split(".")[2]) == ("1", "2")
