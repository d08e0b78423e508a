"""docs/reference/keys.md: what every key of the console does, from the command registry."""

from __future__ import annotations

from cairnloop_tui.commands.catalogue import all_commands
from cairnloop_tui.commands.registry import Command
from tools.reference.code import table

INTRODUCTION = """\
# Keys

One meaning for each key, on every screen. Keys that follow each other are separated by a blank.
Letters act only while no text field has the focus, and no letter alone does anything that a
customer can see: what does is marked *armed* and takes a second key, Enter, after text and
recipient were shown. The palette (Ctrl+P or `:`) lists the same commands by name.
"""


def page() -> str:
    groups: dict[str, list[Command]] = {}
    for command in all_commands():
        groups.setdefault(command.group, []).append(command)
    parts = [INTRODUCTION]
    for group, commands in groups.items():
        rows = [_row(command) for command in commands]
        parts.append(f"## {group}\n\n{table(('keys', 'command', 'does', ''), rows)}\n")
    return "\n".join(parts)


def _row(command: Command) -> tuple[str, ...]:
    keys = " or ".join(f"`{keys}`" for keys in command.keys) or "palette"
    return (keys, command.title, command.help, "armed" if command.arm else "")
