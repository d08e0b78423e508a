"""What an import says: a row for each file, or with ``--watch`` a line for each change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cairnloop_cli.answers import Answer, Table, listing
from cairnloop_cli.boundary import Desk, invocation, serve, with_desk
from cairnloop_cli.phrases import count
from cairnloop_cli.stopping import until_stopped
from cairnloop_cli.values import view
from cairnloop_engine.core.errors import CairnloopError
from cairnloop_engine.core.text import humanise
from cairnloop_engine.knowledge.model import How, ImportStatus

if TYPE_CHECKING:
    from cairnloop_engine.knowledge.importing import ImportItem, ImportReport

MOST_LINKS_TOLD = 3


def serve_import(ctx: typer.Context, folder: Path, how: How, *, watch: bool) -> None:
    """Take a folder in, once, or with ``watch`` until somebody ends it."""
    if watch:
        with_desk(invocation(ctx), lambda desk: _follow(desk, folder, how))
        return
    serve(ctx, lambda desk: _once(desk, folder, how))


async def _once(desk: Desk, folder: Path, how: How) -> Answer:
    with desk.out.progress("Importing") as progress:

        def tell(done: int, total: int, item: ImportItem) -> None:
            progress.step(done, total)

        report = await desk.engine.knowledge.import_folder(
            desk.caller,
            folder,
            publish=how.publish,
            acknowledge_hidden=how.acknowledge_hidden,
            prune=how.prune,
            force=how.force,
            progress=tell,
        )
    return _imported(report)


async def _follow(desk: Desk, folder: Path, how: How) -> None:
    n_told = 0
    with until_stopped() as stop, desk.out.progress("Importing") as progress:

        def step(done: int, total: int, item: ImportItem) -> None:
            progress.step(done, total)
            if done == total:
                progress.end()

        def tell(item: ImportItem) -> None:
            nonlocal n_told
            n_told += 1
            if desk.out.as_json:
                desk.out.document(view(item), one_line=True)
            else:
                note = _note(item)
                said = f"{humanise(item.status.value)}: {item.path}"
                desk.out.line(f"{said} · {note}" if note else said)
            if desk.out.gone:
                stop.set()

        def trouble(error: CairnloopError) -> None:
            desk.out.note(f"{error.message} Trying again. ({error.code})")

        desk.out.note("Following the folder. Ctrl+C ends it.")
        follower = desk.engine.knowledge.follow_folder(
            desk.caller, how=how, stop=stop, tell=tell, trouble=trouble, progress=step
        )
        await follower.follow(folder)
    desk.out.note(f"Stopped after {count(n_told, 'change')}.")


def _imported(report: ImportReport) -> Answer:
    rows = [(humanise(item.status.value), item.path, _note(item)) for item in report.items]
    statuses = sorted({item.status for item in report.items})
    tally = ", ".join(f"{report.count(status)} {status.value}" for status in statuses)
    table = Table(
        ("RESULT", "FILE", "NOTE"), rows, whole=True, empty="The folder holds no Markdown."
    )
    made = listing([view(item) for item in report.items], table, ok=not report.failed)
    notes = [f"{count(len(report.items), 'file')}: {tally or 'nothing to do'}."]
    if any(item.status is ImportStatus.MISSING for item in report.items):
        notes.append("Articles whose files are missing stay; `--prune` archives them.")
    return Answer(made.data, made.shown, notes, ok=made.ok)


def _note(item: ImportItem) -> str:
    """Why, where, and which links lead nowhere."""
    parts = [item.message] if item.message else []
    if item.line is not None:
        parts.append(f"line {item.line}")
    if item.broken_links:
        shown = ", ".join(item.broken_links[:MOST_LINKS_TOLD])
        more = len(item.broken_links) - MOST_LINKS_TOLD
        rest = f" and {more} more" if more > 0 else ""
        parts.append(f"no article for the link to {shown}{rest}")
    return "; ".join(part.removesuffix(".") for part in parts)
