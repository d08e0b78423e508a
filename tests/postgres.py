"""The database of a test run: one embedded cluster, one migrated template, a copy per worker."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from cairnloop_engine import Engine, Settings
from cairnloop_engine.core.embedded import EmbeddedPostgres
from cairnloop_engine.core.errors import Blocked

TEMPLATE = "template_cairnloop"
HOMES = "cairnloop-tests-"
EMPTY_HOMES = "cairnloop-test-home-"

# A run that was killed leaves its cluster; no run prepares a folder for longer than this.
ABANDONED_AFTER_S = 600

# Deletes instead of truncating, which is several times faster for the few rows of a test. As a
# replica, no trigger fires: neither foreign keys nor the one that keeps the audit trail.
_EMPTY = """
DO $$
DECLARE
  full_table record;
BEGIN
  SET LOCAL session_replication_role = replica;
  SET LOCAL lock_timeout = '10s';
  FOR full_table IN
    SELECT c.oid::regclass AS name, pg_relation_size(c.oid) > 1000000 AS large
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND pg_relation_size(c.oid) > 0
      AND (n.nspname = 'cairnloop' AND c.relname <> 'alembic_version'
           OR n.nspname = 'public' AND c.relname LIKE 'procrastinate\\_%')
  LOOP
    IF full_table.large THEN
      EXECUTE format('TRUNCATE %s CASCADE', full_table.name);
    ELSE
      EXECUTE format('DELETE FROM %s', full_table.name);
    END IF;
  END LOOP;
  PERFORM setval(format('%I.%I', schemaname, sequencename), start_value, false)
  FROM pg_sequences WHERE last_value IS NOT NULL;
END $$
"""


class TestCluster:
    """A running cluster and the means to make databases in it.

    ``server.stop("fast" | "immediate")`` and ``server.start()`` make an outage under its clients.
    """

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
            url = self.create("making_template")
            asyncio.run(_migrate(url))
            self._execute(f"ALTER DATABASE making_template RENAME TO {TEMPLATE}")

    def copy_template(self, database: str) -> str:
        """A fresh, migrated database of this name; returns its URL."""
        with _locked(self.home / "template.lock"):
            return self.create(database, template=TEMPLATE)

    def create(self, database: str, *, template: str = "template1") -> str:
        """A fresh database without our schema; returns its URL."""
        self.drop(database)
        self._execute("CREATE DATABASE {} TEMPLATE {}", database, template)
        return self.url(database)

    def drop(self, database: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    def close(self) -> None:
        """Leave; the last one out removes the cluster."""
        with _removing():
            if self.server.stop_if_last():
                _remove(self.home)

    def _exists(self, database: str) -> bool:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (database,)
            ).fetchone()
        return found is not None

    def _execute(self, statement: str, *names: str) -> None:
        composed = sql.SQL(statement).format(*map(sql.Identifier, names))
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(composed)


class WorkerDatabase:
    """The database that the tests of one worker process use one after the other."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)

    def empty(self) -> None:
        """Take every row out, let ids begin at 1 again, and leave the schema."""
        self._connection.execute(_EMPTY)

    def close(self) -> None:
        self._connection.close()


def cluster_of_run(run: str) -> TestCluster:
    """One run's cluster, the same for each of its workers.

    A worker that comes late must not find the folder while the last of the others removes it.
    """
    home = Path(tempfile.gettempdir()) / f"{HOMES}{run[:12]}"
    with _removing():
        home.mkdir(mode=0o755, exist_ok=True)
        return TestCluster(home)


def private_home() -> Path:
    """The folder of a cluster that one test has for itself."""
    return Path(tempfile.mkdtemp(prefix=f"{HOMES}private-"))


def remove_abandoned() -> None:
    """Stop and remove the clusters of runs that were killed, and what else they left."""
    with _removing():
        for home in Path(tempfile.gettempdir()).glob(f"{HOMES}*"):
            if _age(home) > ABANDONED_AFTER_S:
                _remove(home)
        for home in Path(tempfile.gettempdir()).glob(f"{EMPTY_HOMES}*"):
            # No run takes a day.
            if _age(home) > 24 * 3600:
                shutil.rmtree(home, ignore_errors=True)


def _remove(home: Path) -> None:
    try:
        EmbeddedPostgres(home).erase()
    except Blocked:
        return
    shutil.rmtree(home, ignore_errors=True)


def _age(home: Path) -> float:
    """Seconds since it was made or last changed; none at all for another user's."""
    try:
        found = home.stat()
    except FileNotFoundError:
        # The test that it belonged to removed it just now.
        return 0.0
    return time.time() - found.st_mtime if found.st_uid == os.geteuid() else 0.0


def _removing() -> AbstractContextManager[None]:
    """One process at a time: a folder must not go while another looks into it."""
    return _locked(Path(tempfile.gettempdir()) / f"cairnloop-removing-{os.geteuid()}.lock")


async def _migrate(url: str) -> None:
    async with Engine(Settings.load(database_url=url)) as engine:
        await engine.migrate()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
