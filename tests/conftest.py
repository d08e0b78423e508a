"""What every test stands on: real Postgres, a clock that stands still, nobody's machine."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.embedded import EmbeddedPostgres
from tests.fakes import FixedClock
from tests.machine import forbid_the_outside, forget_environment
from tests.postgres import (
    EMPTY_HOMES,
    TestCluster,
    WorkerDatabase,
    cluster_of_run,
    private_home,
    remove_abandoned,
)

IN_CI = os.environ.get("CI") == "true"
ROOT = Path(__file__).parents[1]

# A loaded machine is no reason to fail.
hypothesis.settings.register_profile("cairnloop", deadline=None)
hypothesis.settings.load_profile("cairnloop")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the developer's machine out of the run, and the run out of the world."""
    home = Path(tempfile.mkdtemp(prefix=EMPTY_HOMES))
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    forget_environment(home)
    if (ROOT / "cairnloop.toml").exists():
        # The developer's own settings would be found in the current folder.
        nothing = home / "cairnloop.toml"
        nothing.touch()
        os.environ["CAIRNLOOP_CONFIG"] = str(nothing)
    forbid_the_outside()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser or tmux those tests say so; in CI they must run."""
    needs = {"browser": ("chromium", "chromium-browser"), "terminal": ("tmux",)}
    for item in items:
        for marker, programs in needs.items():
            missing = not any(shutil.which(program) for program in programs)
            if item.get_closest_marker(marker) and missing and not IN_CI:
                item.add_marker(pytest.mark.skip(reason=f"{programs[0]} is not installed"))


@pytest.fixture(autouse=True)
def _logs_end_with_their_test() -> Iterator[None]:
    """A command that ran inside a test must not go on logging to that test's closed output."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """The cluster of this run, shared by all its workers; the last one to leave removes it."""
    remove_abandoned()
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    cluster = cluster_of_run(run)
    cluster.ensure_template()
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def worker_database(cluster: TestCluster) -> Iterator[WorkerDatabase]:
    """The database of this worker process."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    database = WorkerDatabase(cluster.copy_template(name))
    yield database
    database.close()


@pytest.fixture
def database_url(worker_database: WorkerDatabase) -> str:
    """This worker's database, emptied."""
    worker_database.empty()
    return worker_database.url


@pytest.fixture
def own_database(cluster: TestCluster) -> Iterator[str]:
    """A database of its own for a test that starts processes or leaves connections behind."""
    name = f"own_{uuid.uuid4().hex[:12]}"
    yield cluster.copy_template(name)
    cluster.drop(name)


@pytest.fixture
def private_cluster() -> Iterator[TestCluster]:
    """A cluster that a test may stop and start under its clients."""
    cluster = TestCluster(private_home())
    cluster.ensure_template()
    yield cluster
    cluster.server.stop("immediate")
    cluster.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with nothing in it."""
    return tmp_path / "home"


@pytest.fixture
def embedded_home() -> Iterator[Path]:
    """An empty home folder in which an embedded Postgres may run, also as root."""
    home = private_home()
    yield home
    EmbeddedPostgres(home).erase()
    shutil.rmtree(home)


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


@pytest.fixture
def operator(caller: Caller) -> Caller:
    """The same operator, for tests in which others call as well."""
    return caller
