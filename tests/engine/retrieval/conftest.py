"""An engine with the real sentence model, which embeds each text once in a whole run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cairnloop_engine import Engine, Settings
from cairnloop_engine.wiring import HostParts
from tests.engine.retrieval.desk import Remembering, Scripted, index, stock
from tests.fakes import FixedClock


@pytest.fixture(scope="session")
def minilm() -> Remembering:
    return Remembering()


@pytest.fixture
async def engine(
    settings: Settings, clock: FixedClock, minilm: Remembering
) -> AsyncIterator[Engine]:
    async with Engine(settings, clock=clock, host=HostParts(embedder=minilm)) as engine:
        yield engine


@pytest.fixture
async def stocked(engine: Engine) -> Engine:
    """An engine whose knowledge base is published and completely indexed."""
    await stock(engine)
    await index(engine)
    return engine


@pytest.fixture
def embedder() -> Scripted:
    return Scripted()


@pytest.fixture
async def scripted(
    settings: Settings, clock: FixedClock, embedder: Scripted
) -> AsyncIterator[Engine]:
    """An engine whose embedder does as it is told."""
    async with Engine(settings, clock=clock, host=HostParts(embedder=embedder)) as engine:
        yield engine
