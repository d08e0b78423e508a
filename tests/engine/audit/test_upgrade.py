"""A trail from before the chain: it is sealed like any other, and its actors can be forgotten."""

from __future__ import annotations

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from cairnloop_engine import Engine, Settings
from cairnloop_engine.audit import service
from cairnloop_engine.migrations import runner
from tests.engine.audit.vault import MAYA, vault_of
from tests.postgres import TestCluster

BEFORE = "0004"
ODD = 'quo"te \\ tab\t line\n Ünïcode 🪨 \x7f'


async def test_events_of_an_older_release_are_sealed_and_can_be_forgotten(
    cluster: TestCluster, home: Path
) -> None:
    cluster.drop("older")
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE older")
    url = cluster.url("older")
    async with Engine(Settings.load(database_url=url, home=home)) as engine:
        async with engine.db.engine.begin() as opened:
            await opened.run_sync(at_the_release_before)
            await opened.execute(
                text(
                    "INSERT INTO cairnloop.audit_events (workspace, occurred_at, actor_kind,"
                    " actor_id, action, subject_kind, subject_id, facts) VALUES"
                    " ('default', now(), 'operator', 'maya', 'x.y', 'z', 1, '{}'),"
                    " ('default', now(), 'customer', :odd, 'x.y', 'z', 2, '{}')"
                ),
                {"odd": ODD},
            )
        await engine.migrate()
        vault = vault_of(engine, url)
        await vault.sealed_so_far()
        assert await vault.first_bad() is None

        async with engine.db.work(MAYA) as work:
            assert await service.forget(work, [2]) == 1

        assert await vault.first_bad() is None
        assert vault.rows("SELECT actor_id FROM cairnloop.audit_events WHERE id = 2") == [(None,)]
        vault.tamper("UPDATE cairnloop.audit_events SET actor_id = 'noor' WHERE id = 1")
        assert await vault.first_bad() == (1, "changed")
    cluster.drop("older")


def at_the_release_before(connection: Connection) -> None:
    """As the runner does, but only so far."""
    connection.execute(text("CREATE SCHEMA cairnloop"))
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public"))
    config = Config()
    config.set_main_option("script_location", str(runner.HERE))
    config.attributes["connection"] = connection
    config.attributes["schema"] = "cairnloop"
    command.upgrade(config, BEFORE)
