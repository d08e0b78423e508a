"""Drafts in a model's words, through the real job: what it is shown, and what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.drafting import transcripts
from cairnloop_engine.drafting.adapters.anthropic import Anthropic, AnthropicConfig
from cairnloop_engine.drafting.model import ProposalType
from cairnloop_engine.drafting.ports import Line, Speaker
from cairnloop_engine.retrieval.model import GroundingStatus
from tests.engine.drafting.desk import ACME, MAYA, Desk, open_desk
from tests.engine.governance.watching import installed
from tests.fakes import FixedClock
from tests.model_api import ModelApi, fails, model_api

QUOTE = "Both keys work for 24 hours, so nothing breaks."
REPLY = "Create the new key first [1]. Both keys work for 24 hours [1]."


@pytest.fixture
async def api() -> AsyncIterator[ModelApi]:
    async with model_api() as served:
        served.quoting(QUOTE, REPLY)
        yield served


@pytest.fixture
def model_desk(engine: Engine, clock: FixedClock, api: ModelApi) -> Desk:
    """A desk whose drafts are worded by the fake model."""
    config = AnthropicConfig(
        key=SecretStr("sk-test"), base_url=api.url, pause=timedelta(milliseconds=1)
    )
    return open_desk(engine, clock, generator=Anthropic(config))


async def test_a_draft_keeps_who_worded_it_and_the_quote_that_answers(model_desk: Desk) -> None:
    draft = await model_desk.drafted()

    assert draft.customer_reply == f"{REPLY}\n\n[1] Rotating an API key"
    assert (draft.generator, draft.model, draft.fallback_reason) == (
        "anthropic",
        "claude-test-1",
        None,
    )
    assert draft.grounding.quote == QUOTE
    assert [one.cited for one in draft.evidence] == [True]

    await model_desk.drafting.approve(MAYA, draft.id, hold=0)

    assert (await model_desk.seen_by_customer(draft.conversation_id))[-1] == draft.customer_reply


@pytest.mark.requirement("03-retrieval-drafting:112")
async def test_the_model_sees_customer_and_operators_and_never_a_note(
    model_desk: Desk, api: ModelApi
) -> None:
    first = await model_desk.customer_writes("My API key is old.")
    here = first.conversation_id
    await model_desk.conversations.note(MAYA, here, "INTERNAL: this customer is difficult")
    await model_desk.conversations.reply(MAYA, here, "Which key do you mean?", hold=0)
    await model_desk.conversations.resolve(MAYA, here, force=True)
    await model_desk.conversations.reopen(MAYA, here)
    await model_desk.customer_writes("How do I rotate it?")
    held = await model_desk.conversations.reply(MAYA, here, "A held answer.", hold=3600)
    await model_desk.conversations.retract(MAYA, held.message_id)

    await model_desk.draft_for(here)

    for call in api.calls:
        shown = [call.prompt.find(text) for text in ("key is old", "Which key", "rotate it?")]
        assert -1 not in shown
        assert shown == sorted(shown)
        for hidden in ("INTERNAL", "difficult", "resolved", "reopened", "A held answer"):
            assert hidden not in call.prompt
        assert "INTERNAL" not in call.rules


async def test_a_model_that_is_away_never_costs_the_draft(model_desk: Desk, api: ModelApi) -> None:
    api.answer = lambda call: fails(529)

    draft = await model_desk.drafted()

    assert draft.proposal_type is ProposalType.REPLY
    assert (draft.generator, draft.fallback_reason) == ("scoria", "http_529")


async def test_without_a_quote_the_draft_asks_back_and_the_gap_is_recorded(
    model_desk: Desk, api: ModelApi
) -> None:
    api.quoting("NONE", REPLY)

    draft = await model_desk.drafted()

    assert draft.proposal_type is ProposalType.CLARIFICATION
    assert draft.grounding.status is GroundingStatus.CLARIFICATION
    assert draft.grounding.quote == ""
    assert draft.fallback_reason == "no_quote"
    gaps = await model_desk.rows("SELECT reason FROM cairnloop.gap_events")
    assert [row["reason"] for row in gaps] == ["canonical_insufficient_detail"]


async def test_a_follow_up_is_searched_with_the_topic_of_the_question_before(desk: Desk) -> None:
    first = await desk.customer_writes("How do I export invoices?")
    await desk.conversations.reply(MAYA, first.conversation_id, "Open Billing.", hold=0)
    await desk.customer_writes("and on Android?")

    draft = await desk.draft_for(first.conversation_id)

    assert draft.grounding.query == "and on Android?\nexport invoices"


async def test_asking_again_after_a_reply_is_about_the_same_question(desk: Desk) -> None:
    first = await desk.customer_writes("How do I export invoices?")
    await desk.draft_for(first.conversation_id)
    await desk.conversations.reply(MAYA, first.conversation_id, "Open Billing.", hold=0)
    await desk.drafting.request(MAYA, first.conversation_id)

    await desk.draft_for(first.conversation_id)

    assert [query for query, _ in desk.ground.asked] == ["How do I export invoices?"] * 2


async def test_the_thread_is_read_inside_its_workspace_only(desk: Desk) -> None:
    received = await desk.customer_writes("How do I export invoices?")
    elsewhere = Caller.system("drafting", "another")

    async with desk.db.read(MAYA) as read:
        here = await transcripts.recent(read, received.conversation_id)
    async with desk.db.read(elsewhere) as read:
        there = await transcripts.recent(read, received.conversation_id)

    assert here == [Line(Speaker.CUSTOMER, "How do I export invoices?")]
    assert there == []


@pytest.mark.requirement("03-retrieval-drafting:90")
async def test_monitoring_hears_of_each_drafting_run_and_how_it_ended(desk: Desk) -> None:
    watch = installed()
    await desk.drafted()
    assert watch.spans == [("cairnloop.drafting.draft", {"openinference.span.kind": "AGENT"})]
    assert watch.ended == [("cairnloop.drafting.draft", "OK")]

    watch.forget()
    desk.ground.error = RuntimeError("a customer's words")
    await desk.conversations.ingest(ACME, customer_ref="acme", text="How do I export?")
    desk.clock.advance(desk.drafting.config.draft_delay)
    with pytest.raises(RuntimeError):
        await desk.run_due()
    assert watch.ended == [("cairnloop.drafting.draft", "ERROR")]


async def test_the_settings_choose_who_words_a_reply(settings: Settings, api: ModelApi) -> None:
    chosen = settings.with_changes(
        drafting_model="anthropic",
        anthropic_api_key=SecretStr("sk-test"),
        anthropic_base_url=api.url,
    )

    async with Engine(chosen) as engine, Engine(settings) as plain:
        worded = {one.id: one for one in (await engine.operations.doctor(MAYA)).checks}["drafting"]
        quoted = {one.id: one for one in (await plain.operations.doctor(MAYA)).checks}["drafting"]

    assert "claude-sonnet-4-6" in worded.summary
    assert "no model is asked" in quoted.summary


async def test_the_doctor_tells_of_a_model_without_a_key(settings: Settings) -> None:
    async with Engine(settings.with_changes(drafting_model="anthropic")) as engine:
        checks = {one.id: one for one in (await engine.operations.doctor(MAYA)).checks}

    assert checks["drafting"].status.value == "warn"
    assert "anthropic_api_key" in (checks["drafting"].remedy or "")
