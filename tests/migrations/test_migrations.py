"""Migrations: repeatable, safe for many at once, and equal to what the code declares."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from cairnloop_engine import Caller, Engine, Misconfigured, Settings
from cairnloop_engine.core.tables import SCHEMA
from cairnloop_engine.migrations import runner
from cairnloop_engine.migrations.metadata import complete_metadata
from tests.postgres import TestCluster

MIGRATE = """
import asyncio, sys
from pathlib import Path
from cairnloop_engine import Engine, Settings

async def main():
    async with Engine(Settings.load(database_url=sys.argv[1])) as engine:
        Path(sys.argv[2]).touch()
        async with asyncio.timeout(60):
            while not Path(sys.argv[3]).exists():
                await asyncio.sleep(0.02)
        report = await engine.migrate()
        print(len(report.applied))

asyncio.run(main())
"""


def fresh(cluster: TestCluster, name: str) -> str:
    cluster.drop(name)
    import psycopg

    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return cluster.url(name)


@pytest.mark.slow
async def test_twenty_processes_behind_a_barrier_migrate_once(
    cluster: TestCluster, tmp_path: Path
) -> None:
    url = fresh(cluster, "twenty")
    go = tmp_path / "go"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            MIGRATE,
            url,
            str(tmp_path / f"ready-{number}"),
            str(go),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for number in range(20)
    ]
    try:
        async with asyncio.timeout(120):
            while len(list(tmp_path.glob("ready-*"))) < 20:
                await asyncio.sleep(0.02)
            go.touch()
            said = [await process.communicate() for process in processes]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()

    assert [process.returncode for process in processes] == [0] * 20, said
    applied = sorted(int(out) for out, _ in said)
    assert applied == [0] * 19 + [len(runner.versions())]
    cluster.drop("twenty")


async def test_migrating_again_applies_nothing(engine: Engine) -> None:
    report = await engine.migrate()

    assert (report.before, report.applied) == (report.head, ())


async def test_the_declared_tables_equal_the_migrated_schema(engine: Engine) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: name == SCHEMA if kind == "schema" else True,
                "compare_type": True,
                "version_table_schema": SCHEMA,
            },
        )
        return list(compare_metadata(context, complete_metadata()))

    async with engine.db.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_another_schema_can_be_chosen_and_works(cluster: TestCluster) -> None:
    url = fresh(cluster, "elsewhere")
    settings = Settings.load(database_url=url, schema_prefix="desk")
    async with Engine(settings) as engine:
        await engine.migrate()
        received = await engine.conversations.ingest(
            Caller.customer("acme"), customer_ref="acme", text="hi"
        )
        async with engine.db.read(Caller.system("test")) as read:
            count = await read.session.scalar(text("SELECT count(*) FROM desk.messages"))
            stray = await read.session.scalar(text("SELECT to_regclass('cairnloop.messages')"))
    assert (received.conversation_created, count, stray) == (True, 1, None)
    cluster.drop("elsewhere")


async def test_an_unmigrated_database_says_what_to_run(cluster: TestCluster) -> None:
    url = fresh(cluster, "bare")
    async with Engine(Settings.load(database_url=url)) as engine:
        with pytest.raises(Misconfigured) as refusal:
            await engine.conversations.counts(Caller.operator("maya"))
    assert refusal.value.code == "schema_missing"
    assert "cairnloop migrate" in refusal.value.message
    cluster.drop("bare")


async def test_a_newer_schema_is_left_alone(own_database: str) -> None:
    async with Engine(Settings.load(database_url=own_database)) as engine:
        async with engine.db.work(Caller.system("test")) as work:
            await work.session.execute(
                text("UPDATE cairnloop.alembic_version SET version_num='9999'")
            )
        with pytest.raises(Misconfigured) as refusal:
            await engine.migrate()
    assert refusal.value.code == "schema_newer"


@pytest.mark.requirement("01-conversations:153")
async def test_queue_tables_stay_in_public_and_ours_in_our_schema(engine: Engine) -> None:
    async with engine.db.read(Caller.system("test")) as read:
        rows = await read.session.execute(
            text("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'procrastinate%'")
        )
        assert [row[0] for row in rows] == ["public"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cairnloop.audit_events SET actor_id = 'somebody'",
        "DELETE FROM cairnloop.audit_events",
        "TRUNCATE cairnloop.audit_events",
    ],
)
async def test_the_database_refuses_to_change_the_audit_trail(
    engine: Engine, statement: str
) -> None:
    await engine.conversations.ingest(Caller.customer("acme"), customer_ref="acme", text="hi")

    with pytest.raises(DBAPIError, match="append-only"):
        async with engine.db.work(Caller.system("test")) as work:
            await work.session.execute(text(statement))
