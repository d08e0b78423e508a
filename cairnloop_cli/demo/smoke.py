"""``demo --smoke``: walks the golden path in a home of its own, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cairnloop_cli.answers import Answer
from cairnloop_cli.demo import stages, stages_actions
from cairnloop_cli.demo.processes import Crew
from cairnloop_cli.demo.report import Walk
from cairnloop_cli.demo.scene import Scene
from cairnloop_cli.demo.signals import stoppable
from cairnloop_cli.demo.stage import Place, Say, database_kept, demo_settings, running
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.embedded import EmbeddedPostgres
from cairnloop_engine.demo import files, seeding, verify
from cairnloop_engine.demo.billing import BillingClient
from cairnloop_engine.demo.scenario import Part

# Quiet after a customer's message before it is drafted; a person may wait longer than a test.
DRAFT_DELAY_S = 1.0
# One conversation of each open state is enough of a neighbourhood.
NEIGHBOURS = ("demo-01", "demo-06", "demo-09")
CUSTOMER = "hooli"

STAGES = (
    (1, "A customer's message is recorded before it is acknowledged", stages.arrives),
    (2, "The inbox shows it in its place", stages.is_listed),
    (3, "The workspace shows thread, context and evidence", stages.is_understood),
    (4, "A grounded draft waits, is approved, and reaches the customer once", stages.is_answered),
    (5, "A governed action is proposed, and people decide about it", stages_actions.is_decided),
    (6, "The worker runs it at most once, and says what happened", stages_actions.runs_once),
    (7, "A named operator resolves the conversation", stages.is_resolved),
)


def smoke(say: Say) -> Answer:
    """Start everything in a temporary home, walk the stages, stop and delete it all.

    Raises:
        CairnloopError: what kept the processes from starting at all.
    """
    with stoppable(), temporary_home() as home:
        settings = demo_settings(_settings(home))
        with database_kept(settings):
            say("Loading articles and conversations into a database of its own.")
            asyncio.run(seeding.seed(settings, [_part()]))
            say("Starting a chat server, a worker and a billing system.")
            with running(settings, say=say, http=False) as (place, crew):
                say("Walking the stages.")
                walk = asyncio.run(_walk(place, crew))
    return walk.answer()


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A home that is deleted with everything in it, its database server included."""
    home = Path(tempfile.mkdtemp(prefix="cairnloop-smoke-"))
    # The account of the database server may pass through; it can read nothing but its own.
    home.chmod(0o711)
    try:
        yield home
    finally:
        EmbeddedPostgres(home).erase()
        shutil.rmtree(home, ignore_errors=True)


async def _walk(place: Place, crew: Crew) -> Walk:
    walk = Walk()
    operator = Caller.operator(place.settings.operator, place.settings.workspace)
    async with Engine(place.settings) as engine:
        awaiting = next(seed for seed in _part().conversations if seed.key == NEIGHBOURS[-1])
        neighbour = await verify.find(engine, operator, awaiting)
        if neighbour is None:
            raise AssertionError("the story was just loaded")
        scene = Scene(
            engine=engine,
            place=place,
            crew=crew,
            operator=operator,
            colleague=Caller.operator(files.cast().colleague, place.settings.workspace),
            customer=files.cast().customers[CUSTOMER],
            neighbour=neighbour.id,
            billing=BillingClient(place.settings.demo_billing_url or ""),
        )
        for number, name, run in STAGES:
            await walk.stage(number, name, partial(run, scene))
    return walk


def _part() -> Part:
    told = files.story()
    chosen = tuple(one for one in told.conversations if one.key in NEIGHBOURS)
    return Part("smoke", told.articles, chosen)


def _settings(home: Path) -> Settings:
    """Defaults alone: neither the environment nor a settings file reaches into the test."""
    return Settings.model_construct(home=home, draft_delay=DRAFT_DELAY_S)
