"""A small support desk on real Postgres: conversations and drafting, with a grounder that obeys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations import jobs as conversation_jobs
from cairnloop_engine.conversations.facade import Conversations
from cairnloop_engine.conversations.model import Ingested
from cairnloop_engine.core.database import Database, EventHandler, assert_no_transaction
from cairnloop_engine.core.ids import ConversationId, DraftId
from cairnloop_engine.core.jobs import Enqueuer, JobContext
from cairnloop_engine.drafting import jobs
from cairnloop_engine.drafting.adapters.scoria import Scoria
from cairnloop_engine.drafting.facade import Drafting
from cairnloop_engine.drafting.handlers import handlers
from cairnloop_engine.drafting.jobs import DraftingParts
from cairnloop_engine.drafting.model import DraftingConfig
from cairnloop_engine.drafting.policy import RequireApproval
from cairnloop_engine.drafting.ports import (
    ActionSuggester,
    AutomationPolicy,
    DraftGenerator,
    NoSuggestions,
    Outcome,
    SuggestedAction,
)
from cairnloop_engine.drafting.reads import DraftView
from cairnloop_engine.retrieval.model import GroundingBundle, GroundingStatus
from tests.engine.drafting.builders import bundle
from tests.fakes import FixedClock

MAYA = Caller.operator("maya")
NOOR = Caller.operator("noor")
ACME = Caller.customer("acme")


@dataclass
class ScriptedGround:
    """Answers every question as told, and remembers what it was asked."""

    status: GroundingStatus = GroundingStatus.STRONG
    answer: GroundingBundle | None = None
    error: Exception | None = None
    meanwhile: Callable[[], Awaitable[object]] | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, caller: Caller, query: str, *, attempts: int) -> GroundingBundle:
        assert_no_transaction("the scripted grounding")
        self.asked.append((query, attempts))
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            await happen()
        if self.error is not None:
            raise self.error
        return self.answer or bundle(query=query, status=self.status, attempts=attempts)


@dataclass
class Desk:
    """What an edge and a worker would use, wired for these tests."""

    db: Database
    clock: FixedClock
    conversations: Conversations
    drafting: Drafting
    drafter: jobs.Drafter
    ground: ScriptedGround

    async def customer_writes(self, text: str = "How do I rotate my API key?") -> Ingested:
        return await self.conversations.ingest(ACME, customer_ref="acme", text=text)

    async def waiting_jobs(self) -> list[JobContext]:
        """Every drafting job in the queue, due or not, oldest first."""
        rows = await self.rows(
            "SELECT id, args FROM public.procrastinate_jobs"
            " WHERE task_name = 'drafting.draft' AND status = 'todo' ORDER BY id"
        )
        return [JobContext(row["args"], row["id"], 1) for row in rows]

    async def run_due(self) -> int:
        """Run the drafting jobs whose time has come, as a worker would; returns how many."""
        ran = 0
        rows = await self.rows(
            "SELECT id, args FROM public.procrastinate_jobs WHERE task_name = 'drafting.draft'"
            " AND status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= :now) ORDER BY id",
            now=self.clock.now(),
        )
        for row in rows:
            await self.drafter.run(JobContext(row["args"], row["id"], 1))
            await self.write("DELETE FROM public.procrastinate_jobs WHERE id = :id", id=row["id"])
            ran += 1
        return ran

    async def drafted(self, text: str = "How do I rotate my API key?") -> DraftView:
        """A customer's message and the draft that waits for it."""
        received = await self.customer_writes(text)
        return await self.draft_for(received.conversation_id)

    async def draft_for(self, conversation_id: ConversationId) -> DraftView:
        """Let the delay pass, run what is due, and return the draft that waits."""
        self.clock.advance(self.drafting.config.draft_delay)
        await self.run_due()
        waiting = await self.drafting.pending_for(MAYA, conversation_id)
        assert waiting is not None
        return waiting

    async def pending(self, conversation_id: ConversationId) -> DraftView | None:
        return await self.drafting.pending_for(MAYA, conversation_id)

    async def statuses(self) -> list[str]:
        """Every draft's status, oldest first."""
        page = await self.drafting.drafts(MAYA, limit=100)
        return [row.status.value for row in reversed(page.items)]

    async def seen_by_customer(self, conversation_id: ConversationId) -> list[str]:
        views = await self.conversations.customer_messages(ACME, conversation_id=conversation_id)
        return [view.content for view in views[1]]

    async def decisions(self) -> list[tuple[str, str]]:
        """Every decision with who took it, oldest first."""
        rows = await self.rows(
            "SELECT decision, actor_kind || ' ' || actor_id AS who"
            " FROM cairnloop.draft_decisions ORDER BY id"
        )
        return [(row["decision"], row["who"]) for row in rows]

    async def audited(self, prefix: str = "drafting.") -> list[str]:
        rows = await self.rows(
            "SELECT action FROM cairnloop.audit_events WHERE action LIKE :like ORDER BY id",
            like=f"{prefix}%",
        )
        return [row["action"] for row in rows]

    async def marked(self, conversation_id: ConversationId) -> tuple[int | None, str | None]:
        """What the inbox shows of a waiting draft."""
        row = await self.conversations.conversation(MAYA, conversation_id)
        return row.draft_id, row.draft_type

    async def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.db.engine.connect() as connection:
            return (await connection.execute(text(statement), values)).mappings().all()

    async def write(self, statement: str, **values: Any) -> None:
        async with self.db.engine.begin() as connection:
            await connection.execute(text(statement), values)


async def nothing_to_propose(
    caller: Caller, draft_id: DraftId, conversation_id: ConversationId, action: SuggestedAction
) -> Outcome:
    """The desk's drafts suggest no action."""
    raise AssertionError("nothing was suggested")


def open_desk(
    engine: Engine,
    clock: FixedClock,
    *,
    config: DraftingConfig | None = None,
    generator: DraftGenerator | None = None,
    policy: AutomationPolicy | None = None,
    suggester: ActionSuggester | None = None,
    hears: Mapping[type, Sequence[EventHandler]] | None = None,
) -> Desk:
    """A desk on the engine's database with parts of the test's choosing."""
    config = config or DraftingConfig()
    ground = ScriptedGround()
    enqueuer = Enqueuer()
    db = Database(
        engine.db.engine,
        enqueuer=enqueuer,
        clock=clock,
        schema=engine.db.schema,
        handlers={**handlers(config), **(hears or {})},
        keys=engine.db.keys,
    )
    parts = DraftingParts(
        ground,
        generator or Scoria(),
        policy or RequireApproval(),
        suggester=suggester or NoSuggestions(),
    )
    drafting = jobs.tasks(db, parts, config, propose=nothing_to_propose)
    specs = [*conversation_jobs.tasks(db), *drafting]
    enqueuer.know({spec.name: spec for spec in specs})
    drafter = jobs.Drafter(db, parts, config)
    return Desk(db, clock, Conversations(db), Drafting(db, config), drafter, ground)
