"""Empties a database that holds the demo, so that it can be loaded anew."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cairnloop_engine.core.database import translated
from cairnloop_engine.core.errors import Blocked
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.demo.files import cast, hostile_cast
from cairnloop_engine.demo.parts import billing_file
from cairnloop_engine.demo.sink_store import SinkStore
from cairnloop_engine.engine import Engine
from cairnloop_engine.settings import Settings

# Workspaces of other people are not ours to empty, so a shared database must hold the demo alone.
_STRANGERS = "SELECT count(*) FROM {table} WHERE customer_ref <> ALL (:ours)"

_TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
    " WHERE schemaname = :schema AND tablename <> 'alembic_version'"
    " AND tablename NOT LIKE 'procrastinate_%' ORDER BY tablename"
)


async def reset(settings: Settings) -> None:
    """Take every row out of the database, audit trail included.

    The embedded database belongs to the demo and is emptied without a question; any other one
    only when every conversation in it comes from the demo.

    Raises:
        Blocked: ``reset_refused``.
        Unavailable: ``database_busy`` while somebody holds locks.
    """
    async with Engine(settings) as engine:
        await engine.migrate()
        with translated():
            await _reset(engine, settings)
        await engine.audit.end_chain()
    # Actions are numbered anew, and billing knows them by numbers.
    with SinkStore(billing_file(settings)) as billing:
        billing.forget()


async def _reset(engine: Engine, settings: Settings) -> None:
    async with engine.db.engine.begin() as connection:
        await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        if settings.database_url is not None:
            await _refuse_strangers(connection, settings.schema_prefix)
        await _empty(connection, settings.schema_prefix)


async def _refuse_strangers(connection: AsyncConnection, schema: str) -> None:
    ours = [person.ref for person in (*cast().customers.values(), *hostile_cast().values())]
    statement = _STRANGERS.format(table=f'"{schema}".conversations')
    found = await connection.scalar(text(statement), {"ours": [*ours, cast().visitor.ref]})
    if found:
        raise Blocked(
            "reset_refused",
            f"This database holds {found} conversations that are not the demo's. Nothing was "
            "deleted. Use another database for the demo, or empty this one yourself.",
            conversations=found,
        )


async def _empty(connection: AsyncConnection, schema: str) -> None:
    found = await connection.scalars(text(_TABLES), {"schema": schema})
    tables = list(found)
    # The audit trail refuses every change but this one, which its owner has to spell out.
    for table in tables:
        await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    await connection.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE"))
    for table in tables:
        await connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    await connection.execute(
        text(
            "DELETE FROM public.procrastinate_jobs"
            " WHERE queue_name = ANY (:queues) AND args ? 'workspace'"
        ),
        {"queues": [queue.value for queue in Queues]},
    )
