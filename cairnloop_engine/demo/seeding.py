"""Loads parts of the scenario into a database, with a clock that the story moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.audit import service as audit
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.clock import Clock, SystemClock
from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.demo import sink
from cairnloop_engine.demo.actions import Acting
from cairnloop_engine.demo.articles import Library, shown_title
from cairnloop_engine.demo.clock import StoryClock
from cairnloop_engine.demo.files import HOSTILE, cast, story
from cairnloop_engine.demo.parts import billing_file, with_actions
from cairnloop_engine.demo.scenario import Part
from cairnloop_engine.demo.story import Teller, Told
from cairnloop_engine.engine import Engine
from cairnloop_engine.settings import Settings

LOADED = "demo.loaded"
LOADER = "demo"
HOSTILE_WORKSPACE = "hostile"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one part: ``fresh`` is False when it had been loaded before."""

    part: str
    workspace: str
    articles: int
    conversations: int
    fresh: bool


def story_settings(settings: Settings, *, billing: str | None = None) -> Settings:
    """The settings of a load: whatever the host configured, the story comes out the same."""
    return with_actions(settings, billing=billing).with_changes(
        draft_delay=5.0,
        auto_send_enabled=False,
        automation_policy=None,
        draft_generator=None,
        drafting_model="scoria",
        query_rewriter=None,
        context_provider=None,
        reply_hold=0.0,
        max_message_length=1_000_000,
        identity_provider=None,
        approval_overrides=(),
        approval_loosening=False,
        distinct_approver_for=("high_write",),
        tool_attempts=3,
    )


@asynccontextmanager
async def opened(settings: Settings, clock: StoryClock) -> AsyncIterator[Engine]:
    """An engine that lives in the story, with the demo's billing system beside it."""
    async with (
        sink.running(billing_file(settings), clock=clock) as url,
        Engine(story_settings(settings, billing=url), clock=clock) as engine,
    ):
        yield engine


async def seed(
    settings: Settings,
    parts: Sequence[Part],
    *,
    now: datetime | None = None,
    told: Told | None = None,
    clock: Clock | None = None,
) -> list[Loaded]:
    """Load parts of the scenario; what is already there stays as it is.

    The story happens before ``now``, which must not lie in the future: the jobs of the story
    would not be due.

    Raises:
        Invalid: ``now_in_future``.
        Conflict: ``demo_outdated``.
        Unavailable: ``demo_stuck`` or the database is away; run it again to go on.
    """
    today = (clock or SystemClock()).now()
    moment = now or today
    if moment > today:
        raise Invalid(
            "now_in_future", "The story cannot happen in the future: give an earlier now."
        )
    story_clock = StoryClock(moment)
    async with opened(settings, story_clock) as engine:
        if not (await engine.operations.schema()).is_current:
            await engine.migrate()
        return [await load(engine, story_clock, part, now=moment, told=told) for part in parts]


async def load(
    engine: Engine, clock: StoryClock, part: Part, *, now: datetime, told: Told | None = None
) -> Loaded:
    """Load one part, unless the audit trail tells that it was loaded before."""
    operator = operator_of(part, engine.settings)
    fresh = not await was_loaded(engine, operator, part)
    if fresh:
        await _load(engine, clock, part, operator, now=now, told=told)
    return Loaded(part.name, operator.workspace, len(part.articles), len(part.conversations), fresh)


def operator_of(part: Part, settings: Settings) -> Caller:
    """The story's operator, in the workspace where the part belongs."""
    workspace = HOSTILE_WORKSPACE if part.name == HOSTILE else settings.workspace
    return Caller.operator(cast().operator, workspace)


async def was_loaded(engine: Engine, caller: Caller, part: Part) -> bool:
    """Whether this part was loaded to its end, some time."""
    page = await engine.audit.events(caller, filter=AuditFilter(action=LOADED), limit=50)
    return any(event.facts.get("part") == part.name for event in page.items)


async def _load(
    engine: Engine,
    clock: StoryClock,
    part: Part,
    operator: Caller,
    *,
    now: datetime,
    told: Told | None,
) -> None:
    total = len(part.articles) + len(part.conversations)
    library = Library(engine, clock, operator, hidden_is_meant=part.name == HOSTILE)
    await library.load(part.articles, now=now)
    if told is not None:
        told(len(part.articles), total)

    teller = await _teller(engine, clock, operator, library)
    for done, conversation in enumerate(part.conversations, start=len(part.articles) + 1):
        await teller.tell(conversation, now=now)
        if told is not None:
            told(done, total)

    clock.set(now)
    # One job after the other: the ids of the cases follow the story, too.
    await engine.run_worker(queues=[Queues.INDEXING, Queues.DRAFTING], concurrency=1, drain=True)
    caller = Caller.system(LOADER, operator.workspace)
    async with engine.db.work(caller) as work:
        await audit.record(work, LOADED, subject=("workspace", 0), part=part.name)


async def _teller(engine: Engine, clock: StoryClock, operator: Caller, library: Library) -> Teller:
    ids = await library.ids()
    titles = {article.key: article.title for article in story().articles}
    known = {key: ids[shown_title(title)] for key, title in titles.items() if title in ids}
    colleague = Caller.operator(cast().colleague, operator.workspace)
    acting = Acting(engine, clock, operator, colleague)
    return Teller(engine, clock, operator, acting, known, titles)
