"""First steps: the demo, its data, and a first settings file."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Shown, Table
from cairnloop_cli.boundary import conclude, invocation, log_to_stderr
from cairnloop_cli.phrases import count
from cairnloop_cli.values import view
from cairnloop_engine.core.errors import JsonValue

if TYPE_CHECKING:
    from cairnloop_engine.demo.seeding import Loaded
    from cairnloop_engine.demo.verify import Check


def demo(
    ctx: typer.Context,
    reset: Annotated[
        bool, typer.Option("--reset", help="Delete the demo's data first and load it anew.")
    ] = False,
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="No console: walk the stages in a home of its own, report."),
    ] = False,
    no_tui: Annotated[
        bool, typer.Option("--no-tui", help="Start everything but the console, until Ctrl+C.")
    ] = False,
) -> None:
    """Start a whole support desk with a story in it, and open the console."""
    from cairnloop_cli.demo import show  # deferred: --help starts nothing

    asked = invocation(ctx)
    if asked.debug:
        log_to_stderr("DEBUG")
    if smoke:
        from cairnloop_cli.demo.smoke import smoke as walk  # deferred: as above

        conclude(asked.out, walk(asked.out.note))
        return
    if not no_tui:
        show.check_terminal()
    show.show(asked.settings(), show.Wish(reset=reset, console=not no_tui), asked.out)


def seed(
    ctx: typer.Context,
    *,
    reset: Annotated[
        bool,
        typer.Option(
            "--reset",
            help="Empty the database first; a database of yours only if all in it is the demo's.",
        ),
    ] = False,
    states: Annotated[
        bool, typer.Option("--states", help="Add conversations in states the story leaves out.")
    ] = False,
    hostile: Annotated[
        bool, typer.Option("--hostile", help="Add the hostile-text pack, in workspace `hostile`.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Load nothing; compare the database with the story.")
    ] = False,
    now: Annotated[
        datetime | None,
        typer.Option("--now", help="When the story ends, in UTC; without it, this moment."),
    ] = None,
) -> None:
    """Load the demo scenario. Loading it twice changes nothing."""
    from cairnloop_engine.demo import files, seeding  # deferred: --help loads no engine

    asked = invocation(ctx)
    settings = asked.settings()
    parts = [files.story()]
    parts += [files.states()] if states else []
    parts += [files.hostile()] if hostile else []
    if verify:
        from cairnloop_engine.demo.verify import verify as compare  # deferred: as above

        conclude(asked.out, _compared(asyncio.run(compare(settings, parts))))
        return
    if reset:
        from cairnloop_engine.demo.reset import reset as emptied  # deferred: as above

        asyncio.run(emptied(settings))
    moment = None if now is None else now.replace(tzinfo=now.tzinfo or UTC)
    with asked.out.progress("Loading the story") as progress:
        loaded = asyncio.run(seeding.seed(settings, parts, now=moment, told=progress.step))
    conclude(asked.out, _loaded(loaded))


def init(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="Where to write it.", file_okay=False, exists=True)
    ] = Path(),
) -> None:
    """Write a first cairnloop.toml, with every setting explained."""
    from cairnloop_cli.demo import config_file  # deferred: --help loads no settings

    asked = invocation(ctx)
    path = config_file.write(
        folder,
        {
            "operator": asked.operator,
            "workspace": asked.workspace,
            "database_url": asked.database_url,
        },
    )
    conclude(
        asked.out,
        Answer(
            {"path": str(path), "written": True},
            [f"Wrote {path}. Next: `cairnloop migrate`, then `cairnloop doctor`."],
        ),
    )


def _loaded(parts: list[Loaded]) -> Answer:
    documents: list[JsonValue] = [view(part) for part in parts]
    lines = [
        f"{part.part}: {count(part.articles, 'article')}, "
        f"{count(part.conversations, 'conversation')} in workspace {part.workspace}"
        + ("." if part.fresh else " (already there; nothing was changed).")
        for part in parts
    ]
    return Answer({"parts": documents}, lines)


def _compared(checks: list[Check]) -> Answer:
    ok = all(check.ok for check in checks)
    failed = [check for check in checks if not check.ok]
    documents: list[JsonValue] = [view(check) for check in checks]
    rows = [(check.name, check.detail) for check in failed]
    summary = f"{len(checks) - len(failed)} of {len(checks)} checks hold."
    shown: list[Shown] = [summary] if ok else [Table(("FAILED", "FOUND"), rows), summary]
    return Answer({"checks": documents, "ok": ok}, shown, ok=ok)
