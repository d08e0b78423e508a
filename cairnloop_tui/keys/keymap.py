"""Which key sequence means which command where; refuses a map in which two commands clash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_tui.commands.registry import Command
from cairnloop_tui.keys.sequences import Keys, KeyTable

# What an operator reads for keys whose names are not what is printed on them.
_SHOWN = {
    "enter": "Enter",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "up": "↑",
    "down": "↓",
    "home": "Home",
    "end": "End",
}


def parse_keys(written: str) -> Keys:
    """``"g h"`` is g, then h; names such as ``ctrl+p`` are one key."""
    return tuple(written.split())


def shown_keys(written: str) -> str:
    """A key sequence as help and footer print it."""
    return " ".join(_shown_key(key) for key in parse_keys(written))


def _shown_key(key: str) -> str:
    if key in _SHOWN:
        return _SHOWN[key]
    if key.startswith("ctrl+"):
        return f"Ctrl+{key.removeprefix('ctrl+').upper()}"
    if len(key) > 1 and key[0] == "f" and key[1:].isdigit():
        return key.upper()
    return key


class Keymap:
    """The sequences of every scope, checked when built.

    Raises:
        Misconfigured: ``keys_clash`` with the names of both commands.
    """

    def __init__(self, commands: Iterable[Command], scopes: Iterable[str]) -> None:
        known = tuple(commands)
        self._tables = {scope: _table(scope, known) for scope in scopes}
        self._in_text = {
            scope: _text_table(scope, table, known) for scope, table in self._tables.items()
        }

    def table(self, scope: str, *, in_text: bool) -> KeyTable:
        """The sequences that mean something on a screen, or in a text field of it."""
        return (self._in_text if in_text else self._tables)[scope]


def _table(scope: str, commands: tuple[Command, ...]) -> dict[Keys, str]:
    table: dict[Keys, str] = {}
    for command in commands:
        if not command.is_in(scope):
            continue
        for written in command.keys:
            keys = parse_keys(written)
            _refuse_clash(scope, keys, table.get(keys), command.id)
            table[keys] = command.id
    _refuse_prefixes(scope, table)
    return table


def _refuse_prefixes(scope: str, table: Mapping[Keys, str]) -> None:
    """A sequence that begins with another could never be finished: the shorter one runs first."""
    for shorter, longer in pairwise(sorted(table)):
        if longer[: len(shorter)] == shorter:
            _refuse_clash(scope, longer, table[shorter], table[longer])


def _refuse_clash(scope: str, keys: Keys, one: str | None, other: str) -> None:
    if one is None or one == other:
        return
    written = " ".join(keys)
    raise Misconfigured(
        "keys_clash",
        f"The keys “{written}” mean both {one} and {other} on {scope}. "
        "Give one of them other keys.",
        keys=written,
        scope=scope,
        commands=[one, other],
    )


def _text_table(scope: str, table: KeyTable, commands: tuple[Command, ...]) -> dict[Keys, str]:
    """In a text field only single keys that type nothing may act, and only where declared."""
    acting = {command.id for command in commands if command.acts_in_text(scope)}
    return {
        keys: command_id
        for keys, command_id in table.items()
        if command_id in acting and len(keys) == 1 and len(keys[0]) > 1 and keys[0] != "space"
    }
