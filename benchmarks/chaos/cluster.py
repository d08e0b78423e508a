"""A scratch cluster: the embedded Postgres in a temporary folder, with room for 400 connections."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import sql

from benchmarks.chaos.sides import Side
from benchmarks.machine import SCRATCH_HOME
from cairnloop_engine import Engine, Settings
from cairnloop_engine.core.embedded import EmbeddedPostgres
from cairnloop_engine.core.errors import Blocked

CONNECTIONS = 400
HOMES = "cairnloop-chaos-"

# One row for each run of a job: a lost job has none, a doubled one has two.
RUNS = """
CREATE TABLE chaos_runs (
  n bigint NOT NULL, job_id bigint NOT NULL, pid int NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON chaos_runs (n);
"""


class Cluster:
    """A server that may be stopped and started under its clients, with real durability."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._server = EmbeddedPostgres(home)
        self._address = self._server.start()
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER SYSTEM SET max_connections = {}").format(CONNECTIONS))
        self._server.restart()
        self._made: set[Side] = set()

    def url(self, database: str) -> str:
        where = self._address
        return f"postgresql://{where.user}@/{database}?host={where.host}"

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.start()

    def fresh(self, database: str, side: Side) -> str:
        """A new database with the schema that this side needs, and nothing in it."""
        template = f"template_{side}"
        if side not in self._made:
            self._make(template, side)
            self._made.add(side)
        self._execute("CREATE DATABASE {} TEMPLATE {}", database, template)
        return self.url(database)

    def drop(self, database: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    def close(self) -> None:
        self._server.erase()

    def _make(self, template: str, side: Side) -> None:
        self._execute("CREATE DATABASE {}", template)
        url = self.url(template)
        if side is Side.OURS:
            asyncio.run(_migrate(url))
        with psycopg.connect(url, autocommit=True) as connection:
            if side is Side.BARE:
                connection.execute(SchemaManager.get_schema().encode())
            connection.execute(RUNS)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def scratch_cluster() -> Iterator[Cluster]:
    """A cluster of one's own, gone afterwards whatever happens."""
    _remove_abandoned()
    home = Path(tempfile.mkdtemp(prefix=HOMES))
    try:
        cluster = Cluster(home)
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _remove_abandoned() -> None:
    """Stop and remove what a harness left that was killed itself."""
    for home in Path(tempfile.gettempdir()).glob(f"{HOMES}*"):
        if home.stat().st_uid == os.geteuid() and time.time() - home.stat().st_mtime > 600:
            try:
                EmbeddedPostgres(home).erase()
            except Blocked:
                continue
            shutil.rmtree(home, ignore_errors=True)


async def _migrate(url: str) -> None:
    async with Engine(
        Settings.load(database_url=url, home=SCRATCH_HOME, embedder="hashing")
    ) as engine:
        await engine.migrate()
