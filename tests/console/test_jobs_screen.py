"""The jobs screen: what waits, who works, and what a person does with what was put aside."""

from __future__ import annotations

import pytest

from cairnloop_engine import Caller, Engine
from cairnloop_tui.jobs.screen import JobsScreen
from tests.console.driving import MEDIUM, NARROW, Console, open_console
from tests.engine.core.crew import at_work, enqueue
from tests.engine.operations.test_jobs import put_aside
from tests.fakes import FixedClock

SAM = Caller.operator("sam")


async def _open(console: Console) -> JobsScreen:
    await console.press("g", "j")
    screen = console.app.screen
    assert isinstance(screen, JobsScreen)
    await console.until(lambda: screen.jobs is not None)
    return screen


@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_queues_workers_and_what_was_put_aside_stand_on_one_screen(
    engine: Engine, clock: FixedClock, size: tuple[int, int]
) -> None:
    await put_aside(engine)

    async with at_work(engine, []), open_console(engine, clock, size=size) as console:
        await _open(console)
        await console.shows("1 worker alive", "1 job put aside", "Put aside (1)")
        await console.shows("✗ Failed", "conversations.release", "ZeroDivision")
        await console.shows("drafting", "sweep", "ready", "oldest", "✓ Alive")
        await console.press("enter")
        await console.shows("Job", "queue delivery", "Tried", "First trouble")
        console.proved("go.jobs", "enter")


async def test_a_site_without_trouble_and_without_workers_says_so(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock, size=NARROW) as console:
        await _open(console)
        await console.shows("Nothing was put aside.", "No worker was heard of")
        await console.press("a")
        assert "Only a job that was put aside" in console.status()
        await console.press("enter")
        assert "have more to show" in console.status()


async def test_a_job_is_run_again_only_after_it_was_shown(
    engine: Engine, clock: FixedClock
) -> None:
    letter = await put_aside(engine)

    async with open_console(engine, clock, size=NARROW) as console:
        await _open(console)
        await console.press("a")
        await console.shows("Run the job put aside as 1 again?", "conversations.release", "Tried")
        assert (await engine.operations.jobs(SAM)).dead_letters == 1
        await console.press("enter")
        await console.shows("runs again as job", "Nothing was put aside.")
        await console.press("u")
        assert "cannot be called back" in console.status()
        console.proved("jobs.redrive")

    found = await engine.operations.dead_letters(SAM, settled_too=True)
    assert [(one.id, one.status, one.redriven_by) for one in found.items] == [
        (letter, "redriven", "maya")
    ]


async def test_giving_a_job_up_needs_a_reason(engine: Engine, clock: FixedClock) -> None:
    await put_aside(engine)

    async with open_console(engine, clock, size=NARROW) as console:
        await _open(console)
        await console.press("x", "ctrl+s")
        assert "A reason is required" in console.status()
        await console.type("The customer is gone.")
        await console.press("ctrl+s", "enter")
        await console.shows("is given up", "Nothing was put aside.")
        console.proved("jobs.drop")

    found = await engine.operations.dead_letters(SAM, settled_too=True)
    assert [(one.dropped_by, one.drop_reason) for one in found.items] == [
        ("maya", "The customer is gone.")
    ]


async def test_what_somebody_else_settled_disarms(engine: Engine, clock: FixedClock) -> None:
    letter = await put_aside(engine)

    async with open_console(engine, clock) as console:
        screen = await _open(console)
        await console.press("a")
        await engine.operations.drop(SAM, letter, "Not wanted.")
        await console.until(lambda: screen.armed is None)
        await console.shows("was settled elsewhere")


async def test_without_an_operator_the_jobs_can_only_be_looked_at(
    engine: Engine, clock: FixedClock
) -> None:
    await put_aside(engine)
    await enqueue(engine, "never")

    async with open_console(engine, clock, operator=None) as console:
        await _open(console)
        await console.shows("Put aside (1)")
        for key in ("a", "x"):
            await console.press(key)
            assert "Read-only" in console.status()
    assert (await engine.operations.jobs(SAM)).dead_letters == 1
