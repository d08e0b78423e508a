"""docs/reference/cli.md: every command with its arguments and options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

from cairnloop_cli.main import NAME, _root
from cairnloop_cli.registry import SECTIONS
from tools.reference.code import table

INTRODUCTION = """\
# Command line

Data goes to standard output, narration to standard error. `--json` prints exactly one JSON document
(one for each line with `--watch`); a list is `{"items": [...], "next": cursor or null}`. Names,
options, JSON keys and exit codes are stable; additions are free.

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | refused: understood and turned down, nothing was written |
| 2 | misconfigured, or bad usage |
| 3 | unavailable: a dependency is away, and it is safe to try again |
| 4 | unknown outcome: a person has to look |
| 70 | a bug |
"""

Command = TyperCommand | TyperGroup


def page() -> str:
    root = _root()
    context = root.context_class(root, info_name=NAME)
    shared = _parameters(root, context)
    parts = [INTRODUCTION, "## Global options", "Before or after the command.", shared]
    for title, rows in SECTIONS:
        parts.append(f"## {title}")
        for row in rows:
            parts.extend(_described(row.load(), context))
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _described(command: Command, parent: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=command.name, parent=parent)
    if isinstance(command, TyperGroup) and command.commands:
        for inner in command.commands.values():
            if isinstance(inner, TyperCommand | TyperGroup):
                yield from _described(inner, context)
        return
    yield f"### `{context.command_path}`"
    yield command.help or ""
    yield f"```text\n{context.get_usage().removeprefix('Usage: ')}\n```"
    yield _parameters(command, context)


def _parameters(command: Command, context: Any) -> str:
    records = [parameter.get_help_record(context) for parameter in command.params]
    # The two that install shell completion explain themselves, and are typer's own.
    rows = [(f"`{names}`", help_) for names, help_ in filter(None, records)]
    ours = [row for row in rows if "-completion" not in row[0] and row[0] != "`--help`"]
    return table(("", ""), ours) if ours else ""
