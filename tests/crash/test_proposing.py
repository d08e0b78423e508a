"""A worker killed around proposing what a draft suggests: one action for one draft, always."""

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
from cairnloop_engine.drafting.model import SuggestionState
from cairnloop_engine.governance.model import ApprovalStatus
from tests.waiting import until

MAYA = Caller.operator("maya")
ACME = Caller.customer("acme")

WORKER = """
import asyncio, sys
from pathlib import Path
from cairnloop_engine import Engine, Settings
from cairnloop_engine.drafting.ports import SuggestedAction
from cairnloop_engine.wiring import HostParts

class Suggester:
    async def suggest(self, proposal, context):
        note = {"conversation_id": context.conversation_id, "content": "They want a refund."}
        return SuggestedAction("internal_note", note)

async def main():
    settings = Settings.load(
        database_url=sys.argv[1], home=Path(sys.argv[2]), embedder="hashing", draft_delay=0.0
    )
    async with Engine(settings, host=HostParts(action_suggester=Suggester())) as engine:
        await engine.run_worker(queues=["drafting"], concurrency=1)

asyncio.run(main())
"""


@asynccontextmanager
async def worker(
    url: str, home: Path, *, crash_at: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real worker process of the drafting queue, killed when the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        url,
        str(home),
        cwd=Path(__file__).parents[2],
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


async def nothing_left(desk: Engine) -> bool:
    left = await scalar(
        desk,
        "SELECT count(*) FROM public.procrastinate_jobs"
        " WHERE queue_name = 'drafting' AND status IN ('todo', 'doing')",
    )
    return bool(left == 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "proposed"),
    [
        ("drafting.before_propose", 0),
        ("drafting.proposed", 1),
        ("drafting.before_settle_commit", 1),
        ("drafting.settled", 1),
    ],
)
async def test_a_worker_killed_while_proposing_leaves_one_action_for_the_draft(
    desk: Engine, own_database: str, home: Path, point: str, proposed: int
) -> None:
    asked = await desk.conversations.ingest(ACME, customer_ref="acme", text="Refund me, please.")

    async with worker(own_database, home, crash_at=point) as doomed:
        async with asyncio.timeout(30):
            assert await doomed.wait() == -signal.SIGKILL
    assert await scalar(desk, "SELECT count(*) FROM cairnloop.tool_proposals") == proposed

    # What half a minute of silence would do: the dead worker's heartbeat is old.
    await scalar(
        desk,
        "UPDATE public.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
        " RETURNING id",
    )
    async with worker(own_database, home):
        await until(lambda: nothing_left(desk), within=40, what="the suggestion is settled")

    draft = await desk.drafting.pending_for(MAYA, asked.conversation_id)
    (action,) = (await desk.governance.actions(MAYA)).items
    assert draft is not None
    assert draft.suggested is not None
    assert (draft.suggested.state, draft.action_id) == (SuggestionState.PROPOSED, action.id)
    assert action.approval_status is ApprovalStatus.PENDING
    trail = [event.action for event in (await desk.audit.events(MAYA)).items]
    assert trail.count("governance.proposed") == 1
    assert trail.count("drafting.action_settled") == 1
