"""Drives a console in a test: press keys, wait until it is settled, look at the frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.events import Key
from textual.keys import _character_to_key, key_to_character
from textual.pilot import Pilot

from cairnloop_engine import Engine
from cairnloop_engine.core.clock import Clock
from cairnloop_tui.app import ConsoleApp
from cairnloop_tui.conversation.screen import ConversationScreen
from cairnloop_tui.inbox.screen import InboxScreen
from cairnloop_tui.keys.guard import Guard
from cairnloop_tui.session import EngineSource, Session

NARROW = (80, 24)
MEDIUM = (120, 34)
# Longer than anything here takes; reached only when something hangs.
PATIENCE_S = 15.0


class Ticks:
    """A monotonic clock on which every look is a second later, as if keys were typed slowly."""

    def __init__(self, step: float = 1.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class RecordingApp(ConsoleApp):
    """The console, and a list of the commands that were called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.called: list[str] = []

    def call(
        self, command_id: str, count: int | None = None, *, guard: Guard | None = None
    ) -> None:
        self.called.append(command_id)
        super().call(command_id, count, guard=guard)


@dataclass
class Console:
    """A running console and its pilot."""

    app: RecordingApp
    pilot: Pilot[int]

    def proved(self, *command_ids: str) -> None:
        """Note for the generated check that this test called these commands, and check it."""
        missing = set(command_ids) - set(self.app.called)
        assert not missing, f"this test never called {sorted(missing)}"

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, each when the one before has had its effect."""
        for key in keys:
            self.press_at_once(key)
            await self.settled()

    def press_at_once(self, *keys: str) -> None:
        """Let keys arrive together, as over a slow line, before the console takes the first."""
        for key in keys:
            name = _character_to_key(key) if len(key) == 1 else key
            # Textual knows the character of most names, not of all.
            known = "/" if key == "slash" else key_to_character(name)
            self.app.post_message(Key(name, key if len(key) == 1 else known))

    async def type(self, text: str) -> None:
        """Type words into the focused field."""
        names = {" ": "space", "\n": "enter"}
        self.press_at_once(*(names.get(character, character) for character in text))
        await self.settled()

    async def settled(self) -> None:
        """Wait until no call is under way and no message is on its way.

        Textual's own pause waits until the process uses no more time, which takes long when an
        engine lives in it; the console itself knows what is still to be done.
        """
        await self.until(self._is_idle)
        # What was read last may have asked for something else.
        await self.until(self._is_idle)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait, bounded, for a condition.

        Raises:
            AssertionError: with the frame, when it does not come true.
        """
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            await self.pilot.pause(0)
            if condition():
                return
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"never came true; the screen shows:\n{self.frame()}")
            await asyncio.sleep(0.01)

    async def shows(self, *words: str) -> None:
        """Wait until all of these stand on the screen."""
        await self.until(lambda: all(word in self.frame() for word in words))

    async def shows_no(self, words: str) -> None:
        await self.until(lambda: words not in self.frame())

    def frame(self) -> str:
        """The screen as plain text: the only use of Textual's compositor."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    def status(self) -> str:
        """The status line."""
        return self.frame().split("\n")[-2]

    @property
    def inbox(self) -> InboxScreen:
        assert isinstance(self.app.screen, InboxScreen)
        return self.app.screen

    @property
    def conversation(self) -> ConversationScreen:
        assert isinstance(self.app.screen, ConversationScreen)
        return self.app.screen

    def footer(self) -> str:
        return self.frame().split("\n")[-1]

    def _is_idle(self) -> bool:
        busy = {"read", "act", "engine-opening"}
        calls = [w for w in self.app.workers if w.group in busy and not w.is_finished]
        return not calls and self.app.lookout.is_quiet and self.app.desk.is_quiet


@asynccontextmanager
async def open_console(
    engine: Engine | EngineSource,
    clock: Clock,
    *,
    size: tuple[int, int] = MEDIUM,
    operator: str | None = "maya",
    state_folder: Path | None = None,
    workspace: str = "default",
    read_only: bool = False,
    ascii_only: bool = False,
    no_color: bool = False,
    monotonic: Callable[[], float] | None = None,
    hold_s: float = 5.0,
) -> AsyncIterator[Console]:
    """A console over an open engine."""
    source = (lambda: nullcontext(engine)) if isinstance(engine, Engine) else engine
    session = Session(
        source, operator=operator, workspace=workspace, read_only=read_only, hold_s=hold_s
    )
    app = RecordingApp(
        session,
        state_folder=state_folder,
        clock=clock,
        monotonic=monotonic or Ticks(),
        ascii_only=ascii_only,
        no_color=no_color,
    )
    async with app.run_test(size=size) as pilot:
        console = Console(app, pilot)
        await console.until(lambda: not app.freshness.opening)
        await console.settled()
        yield console
        await console.settled()
        await app.close_calmly()
        assert app.bugs == []
