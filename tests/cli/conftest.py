"""A command line on an empty, migrated database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.cli.desk import CommandLine, environment_for
from tests.postgres import TestCluster


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    database_url: str,
    home: Path,
) -> CommandLine:
    """Acts as the operator maya."""
    return CommandLine(monkeypatch, capfd, environment_for(database_url, home))


@pytest.fixture
def unmigrated_database(cluster: TestCluster) -> Iterator[str]:
    """A database in which nobody has ever been."""
    name = f"bare_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield cluster.url(name)
    cluster.drop(name)
