"""The desk that the tests of drafting work at."""

from __future__ import annotations

import pytest

from cairnloop_engine import Engine
from tests.engine.drafting.desk import Desk, open_desk
from tests.fakes import FixedClock


@pytest.fixture
def desk(engine: Engine, clock: FixedClock) -> Desk:
    return open_desk(engine, clock)
