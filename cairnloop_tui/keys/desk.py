"""The key desk: takes one key after the other and makes it a command, or leaves it to a field."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widgets import Input, TextArea

from cairnloop_tui.keys.guard import Guard, Press
from cairnloop_tui.keys.keymap import Keymap
from cairnloop_tui.keys.sequences import Cancelled, Fed, Ignored, Run, Sequences, Waiting

if TYPE_CHECKING:
    from cairnloop_tui.app import ConsoleApp
    from cairnloop_tui.frame import AnyScreen

# A prefix typed by someone who knows the rest needs no panel.
HINT_AFTER_S = 0.35
# How often to look whether a screen that should answer has gone away.
LOOK_AGAIN_S = 0.2
MOVES = "move."
CONFIRM = "enter"
# What may be pressed while an action stands ready; any other command sends it away.
WHILE_ARMED = frozenset({CONFIRM, "back", "theme", "redraw"})
# What a screen can do before it has read what it is about; everything else waits for that.
GOES = "go."
AT_ONCE = frozenset(
    {
        *("back", "leave", "quit", "help", "palette", "search"),
        *("notifications", "reload", "theme", "redraw"),
    }
)

Typed = events.Key | events.Paste


@dataclass(frozen=True, slots=True)
class Arrived:
    """A key with the moment in which it came, or a paste, which is guarded by its brackets."""

    event: Typed
    press: Press | None

    @property
    def shown(self) -> str:
        return key_name(self.event) if isinstance(self.event, events.Key) else ""


def key_name(event: events.Key) -> str:
    """A key as the keymap writes it: the character it types, or its name."""
    if event.is_printable and event.character not in (None, " "):
        return str(event.character)
    return event.key


class KeyDesk:
    """One per application; knows what was half-typed and what is still to be done.

    A screen comes up in many small steps, and the focus moves in one of its own. So a key waits
    until everything before it has had its effect, and it meets the screen and the field that its
    writer meant, however slow the machine or the database are.
    """

    def __init__(
        self,
        app: ConsoleApp,
        keymap: Keymap,
        guard: Guard,
        pass_on: Callable[[Typed], Awaitable[None]],
    ) -> None:
        self._app = app
        self._keymap = keymap
        self.guard = guard
        self.sequences = Sequences()
        self._pass_on = pass_on
        self._line: deque[Arrived] = deque()
        self._news = asyncio.Event()
        self._busy = False
        self._kept: str | None = None
        self._hint_timer_run = 0

    # Keys come in

    def put(self, event: Typed, *, at: float | None = None) -> None:
        """A key arrived: it is its turn when those before it are done."""
        is_key = isinstance(event, events.Key)
        arrived = Arrived(event, self.guard.pressed(at) if is_key else None)
        if self._kept is not None and arrived.shown == "escape":
            self._kept = None
            self._line.clear()
        else:
            self._line.append(arrived)
        self.look_again()

    def look_again(self) -> None:
        """A key came, or a screen has read what it is about."""
        self._news.set()

    @property
    def is_quiet(self) -> bool:
        """Whether every key has had its effect."""
        return not self._busy and not self._line

    @property
    def typed(self) -> str:
        """What waits for more keys or for its turn, as typed."""
        if self._kept is None:
            return self.sequences.typed
        return self._kept + "".join(arrived.shown for arrived in self._line)

    async def serve(self) -> None:
        """Take keys for as long as the console runs; the body of a worker."""
        await self._settled()
        while True:
            while not self._line:
                await self._something_new()
            arrived = self._line.popleft()
            if arrived.press is not None:
                self.guard.judge(arrived.press)
            self._busy = True
            try:
                if not self._app.screen.is_mounted:
                    await self._settled()
                await self._take(arrived.event)
            finally:
                self._busy = False

    # One key

    async def _take(self, event: Typed) -> None:
        screen, focused = self._app.console_screen, self._app.focused
        in_text = isinstance(focused, Input | TextArea)
        if screen is None or isinstance(event, events.Paste):
            await self._leave_to_field(event)
            return
        if self.guard.is_paste:
            # A paste without brackets outside a text field means nothing.
            self.sequences.clear()
            if in_text:
                await self._leave_to_field(event)
            return
        fed = self._fed(screen, key_name(event), in_text=in_text)
        match fed:
            case Run(command_id=command_id, count=count):
                screen.hide_hints()
                if await self._stands(screen, command_id, key_name(event)):
                    self._run(command_id, count)
                if not command_id.startswith(MOVES):
                    await self._settled()
            case Waiting(rest=rest):
                self._hint_soon(bool(rest))
            case Cancelled():
                screen.hide_hints()
            case Ignored():
                if screen.armed is not None and not in_text:
                    screen.disarm("Disarmed: nothing was done.")
                await self._leave_to_field(event)
        self._app.refresh_chrome()

    def _fed(self, screen: AnyScreen, key: str, *, in_text: bool) -> Fed:
        table = self._keymap.table(screen.scope, in_text=in_text)
        if in_text:
            self.sequences.clear()
            command_id = table.get((key,))
            return Ignored() if command_id is None else Run(command_id, None)
        if key == "escape" and self.step_back():
            return Cancelled()
        return self.sequences.feed(key, table)

    def step_back(self) -> bool:
        """Drop hints and half-typed keys; says whether there were any."""
        screen = self._app.console_screen
        was_pending = self.sequences.clear()
        if screen is not None:
            screen.hide_hints()
        return was_pending

    def _run(self, command_id: str, count: int | None) -> None:
        screen = self._app.console_screen
        if screen is not None and screen.armed is not None:
            if command_id == CONFIRM:
                reason = self.guard.why_not()
                screen.confirm() if reason is None else self._app.warn(reason)
                return
            if command_id not in WHILE_ARMED and not command_id.startswith(MOVES):
                screen.disarm("Disarmed: nothing was done.")
                return
        self._app.call(command_id, count, guard=self.guard)

    # Waiting

    async def _stands(self, screen: AnyScreen, command_id: str, key: str) -> bool:
        """Wait until the screen can do this; False when the operator or the screen went away."""
        if command_id in AT_ONCE or command_id.startswith(GOES) or not screen.is_reading:
            return True
        self._kept = key
        while screen.is_reading and self._kept is not None and screen is self._app.screen:
            screen.refresh_chrome()
            await self._something_new(LOOK_AGAIN_S)
        was_dropped, self._kept = self._kept is None, None
        if was_dropped:
            self._app.say("The keys typed ahead were dropped.")
        # What was read may have sent the focus somewhere.
        await self._settled()
        return not was_dropped and screen is self._app.screen

    async def _leave_to_field(self, event: Typed) -> None:
        """Let the focus have a key, and wait until it has had its effect there."""
        await self._pass_on(event)
        await self._handled()
        if isinstance(event, events.Key) and not event.is_printable:
            # Enter leaves a field, with what that leads to.
            await self._settled()

    async def _settled(self) -> None:
        """Wait until the screen stands and is drawn and the focus is where it was sent."""
        await self._handled()
        screen = self._app.screen
        await self._reached(screen, screen.call_after_refresh)
        await self._reached(self._app, self._app.call_later)

    async def _handled(self) -> None:
        """Wait for what is on its way from the focus up to the application."""
        for node in (self._app.focused or self._app.screen).ancestors_with_self:
            await self._reached(node, node.call_later)

    async def _reached(self, pump: MessagePump, call: Callable[[Callable[[], None]], bool]) -> None:
        """Wait until a pump has worked off what it was sent; one that is gone never answers."""
        reached = asyncio.Event()
        if not call(reached.set):
            return
        while not reached.is_set() and self._is_there(pump):
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await reached.wait()
            except TimeoutError:
                continue

    def _is_there(self, pump: MessagePump) -> bool:
        top = self._app.screen
        # Only the screen on top is drawn, and none of them when the application ends.
        is_covered = isinstance(pump, Screen) and pump is not top
        return pump.is_attached and top.is_attached and not is_covered

    async def _something_new(self, within_s: float | None = None) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            return

    # Hints

    def _hint_soon(self, has_rest: bool) -> None:
        self._hint_timer_run += 1
        this_run = self._hint_timer_run
        if has_rest:
            self._app.set_timer(HINT_AFTER_S, lambda: self._hint(this_run))

    def _hint(self, run: int) -> None:
        screen = self._app.console_screen
        if run != self._hint_timer_run or screen is None or not self.sequences.typed:
            return
        table = self._keymap.table(screen.scope, in_text=False)
        pending = self.sequences.pending
        rest = {
            keys[len(pending)]: command_id
            for keys, command_id in table.items()
            if len(keys) > len(pending) and keys[: len(pending)] == pending
        }
        screen.show_hints("".join(pending), rest)
