"""A support desk with a console before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.wiring import HostParts
from tests.engine.drafting.desk import Desk, open_desk
from tests.engine.governance.desk import Desk as ActionsDesk
from tests.engine.governance.desk import Rights
from tests.engine.governance.tools import ALL, Ledger, Unguarded
from tests.fakes import FixedClock

Write = Callable[..., Awaitable[ConversationId]]


@pytest.fixture
def desk(engine: Engine, clock: FixedClock) -> Desk:
    return open_desk(engine, clock)


@pytest.fixture
def customer_writes(engine: Engine, clock: FixedClock) -> Write:
    """Records customer messages, a minute apart; begins a conversation unless one is named."""

    async def write(
        *texts: str,
        customer: str = "acme",
        subject: str | None = None,
        conversation_id: ConversationId | None = None,
    ) -> ConversationId:
        for text in texts:
            clock.advance(timedelta(minutes=1))
            received = await engine.conversations.ingest(
                Caller.customer(customer),
                customer_ref=customer,
                text=text,
                subject=None if conversation_id else subject,
                conversation_id=conversation_id,
                start_new=conversation_id is None,
            )
            conversation_id = received.conversation_id
        assert conversation_id is not None
        return conversation_id

    return write


@pytest.fixture
async def acts(settings: Settings, clock: FixedClock) -> AsyncIterator[ActionsDesk]:
    """A desk whose tools are counted; Maya proposes, Noah approves."""
    ledger, rights = Ledger(), Rights()
    host = HostParts(identity_provider=rights, tools=[*(tool(ledger) for tool in ALL), Unguarded])
    async with AsyncExitStack() as engines:
        engine = await engines.enter_async_context(Engine(settings, clock=clock, host=host))
        yield ActionsDesk(engine, clock, ledger, rights, engines=engines)
