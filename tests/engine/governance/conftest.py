"""The desk of the tests of governed actions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from cairnloop_engine import Engine, Settings
from cairnloop_engine.wiring import HostParts
from tests.engine.governance.desk import Desk, Rights
from tests.engine.governance.tools import ALL, Ledger, Unguarded
from tests.fakes import FixedClock


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def rights() -> Rights:
    return Rights()


@pytest.fixture
async def desk(
    settings: Settings, clock: FixedClock, ledger: Ledger, rights: Rights
) -> AsyncIterator[Desk]:
    """An open desk with every counted tool."""
    host = HostParts(identity_provider=rights, tools=[*(tool(ledger) for tool in ALL), Unguarded])
    async with AsyncExitStack() as engines:
        engine = await engines.enter_async_context(Engine(settings, clock=clock, host=host))
        yield Desk(engine, clock, ledger, rights, engines=engines)
