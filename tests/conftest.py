"""What every test stands on: real Postgres, a clock that stands still, nobody's machine."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.database import Database
from tests.fakes import FixedClock
from tests.postgres import TestCluster, empty

IN_CI = os.environ.get("CI") == "true"


def pytest_configure() -> None:
    """Keep the developer's own settings out of the run."""
    for name in [name for name in os.environ if name.startswith("CAIRNLOOP_")]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser or tmux those tests say so; in CI they must run."""
    needs = {"browser": ("chromium", "chromium-browser"), "terminal": ("tmux",)}
    for item in items:
        for marker, programs in needs.items():
            missing = not any(shutil.which(program) for program in programs)
            if item.get_closest_marker(marker) and missing and not IN_CI:
                item.add_marker(pytest.mark.skip(reason=f"{programs[0]} is not installed"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """The cluster of this run, shared by all its workers."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    home = Path(tempfile.gettempdir()) / f"cairnloop-tests-{run[:12]}"
    home.mkdir(mode=0o755, exist_ok=True)
    cluster = TestCluster(home)
    cluster.ensure_template()
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def worker_database(cluster: TestCluster) -> str:
    """The database of this worker process."""
    return cluster.copy_template(f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")


@pytest.fixture
def database_url(worker_database: str) -> str:
    """This worker's database, emptied."""
    empty(worker_database)
    return worker_database


@pytest.fixture
def own_database(cluster: TestCluster) -> Iterator[str]:
    """A database of its own for a test that starts processes or leaves connections behind."""
    name = f"own_{uuid.uuid4().hex[:12]}"
    yield cluster.copy_template(name)
    cluster.drop(name)


@pytest.fixture
def private_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    """A cluster that a test may stop and start under its clients."""
    home = Path(tempfile.mkdtemp(prefix="cairnloop-private-"))
    cluster = TestCluster(home)
    cluster.ensure_template()
    yield cluster
    cluster.server.stop("immediate")
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with nothing in it."""
    return tmp_path / "home"


@pytest.fixture
def settings(database_url: str, home: Path) -> Settings:
    return Settings.load(database_url=database_url, home=home, pool_size=25)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
async def engine(settings: Settings, clock: FixedClock) -> AsyncIterator[Engine]:
    """An open engine on an empty database, with a clock that stands still."""
    async with Engine(settings, clock=clock) as engine:
        yield engine


@pytest.fixture
def db(engine: Engine) -> Database:
    return engine.db


@pytest.fixture
def caller() -> Caller:
    """An operator."""
    return Caller.operator("maya")
