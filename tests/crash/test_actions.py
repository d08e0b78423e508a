"""A worker killed at every point of an action: at most one effect, and the rows tell the truth."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import cairnloop_engine
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.core.rescue import Windows
from cairnloop_engine.governance.model import ApprovalStatus
from cairnloop_engine.wiring import HostParts
from tests.crash.tools import Outside, tools
from tests.waiting import until

MAYA, NOAH = Caller.operator("maya"), Caller.operator("noah")
# As in production, twenty times as fast.
WINDOWS = Windows(
    heartbeat=timedelta(seconds=0.4),
    dead_after=timedelta(seconds=1.5),
    sweep_every=timedelta(seconds=0.4),
    recovering=timedelta(0),
)
WORKER = """
import asyncio, logging, sys
from pathlib import Path
from cairnloop_engine import Engine, Settings
from cairnloop_engine.wiring import HostParts
from tests.crash.tools import tools

# Shown when the test fails.
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")

async def main():
    settings = Settings.load(database_url=sys.argv[1], embedder="hashing", home=sys.argv[3])
    async with Engine(settings, host=HostParts(tools=tools(Path(sys.argv[2])))) as engine:
        await engine.run_worker(queues=["effects"], concurrency=1)

asyncio.run(main())
"""
EXECUTED, UNKNOWN = ApprovalStatus.EXECUTED, ApprovalStatus.EXECUTION_UNKNOWN
ENDED = {EXECUTED, UNKNOWN, ApprovalStatus.EXECUTION_FAILED}


@dataclass(frozen=True)
class Killed:
    """Where a worker dies with which tool, what it has done by then, and how it ends."""

    tool: str
    point: str
    effects_before: int
    ends: ApprovalStatus
    effects: int
    calls: int
    attempts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.tool} at {self.point}"


CASES = (
    Killed("pay", "before_claim", 0, EXECUTED, 1, 1, ("confirmed",)),
    Killed("pay", "prepared", 0, EXECUTED, 1, 1, ("failed", "confirmed")),
    Killed("pay", "started", 0, UNKNOWN, 0, 0, ("unknown",)),
    Killed("pay", "before_record", 1, UNKNOWN, 1, 1, ("unknown",)),
    Killed("pay", "before_record_commit", 1, UNKNOWN, 1, 1, ("unknown",)),
    Killed("pay", "recorded", 1, EXECUTED, 1, 1, ("confirmed",)),
    Killed("credit", "started", 0, EXECUTED, 1, 1, ("unknown", "confirmed")),
    Killed("credit", "before_record", 1, EXECUTED, 1, 2, ("unknown", "confirmed")),
    Killed("charge", "started", 0, EXECUTED, 1, 1, ("failed", "confirmed")),
    Killed("charge", "before_record", 1, EXECUTED, 1, 1, ("confirmed",)),
    Killed("internal_note", "within_before_commit", 0, EXECUTED, 1, 0, ("confirmed",)),
    Killed("internal_note", "within_after_commit", 1, EXECUTED, 1, 0, ("confirmed",)),
)


def test_every_crash_point_of_governed_actions_has_a_case() -> None:
    sources = (Path(cairnloop_engine.__file__).parent / "governance").glob("*.py")
    points = {
        point
        for source in sources
        for point in re.findall(r'crashpoint\("governance\.(\w+)"\)', source.read_text())
    }

    assert points == {case.point for case in CASES}


@pytest.fixture
async def desk(own_database: str, home: Path, tmp_path: Path) -> AsyncIterator[Engine]:
    settings = Settings.load(database_url=own_database, home=home, embedder="hashing")
    host = HostParts(tools=tools(tmp_path))
    async with Engine(settings, host=host, windows=WINDOWS) as engine:
        yield engine


async def rows(desk: Engine, statement: str) -> list[tuple[Any, ...]]:
    async with desk.db.engine.begin() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def effects(desk: Engine, outside: Outside, tool: str) -> int:
    if tool != "internal_note":
        return len(outside.effects())
    ((count,),) = await rows(
        desk, "SELECT count(*) FROM cairnloop.messages WHERE run_key IS NOT NULL"
    )
    return int(count)


async def approved(desk: Engine, tool: str) -> ProposalId:
    given: dict[str, Any] = {"order": "A-17"}
    if tool == "internal_note":
        made = await desk.conversations.ingest(
            Caller.customer("acme"), customer_ref="acme", text="Hello"
        )
        given = {"conversation_id": made.conversation_id, "content": "Called."}
    proposed = await desk.governance.propose(MAYA, tool, given)
    await desk.governance.approve(NOAH, proposed.proposal_id)
    return proposed.proposal_id


async def kill_a_worker(url: str, folder: Path, home: Path, point: str) -> None:
    """A real worker process that dies by SIGKILL at this point."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        url,
        str(folder),
        str(home),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CAIRNLOOP_CRASH_AT": f"governance.{point}"},
    )
    try:
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def another_worker(desk: Engine, action: ProposalId) -> None:
    """A second worker, until the action has ended and the queue is empty."""
    # What half a minute of silence would do: the dead worker's heartbeat is old.
    await rows(
        desk,
        "UPDATE public.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
        " RETURNING id",
    )
    # The reconciler leaves alone what has just moved.
    await rows(
        desk,
        "UPDATE cairnloop.tool_approvals SET updated_at = now() - interval '1 minute' RETURNING id",
    )
    stop = asyncio.Event()
    working = asyncio.create_task(desk.run_worker(queues=["effects"], stop=stop))

    async def ended() -> bool:
        view = await desk.governance.action(MAYA, action)
        left = await rows(
            desk,
            "SELECT 1 FROM public.procrastinate_jobs WHERE status IN ('todo', 'doing')"
            " AND queue_name = 'effects'",
        )
        return view.row.approval_status in ENDED and not left

    try:
        await until(ended, within=40, what="the action has ended")
    finally:
        stop.set()
        await working


@pytest.mark.slow
@pytest.mark.requirement("02-governance:B1")
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_worker_killed_while_it_carries_an_action_out(
    desk: Engine, own_database: str, home: Path, tmp_path: Path, case: Killed
) -> None:
    outside = Outside(tmp_path)
    action = await approved(desk, case.tool)

    await kill_a_worker(own_database, tmp_path, home, case.point)
    assert await effects(desk, outside, case.tool) == case.effects_before
    await another_worker(desk, action)

    view = await desk.governance.action(MAYA, action)
    assert view.row.approval_status is case.ends
    assert tuple(one.state.value for one in view.attempts) == case.attempts
    assert await effects(desk, outside, case.tool) == case.effects
    assert len(outside.calls()) == case.calls
    assert len(set(outside.effects())) == len(outside.effects())
    assert len({one.run_key for one in view.attempts}) == 1
    events = await desk.audit.events(MAYA, filter=AuditFilter(subject=("action", action)))
    trail = [event.action.removeprefix("governance.") for event in events.items]
    for once in ("proposed", "approval_requested", "approved", "revalidation_passed"):
        assert trail.count(once) == 1
    assert trail.count("execution_succeeded") == (case.ends is EXECUTED)
    assert trail.count("execution_unknown") == (case.ends is UNKNOWN)
    if case.ends is UNKNOWN:
        word = "confirmed" if case.effects else "failed"
        settled = await desk.governance.settle(NOAH, action, outcome=word, note="Looked.")
        assert settled.status in ENDED - {UNKNOWN}
