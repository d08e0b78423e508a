"""The key desk: takes each key that no text field wanted and makes it a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.widgets import Input, TextArea

from cairnloop_tui.keys.guard import Guard
from cairnloop_tui.keys.keymap import Keymap
from cairnloop_tui.keys.sequences import Cancelled, Ignored, Run, Sequences, Waiting

if TYPE_CHECKING:
    from cairnloop_tui.app import ConsoleApp

# A prefix typed by someone who knows the rest needs no panel.
HINT_AFTER_S = 0.35
MOVES = "move."
CONFIRM = "enter"
# What may be pressed while an action stands ready; any other command sends it away.
WHILE_ARMED = frozenset({CONFIRM, "back", "theme", "redraw"})


def key_name(event: events.Key) -> str:
    """A key as the keymap writes it: the character it types, or its name."""
    if event.is_printable and event.character not in (None, " "):
        return str(event.character)
    return event.key


class KeyDesk:
    """One per application; knows what was half-typed and how fast keys come."""

    def __init__(self, app: ConsoleApp, keymap: Keymap, guard: Guard) -> None:
        self._app = app
        self._keymap = keymap
        self.guard = guard
        self.sequences = Sequences()
        self._hint_timer_run = 0

    def take(self, event: events.Key) -> bool:
        """Handle one key; False leaves it to whatever else listens."""
        self.guard.pressed()
        screen = self._app.console_screen
        if screen is None:
            return False
        if self.guard.is_paste:
            # A paste without brackets outside a text field means nothing.
            self.sequences.clear()
            return not isinstance(self._app.focused, Input | TextArea)
        key = key_name(event)
        in_text = isinstance(self._app.focused, Input | TextArea)
        table = self._keymap.table(screen.scope, in_text=in_text)
        if in_text:
            self.sequences.clear()
            command_id = table.get((key,))
            if command_id is not None:
                self._run(command_id, None)
            return command_id is not None
        if key == "escape" and self.step_back():
            screen.refresh_chrome()
            return True
        fed = self.sequences.feed(key, table)
        match fed:
            case Run(command_id=command_id, count=count):
                screen.hide_hints()
                self._run(command_id, count)
            case Waiting(rest=rest):
                self._hint_soon(bool(rest))
            case Cancelled():
                screen.hide_hints()
            case Ignored():
                if screen.armed is not None:
                    screen.disarm("Disarmed: nothing was done.")
        screen.refresh_chrome()
        return not isinstance(fed, Ignored)

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
