"""Commands of whoever runs the site: migrations."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnloop_cli.answers import Answer
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.phrases import count


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
