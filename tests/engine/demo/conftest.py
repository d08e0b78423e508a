"""The story, loaded once for every test that only reads it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cairnloop_engine import Settings
from tests.engine.demo.loading import PARTS, load, settings_for
from tests.postgres import TestCluster


@pytest.fixture(scope="session")
def story_settings(
    cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A database with the story in it; tests only read it."""
    name = f"story_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    settings = settings_for(cluster.copy_template(name), tmp_path_factory.mktemp("home"))
    load(settings, PARTS)
    yield settings
    cluster.drop(name)
