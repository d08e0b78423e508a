"""The root of the command line: its global options, and one run from arguments to exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from cairnloop_cli.boundary import BAD_USAGE, Invocation, guarded
from cairnloop_cli.options import Arranged, arrange
from cairnloop_cli.output import Output, forgive_encoding
from cairnloop_cli.registry import Commands
from cairnloop_engine.core.text import storable

NAME = "cairnloop"
ABOUT = (
    "Support that leaves a trail: a support desk in your terminal, on your own Postgres.\n\n"
    "Global options may stand before or after the command. Exit codes: 0 done, 1 refused, "
    "2 misconfigured or bad usage, 3 unavailable, 4 unknown outcome, 70 bug."
)

AsJson = Annotated[
    bool, typer.Option("--json", envvar="CAIRNLOOP_JSON", help="Print one JSON document.")
]
Operator = Annotated[
    str | None,
    typer.Option(
        "--operator",
        envvar="CAIRNLOOP_OPERATOR",
        metavar="NAME",
        help="Your name in the audit trail; without it nothing can be changed.",
    ),
]
Workspace = Annotated[
    str | None,
    typer.Option(
        "--workspace", envvar="CAIRNLOOP_WORKSPACE", metavar="NAME", help="Where to work."
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="CAIRNLOOP_DATABASE_URL",
        metavar="URL",
        help="Postgres to use; without it the embedded one.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="CAIRNLOOP_CONFIG",
        metavar="FILE",
        help="Settings file; without it ./cairnloop.toml, if there is one.",
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Log to standard error, with the stack of a bug.")
]


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code and raises nothing."""
    forgive_encoding()
    arranged = arrange(arguments)
    out = Output(as_json=arranged.json)
    mistake = _mistake(arranged)
    if mistake is not None:
        out.failure("usage", mistake, {}, word="usage")
        return BAD_USAGE

    def command() -> int | None:
        given = list(arranged.arguments) or ["--help"]
        result = _root().main(given, prog_name=NAME, standalone_mode=False, obj=out)
        if not arranged.arguments:
            return BAD_USAGE
        return result if isinstance(result, int) else None

    return guarded(command, out, debug="--debug" in arranged.arguments)


def _mistake(arranged: Arranged) -> str | None:
    """What is wrong with a command line, whatever its command."""
    if arranged.lacking is not None:
        return f"Option {arranged.lacking} needs a value."
    # Bytes that are no text arrive as lone surrogates, which nothing can store or print.
    if any(storable(argument) != argument for argument in arranged.arguments):
        return "An argument is not valid UTF-8 text."
    return None


def _root() -> Commands:
    app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(help=ABOUT)(_read_globals)
    made = get_command(app)
    if not isinstance(made, Commands):
        raise TypeError("the root is not the table of commands")
    return made


def _read_globals(
    ctx: typer.Context,
    as_json: AsJson = False,
    operator: Operator = None,
    workspace: Workspace = None,
    database_url: DatabaseUrl = None,
    *,
    config: Config = None,
    debug: Debug = False,
) -> None:
    out = ctx.obj
    out.as_json = out.as_json or as_json
    ctx.obj = Invocation(out, operator, workspace, database_url, config, debug)
