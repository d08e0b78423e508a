"""The database of a test run: one embedded cluster, one migrated template, a copy per worker."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from cairnloop_engine import Engine, Settings
from cairnloop_engine.core.embedded import EmbeddedPostgres

TEMPLATE = "template_cairnloop"

# Empties every table that holds rows; skipping the empty ones makes a reset a few milliseconds.
_EMPTY = """
DO $$
DECLARE
  full_table record;
  holds_rows boolean;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR full_table IN
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE (schemaname = 'cairnloop' AND tablename <> 'alembic_version')
       OR (schemaname = 'public' AND tablename LIKE 'procrastinate_%')
  LOOP
    EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || full_table.name || ')' INTO holds_rows;
    IF holds_rows THEN
      EXECUTE 'ALTER TABLE ' || full_table.name || ' DISABLE TRIGGER USER';
      EXECUTE 'TRUNCATE ' || full_table.name || ' RESTART IDENTITY CASCADE';
      EXECUTE 'ALTER TABLE ' || full_table.name || ' ENABLE TRIGGER USER';
    END IF;
  END LOOP;
END $$
"""


class TestCluster:
    """A running cluster and the means to make databases in it."""

    __test__ = False

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server = EmbeddedPostgres(home, for_tests=True)
        self.address = self.server.start()

    def url(self, database: str) -> str:
        return f"postgresql://{self.address.user}@/{database}?host={self.address.host}"

    def ensure_template(self) -> None:
        """Migrate the template once, whoever comes first."""
        with _locked(self.home / "template.lock"):
            if self._exists(TEMPLATE):
                return
            self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("making_template")))
            asyncio.run(_migrate(self.url("making_template")))
            self._execute(
                sql.SQL("ALTER DATABASE making_template RENAME TO {}").format(
                    sql.Identifier(TEMPLATE)
                )
            )

    def copy_template(self, database: str) -> str:
        """A fresh, migrated database of this name; returns its URL."""
        name = sql.Identifier(database)
        with _locked(self.home / "template.lock"):
            self.drop(database)
            self._execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(TEMPLATE))
            )
        return self.url(database)

    def drop(self, database: str) -> None:
        self._execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
        )

    def close(self) -> None:
        """Leave; the last one out removes the cluster."""
        if self.server.stop_if_last():
            shutil.rmtree(self.home, ignore_errors=True)

    def _exists(self, database: str) -> bool:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (database,)
            ).fetchone()
        return found is not None

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


def empty(url: str) -> None:
    """Take every row out of a database, and leave its schema."""
    with psycopg.connect(url) as connection:
        connection.execute(_EMPTY)


async def _migrate(url: str) -> None:
    async with Engine(Settings.load(database_url=url)) as engine:
        await engine.migrate()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
