"""First files of a host's own parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cairnloop_cli import skeletons
from cairnloop_cli.answers import Answer
from cairnloop_cli.boundary import conclude, invocation
from cairnloop_cli.registry import plain_typer

gen = plain_typer("Write a working skeleton of a part of your own.", group=True)

Folder = Annotated[
    Path, typer.Option("--folder", help="Where to write it.", file_okay=False, exists=True)
]


@gen.command("tool")
def gen_tool(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as issue_refund.")],
    folder: Folder = Path(),
) -> None:
    """A governed tool that can be proposed, approved and run as it stands."""
    made = skeletons.tool(name, folder)
    skeletons.write(made)
    conclude(
        invocation(ctx).out,
        Answer(
            {"path": str(made.path), "setting": "tools", "value": made.setting, "line": made.line},
            [
                f"Wrote {made.path}. Register it in cairnloop.toml:",
                made.line,
                "Then: cairnloop tools",
            ],
        ),
    )
