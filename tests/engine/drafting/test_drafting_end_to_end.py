"""From a customer's message to a reply that quotes the right article: nothing is scripted here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cairnloop_engine import Engine, Settings
from cairnloop_engine.drafting.model import ProposalType
from cairnloop_engine.drafting.reads import DraftView
from cairnloop_engine.retrieval.model import GroundingStatus
from cairnloop_engine.wiring import HostParts
from tests.engine.drafting.desk import ACME, MAYA
from tests.engine.retrieval.desk import Remembering, stock
from tests.fakes import FixedClock


@pytest.fixture(scope="module")
def minilm() -> Remembering:
    return Remembering()


@pytest.fixture
async def engine(
    settings: Settings, clock: FixedClock, minilm: Remembering
) -> AsyncIterator[Engine]:
    """The engine as it is wired, with the real sentence model and published articles."""
    quick = settings.with_changes(draft_delay=0.0)
    async with Engine(quick, clock=clock, host=HostParts(embedder=minilm)) as engine:
        await stock(engine)
        await engine.run_worker(drain=True)
        yield engine


async def drafted(engine: Engine, words: str) -> DraftView:
    received = await engine.conversations.ingest(ACME, customer_ref="acme", text=words)
    await engine.run_worker(drain=True)
    waiting = await engine.drafting.pending_for(MAYA, received.conversation_id)
    assert waiting is not None
    return waiting


@pytest.mark.requirement("03-retrieval-drafting:91")
@pytest.mark.requirement("03-retrieval-drafting:93")
async def test_a_question_in_the_customers_words_is_answered_from_the_right_article(
    engine: Engine,
) -> None:
    draft = await drafted(engine, "Hi, how can I reset the API key that we use?")

    assert draft.proposal_type is ProposalType.REPLY
    assert draft.customer_reply is not None
    assert "press Generate new key" in draft.customer_reply
    assert draft.customer_reply.endswith("[1] Resetting your API key")
    assert draft.evidence[0].cited
    assert draft.grounding.status is GroundingStatus.STRONG
    assert draft.grounding.query == "Hi, how can I reset the API key that we use?"

    await engine.drafting.approve(MAYA, draft.id, hold=0)

    _, seen = await engine.conversations.customer_messages(
        ACME, conversation_id=draft.conversation_id
    )
    assert seen[-1].content == draft.customer_reply
    assert [citation.title for citation in seen[-1].citations] == ["Resetting your API key"]


@pytest.mark.requirement("03-retrieval-drafting:94")
async def test_a_question_outside_the_knowledge_goes_to_a_person(engine: Engine) -> None:
    draft = await drafted(engine, "Which wine goes well with grilled octopus?")

    assert draft.proposal_type is ProposalType.ESCALATION
    assert not draft.sendable
    assert draft.customer_reply is None


async def test_without_a_measured_model_nothing_is_answered_by_itself(
    settings: Settings, clock: FixedClock
) -> None:
    quick = settings.with_changes(draft_delay=0.0, embedder="hashing")
    async with Engine(quick, clock=clock) as engine:
        await stock(engine)
        await engine.run_worker(drain=True)

        draft = await drafted(engine, "How do I reset my API key?")

    assert draft.proposal_type is not ProposalType.REPLY
