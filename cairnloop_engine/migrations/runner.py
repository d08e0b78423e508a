"""Applying migrations: one transaction under an advisory lock, so that many may try at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cairnloop_engine.core.database import translated
from cairnloop_engine.core.errors import Misconfigured

HERE = Path(__file__).parent
# Any constant will do, as long as every version of Cairnloop uses the same one.
MIGRATION_LOCK = 0x6361_6972_6E6C_6F6F
OLDEST_POSTGRES = 150_000


@dataclass(frozen=True, slots=True)
class MigrateReport:
    """``head`` is the version that this release needs, ``applied`` what was done to reach it."""

    head: str
    before: str | None
    applied: tuple[str, ...]


def versions() -> tuple[str, ...]:
    """Every migration of this release, oldest first, without loading any."""
    names = (path.name for path in (HERE / "versions").glob("*.py"))
    return tuple(sorted(match[1] for name in names if (match := re.match(r"(\d{4})_", name))))


async def current(engine: AsyncEngine, *, schema: str) -> str | None:
    """The version that the database has; None when it was never migrated."""
    with translated():
        async with engine.connect() as connection:
            return await connection.run_sync(_current, schema)


async def migrate(engine: AsyncEngine, *, schema: str) -> MigrateReport:
    """Bring the database to this release's version; safe to run twice and by many at once.

    Raises:
        Misconfigured: ``postgres_too_old``, ``pgvector_missing`` or ``schema_newer``.
        Unavailable: ``database_unavailable``.
    """
    with translated():
        async with engine.connect() as connection, connection.begin():
            return await connection.run_sync(_migrate, schema)


def _current(connection: Connection, schema: str) -> str | None:
    table = f'"{schema}".alembic_version'
    if connection.scalar(text("SELECT to_regclass(:table)"), {"table": table}) is None:
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {table}"))  # noqa: S608 - our own name
    return None if found is None else str(found)


def _migrate(connection: Connection, schema: str) -> MigrateReport:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    _check_server(connection)
    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public"))
    before = _current(connection, schema)
    known = versions()
    if before is not None and before not in known:
        raise Misconfigured(
            "schema_newer",
            f"The database is at version {before}, which this release does not know. "
            "Install the newer release.",
            version=before,
        )
    _apply_ours(connection, schema)
    _apply_queue(connection)
    applied = known if before is None else known[known.index(before) + 1 :]
    return MigrateReport(head=known[-1], before=before, applied=applied)


def _check_server(connection: Connection) -> None:
    version = int(connection.scalar(text("SHOW server_version_num")) or 0)
    if version < OLDEST_POSTGRES:
        raise Misconfigured(
            "postgres_too_old", f"Postgres 15 or newer is needed; this is {version // 10000}."
        )
    available = connection.scalar(
        text("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'")
    )
    if not available:
        raise Misconfigured(
            "pgvector_missing",
            "The extension pgvector is not installed on the database server. Install it first.",
        )


def _apply_ours(connection: Connection, schema: str) -> None:
    # deferred: only a migration needs Alembic, and every command would pay for it
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, "head")


def _apply_queue(connection: Connection) -> None:
    """procrastinate's own schema, as its authors ship it, in ``public``."""
    # deferred: only a migration needs it
    from procrastinate.schema import SchemaManager

    there = connection.scalar(text("SELECT to_regclass('public.procrastinate_jobs')"))
    if there is not None:
        return
    connection.execute(text("SET LOCAL search_path TO public"))
    # The script holds percent signs, which a parameterised execute would trip over.
    cursor = connection.connection.cursor()
    cursor.execute(SchemaManager.get_schema())
    cursor.close()
    connection.execute(text("RESET search_path"))
