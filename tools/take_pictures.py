"""Draws the console over the demo's story, as the pictures that the README and guides show.

Run it with ``python -m tools.take_pictures`` (``make pictures``). Everything is real: the story
is loaded through the services into an embedded Postgres, and the console is driven by keys.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from cairnloop_engine import Engine, Settings
from cairnloop_engine.demo import files, seeding
from cairnloop_tui.app import ConsoleApp
from cairnloop_tui.start import console_for

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
OPERATOR = "demo_operator"
SIZE = (120, 34)
THEME = "cairn-dark"
PATIENCE_S = 30.0
# The drawing names a web font by address; a reader's own monospace font serves as well.
WEB_FONT = re.compile(r"@font-face\s*\{[^}]*\}\s*")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cairnloop-pictures-") as home:
        settings = Settings.load(
            home=Path(home), context_provider="cairnloop_engine.demo.context:DemoContextProvider"
        )
        asyncio.run(seeding.seed(settings, [files.story()]))
        asyncio.run(_draw(settings))


async def _draw(settings: Settings) -> None:
    console = console_for(
        lambda: Engine(settings), settings, operator=OPERATOR, workspace=settings.workspace
    )
    async with console.run_test(size=SIZE) as pilot:
        await _until(pilot, lambda: not console.freshness.opening)
        # Whatever terminal this runs in, the picture shows the console's own colours.
        console.theme = THEME
        await _show(console, pilot, "home")
        await pilot.press("g", "i")
        await _show(console, pilot, "inbox")
        await pilot.press("f", "d")
        await _idle(console, pilot)
        await pilot.press("enter")
        await _show(console, pilot, "conversation")
        await console.close_calmly()


async def _show(console: ConsoleApp, pilot: Pilot[int], name: str) -> None:
    await _idle(console, pilot)
    drawing = WEB_FONT.sub("", console.export_screenshot(title="Cairnloop"))
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"{name}.svg").write_text(drawing)
    print(f"drew docs/pictures/{name}.svg")


async def _idle(console: ConsoleApp, pilot: Pilot[int]) -> None:
    def rests() -> bool:
        calls = [one for one in console.workers if one.group in {"read", "act"}]
        done = all(one.is_finished for one in calls)
        return done and console.lookout.is_quiet and console.desk.is_quiet

    await _until(pilot, rests)


async def _until(pilot: Pilot[int], claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not claim():
            await pilot.pause(0.05)


if __name__ == "__main__":
    main()
