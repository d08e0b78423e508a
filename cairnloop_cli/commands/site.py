"""Commands of whoever runs the site: migrations and the doctor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Shown
from cairnloop_cli.boundary import Desk, Invocation, conclude, invocation, serve
from cairnloop_cli.phrases import count
from cairnloop_cli.values import to_json
from cairnloop_engine.core.errors import CairnloopError, Misconfigured
from cairnloop_engine.operations.model import (
    CheckStatus,
    DoctorReport,
    without_engine,
    without_settings,
)

if TYPE_CHECKING:
    from cairnloop_engine import Settings


def migrate(
    ctx: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 when migrations are missing.")
    ] = False,
) -> None:
    """Bring the database to this release's schema. Safe to run twice, and by many at once."""
    serve(ctx, _compared if check else _migrated)


async def _migrated(desk: Desk) -> Answer:
    done = await desk.engine.migrate()
    applied = list(done.applied)
    said = f"Applied {count(len(applied), 'migration')}." if applied else "Nothing to apply."
    return Answer(
        {"applied": [*applied], "head": done.head, "before": done.before},
        [f"{said} The schema is at {done.head}."],
    )


async def _compared(desk: Desk) -> Answer:
    schema = await desk.engine.operations.schema()
    now, head = schema.current, schema.head
    said = f"The schema is at {now}." if now else "The database was never migrated."
    hint = "" if schema.is_current else f" This release needs {head}: run `cairnloop migrate`."
    return Answer(
        {"applied": [], "head": head, "before": now, "current": schema.is_current},
        [said + hint],
        ok=schema.is_current,
    )


def doctor(
    ctx: typer.Context,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also search once, all the way through.")
    ] = False,
) -> None:
    """Look at every part: what is ready, what is not, and what to do. Exit 1 if any fails."""
    asked = invocation(ctx)
    try:
        settings = asked.settings()
    except Misconfigured as error:
        conclude(asked.out, _reported(without_settings(error)))
        return
    conclude(asked.out, asyncio.run(_examined(asked, settings, probe=probe)))


async def _examined(asked: Invocation, settings: Settings, *, probe: bool) -> Answer:
    from cairnloop_engine import Caller, Engine  # deferred: --help opens no engine

    try:
        async with Engine(settings) as engine:
            caller = Caller.operator(settings.operator, settings.workspace)
            return _reported(await engine.operations.doctor(caller, probe=probe))
    except CairnloopError as error:
        # The engine itself could not be opened: that is a finding, not a failure of the doctor.
        return _reported(without_engine(error))


LABELS = {
    CheckStatus.OK: "[ok]",
    CheckStatus.WARN: "[look]",
    CheckStatus.FAIL: "[blocked]",
    CheckStatus.SKIPPED: "[-]",
}
INDENT = " " * 10


def _reported(report: DoctorReport) -> Answer:
    shown: list[Shown] = []
    for check in report.checks:
        promise = f" ({check.promise})" if check.promise else ""
        shown.append(f"{LABELS[check.status]:<9} {check.id}: {check.summary}{promise}")
        if check.remedy is not None:
            shown.append(f"{INDENT}→ {check.remedy}")
    tally = [(report.tally(status), label) for status, label in LABELS.items()]
    return Answer(
        {"checks": to_json(report.checks), "ok": report.ok},
        shown,
        [" · ".join(f"{number} {label}" for number, label in tally if number)],
        ok=report.ok,
    )
