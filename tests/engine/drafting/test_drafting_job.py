"""The drafting job: one draft for each question, whatever happens while it is made."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cairnloop_engine import Caller, Conflict, Engine, Forbidden, Invalid, NotFound, Unavailable
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting.events import DraftDenied
from cairnloop_engine.drafting.model import DraftingConfig, PolicyVerdict, ProposalType
from cairnloop_engine.drafting.ports import PolicyContext
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.retrieval.model import (
    Degraded,
    GroundingBundle,
    GroundingStatus,
    Reason,
)
from tests.engine.drafting.builders import bundle, clarifying, proposal
from tests.engine.drafting.desk import MAYA, Desk, open_desk
from tests.fakes import FixedClock

DELAY = timedelta(seconds=5)
ELSEWHERE = ConversationId(999)


class Says:
    """A policy that always gives the same answer."""

    def __init__(self, answer: PolicyVerdict) -> None:
        self.answer = answer

    async def decide(self, proposal: Proposal, context: PolicyContext) -> PolicyVerdict:
        return self.answer


class Generates:
    """A host's generator that returns, or raises, what it is told."""

    def __init__(self, made: Proposal | Exception) -> None:
        self.made = made

    async def generate(self, conversation_id: ConversationId, bundle: GroundingBundle) -> Proposal:
        if isinstance(self.made, Exception):
            raise self.made
        if self.made.conversation_id == ELSEWHERE:
            return self.made
        return replace(self.made, conversation_id=conversation_id)


@pytest.mark.requirement("03-retrieval-drafting:75")
async def test_a_customer_message_becomes_one_waiting_draft_with_its_evidence(desk: Desk) -> None:
    draft = await desk.drafted("How do I rotate my API key?")

    assert draft.status.value == "pending"
    assert draft.proposal_type is ProposalType.REPLY
    assert draft.customer_reply is not None
    assert draft.customer_reply == draft.proposed
    assert draft.grounding.status is GroundingStatus.STRONG
    assert draft.grounding.query == "How do I rotate my API key?"
    assert [one.cited for one in draft.evidence] == [True]
    assert draft.generator == "scoria"
    assert draft.revision == draft.conversation_revision == 1
    assert await desk.marked(draft.conversation_id) == (draft.id, "reply")
    assert await desk.audited() == ["drafting.created"]


@pytest.mark.requirement("03-retrieval-drafting:90")
async def test_a_burst_of_messages_becomes_one_draft_after_the_last(
    desk: Desk, clock: FixedClock
) -> None:
    for words in ("Hello", "My key is old.", "How do I rotate it?"):
        received = await desk.customer_writes(words)
        clock.advance(timedelta(seconds=4))
        await desk.run_due()
    assert await desk.pending(received.conversation_id) is None

    draft = await desk.draft_for(received.conversation_id)

    assert draft.source_message_id == received.message_id
    assert desk.ground.asked == [("How do I rotate it?\nMy key is old.", 0)]
    assert await desk.statuses() == ["pending"]
    assert await desk.rows("SELECT 1 FROM cairnloop.pending_work") == []


@pytest.mark.requirement("03-retrieval-drafting:102")
async def test_running_the_same_job_again_leaves_one_draft(desk: Desk, clock: FixedClock) -> None:
    await desk.customer_writes()
    clock.advance(DELAY)
    [job] = await desk.waiting_jobs()

    await desk.drafter.run(job)
    await desk.drafter.run(job)

    assert await desk.statuses() == ["pending"]
    assert await desk.audited() == ["drafting.created"]


@pytest.mark.requirement("03-retrieval-drafting:102")
async def test_a_twin_that_overtakes_a_running_job_leaves_one_draft(
    desk: Desk, clock: FixedClock
) -> None:
    await desk.customer_writes()
    clock.advance(DELAY)
    [job] = await desk.waiting_jobs()

    async def twin() -> None:
        await desk.drafter.run(job)

    desk.ground.meanwhile = twin
    await desk.drafter.run(job)

    assert await desk.statuses() == ["pending"]
    assert len(desk.ground.asked) == 2


@pytest.mark.requirement("03-retrieval-drafting:103")
@pytest.mark.parametrize("close", ["resolve", "archive"])
async def test_a_closed_conversation_gets_no_draft(
    desk: Desk, clock: FixedClock, close: str
) -> None:
    received = await desk.customer_writes()
    await getattr(desk.conversations, close)(MAYA, received.conversation_id)
    clock.advance(DELAY)
    await desk.run_due()

    assert await desk.statuses() == []
    assert desk.ground.asked == []
    assert await desk.rows("SELECT 1 FROM cairnloop.pending_work") == []


@pytest.mark.requirement("03-retrieval-drafting:103")
async def test_closing_while_the_draft_is_made_leaves_none(desk: Desk, clock: FixedClock) -> None:
    received = await desk.customer_writes()
    desk.ground.meanwhile = lambda: desk.conversations.resolve(MAYA, received.conversation_id)
    clock.advance(DELAY)
    await desk.run_due()

    assert await desk.statuses() == []


@pytest.mark.requirement("03-retrieval-drafting:104")
async def test_a_message_during_generation_leaves_no_stale_draft_and_gets_its_own(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes("First question")
    desk.ground.meanwhile = lambda: desk.customer_writes("Second question")
    clock.advance(DELAY)
    await desk.run_due()
    assert await desk.statuses() == []

    draft = await desk.draft_for(received.conversation_id)

    assert draft.grounding.query.startswith("Second question")
    assert not draft.stale
    assert await desk.statuses() == ["pending"]


async def test_a_run_that_was_frozen_cannot_take_a_newer_request_off_the_list(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes("First question")
    clock.advance(DELAY)
    [job] = await desk.waiting_jobs()

    async def twin_finishes_and_the_customer_writes_again() -> None:
        await desk.run_due()
        # The request of this message counts its generations from one again.
        await desk.customer_writes("Second question")

    desk.ground.meanwhile = twin_finishes_and_the_customer_writes_again
    await desk.drafter.run(job)
    draft = await desk.draft_for(received.conversation_id)

    assert draft.grounding.query.startswith("Second question")
    assert await desk.statuses() == ["discarded", "pending"]


async def test_a_denied_reply_is_recorded_once_however_often_the_job_runs(
    engine: Engine, clock: FixedClock
) -> None:
    desk = open_desk(engine, clock, policy=Says(PolicyVerdict.DENY))
    await desk.customer_writes()
    clock.advance(DELAY)
    [job] = await desk.waiting_jobs()

    desk.ground.meanwhile = lambda: desk.drafter.run(job)
    await desk.drafter.run(job)

    assert await desk.audited() == ["drafting.denied"]


async def test_an_answer_given_meanwhile_makes_the_draft_pointless(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes()
    desk.ground.meanwhile = lambda: desk.conversations.reply(
        MAYA, received.conversation_id, "Like this.", hold=0
    )
    clock.advance(DELAY)
    await desk.run_due()

    assert await desk.statuses() == []
    assert await desk.rows("SELECT 1 FROM cairnloop.pending_work") == []


async def test_a_reply_on_its_way_is_waited_for_and_its_retraction_brings_the_draft(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes()
    replied = await desk.conversations.reply(MAYA, received.conversation_id, "Like this.", hold=30)
    clock.advance(DELAY)
    await desk.run_due()
    assert await desk.statuses() == []

    await desk.conversations.retract(MAYA, replied.message_id)
    clock.advance(timedelta(seconds=30))
    await desk.run_due()

    assert await desk.statuses() == ["pending"]


async def test_a_reply_that_goes_out_after_all_needs_no_draft(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes()
    await desk.conversations.reply(MAYA, received.conversation_id, "Like this.", hold=30)
    clock.advance(DELAY)
    await desk.run_due()
    await desk.write(
        "UPDATE cairnloop.messages SET delivery = 'sent', customer_position = 2"
        " WHERE delivery = 'held'"
    )
    clock.advance(timedelta(seconds=30))
    await desk.run_due()

    assert await desk.statuses() == []
    assert await desk.waiting_jobs() == []


async def test_a_newer_draft_takes_the_place_of_the_one_that_waits(desk: Desk) -> None:
    first = await desk.drafted("First question")
    await desk.customer_writes("Second question")
    assert (await desk.drafting.draft(MAYA, first.id)).stale

    second = await desk.draft_for(first.conversation_id)

    replaced = await desk.drafting.draft(MAYA, first.id)
    assert (replaced.status.value, replaced.discard_reason) == ("discarded", "superseded")
    assert replaced.can == ()
    assert await desk.marked(first.conversation_id) == (second.id, "reply")
    assert await desk.decisions() == [("superseded", "system drafting")]


@pytest.mark.requirement("03-retrieval-drafting:92")
async def test_after_a_question_that_was_sent_the_next_vague_message_escalates(
    desk: Desk,
) -> None:
    desk.ground.status = GroundingStatus.CLARIFICATION
    asked = await desk.drafted("It does not work")
    assert asked.proposal_type is ProposalType.CLARIFICATION
    assert asked.clarification_attempts == 1
    await desk.drafting.approve(MAYA, asked.id, hold=0)

    again = await desk.drafted("Still not")

    assert again.proposal_type is ProposalType.ESCALATION
    assert again.grounding.reason == Reason.CLARIFICATION_LIMIT_REACHED
    assert again.customer_reply is None
    assert [attempts for _, attempts in desk.ground.asked] == [0, 1]


async def test_a_question_that_was_never_sent_does_not_count(desk: Desk) -> None:
    desk.ground.status = GroundingStatus.CLARIFICATION
    asked = await desk.drafted("It does not work")
    await desk.drafting.discard(MAYA, asked.id)

    again = await desk.drafted("Still not")

    assert again.proposal_type is ProposalType.CLARIFICATION


@pytest.mark.parametrize("answered_by", ["operator", "draft", "closing"])
async def test_an_answer_or_a_closing_starts_the_count_again(
    desk: Desk, clock: FixedClock, answered_by: str
) -> None:
    desk.ground.status = GroundingStatus.CLARIFICATION
    asked = await desk.drafted("It does not work")
    await desk.drafting.approve(MAYA, asked.id, hold=0)
    clock.advance(timedelta(seconds=1))
    if answered_by == "operator":
        await desk.conversations.reply(MAYA, asked.conversation_id, "Press reset.", hold=0)
    elif answered_by == "draft":
        desk.ground.status = GroundingStatus.STRONG
        answer = await desk.drafted("How do I rotate my API key?")
        await desk.drafting.approve(MAYA, answer.id, hold=0)
        desk.ground.status = GroundingStatus.CLARIFICATION
    else:
        await desk.conversations.resolve(MAYA, asked.conversation_id)

    again = await desk.drafted("Something else is odd")

    assert again.conversation_id == asked.conversation_id
    assert again.proposal_type is ProposalType.CLARIFICATION


async def test_the_limit_of_questions_is_a_setting(engine: Engine, clock: FixedClock) -> None:
    desk = open_desk(engine, clock, config=DraftingConfig(clarification_limit=0))
    desk.ground.status = GroundingStatus.CLARIFICATION

    assert (await desk.drafted()).proposal_type is ProposalType.ESCALATION


async def test_limited_search_still_gives_a_draft_that_says_so(desk: Desk) -> None:
    desk.ground.answer = bundle(
        status=GroundingStatus.ESCALATION,
        reason=Reason.PROVIDER_TIMEOUT,
        degraded=(Degraded.EMBEDDER_UNAVAILABLE, Degraded.SEARCH_TIMED_OUT),
    )

    draft = await desk.drafted()

    assert draft.proposal_type is ProposalType.ESCALATION
    assert draft.grounding.degraded == ("embedder_unavailable", "search_timed_out")
    assert not draft.sendable


async def test_an_outage_leaves_the_request_for_the_next_run(desk: Desk, clock: FixedClock) -> None:
    received = await desk.customer_writes()
    clock.advance(DELAY)
    [job] = await desk.waiting_jobs()
    desk.ground.error = Unavailable("database_unavailable", "The database is away.")
    with pytest.raises(Unavailable):
        await desk.drafter.run(job)
    assert await desk.statuses() == []

    desk.ground.error = None
    await desk.drafter.run(job)

    assert await desk.pending(received.conversation_id) is not None


async def test_a_bug_in_a_generator_is_seen_and_leaves_nothing_half_done(
    engine: Engine, clock: FixedClock
) -> None:
    desk = open_desk(engine, clock, generator=Generates(ZeroDivisionError()))
    await desk.customer_writes()
    clock.advance(DELAY)
    [job] = await desk.waiting_jobs()

    with pytest.raises(ZeroDivisionError):
        await desk.drafter.run(job)

    assert await desk.statuses() == []
    assert await desk.audited() == []


@pytest.mark.requirement("03-retrieval-drafting:90")
async def test_a_hosts_generator_is_used(engine: Engine, clock: FixedClock) -> None:
    made = proposal(
        customer_reply="Rotate it under Settings. [1]",
        content="Rotate it under Settings. [1]",
        generator="host",
        model="model-1",
    )
    desk = open_desk(engine, clock, generator=Generates(made))

    draft = await desk.drafted()

    assert draft.customer_reply == "Rotate it under Settings. [1]"
    assert (draft.generator, draft.model, draft.fallback_reason) == ("host", "model-1", None)


@pytest.mark.parametrize(
    ("made", "grounded", "reason"),
    [
        (proposal(bundle()), clarifying(), "weak_grounding"),
        (proposal(conversation_id=ELSEWHERE), bundle(), "other_conversation"),
        (proposal(content="See [7].", customer_reply="See [7]."), bundle(), "citation_unknown"),
    ],
)
async def test_a_proposal_that_breaks_the_contract_is_replaced_and_the_reason_kept(
    engine: Engine, clock: FixedClock, made: Proposal, grounded: GroundingBundle, reason: str
) -> None:
    desk = open_desk(engine, clock, generator=Generates(made))
    desk.ground.answer = grounded

    draft = await desk.drafted()

    assert (draft.generator, draft.fallback_reason) == ("scoria", reason)
    assert draft.grounding.status is grounded.grounding.status


@pytest.mark.requirement("03-retrieval-drafting:107")
async def test_a_denied_reply_leaves_a_trace_and_no_draft(
    engine: Engine, clock: FixedClock
) -> None:
    heard: list[object] = []

    async def hear(work: Work, event: object) -> None:
        heard.append(event)

    desk = open_desk(engine, clock, policy=Says(PolicyVerdict.DENY), hears={DraftDenied: [hear]})
    received = await desk.customer_writes()
    clock.advance(DELAY)
    await desk.run_due()

    assert await desk.statuses() == []
    assert await desk.audited() == ["drafting.denied"]
    assert heard == [DraftDenied(received.conversation_id, received.message_id)]
    assert await desk.marked(received.conversation_id) == (None, None)
    assert await desk.rows("SELECT 1 FROM cairnloop.pending_work") == []


async def test_a_denied_reply_takes_the_outdated_draft_with_it(
    engine: Engine, clock: FixedClock
) -> None:
    old = await open_desk(engine, clock).drafted("First question")
    desk = open_desk(engine, clock, policy=Says(PolicyVerdict.DENY))
    await desk.customer_writes("Second question")
    clock.advance(DELAY)
    await desk.run_due()

    assert await desk.statuses() == ["discarded"]
    assert await desk.marked(old.conversation_id) == (None, None)


@pytest.mark.requirement("03-retrieval-drafting:107")
@pytest.mark.parametrize("answer", [PolicyVerdict.ALLOW, PolicyVerdict.REQUIRE_APPROVAL])
async def test_allow_without_the_switch_waits_for_a_person(
    engine: Engine, clock: FixedClock, answer: PolicyVerdict
) -> None:
    desk = open_desk(engine, clock, policy=Says(answer))

    draft = await desk.drafted()

    assert (draft.status.value, draft.policy) == ("pending", answer)
    assert draft.can == ("approve", "edit", "discard")
    assert len(await desk.seen_by_customer(draft.conversation_id)) == 1


@pytest.mark.requirement("03-retrieval-drafting:107")
async def test_allow_with_the_switch_sends_in_the_policys_name_with_draft_and_message_together(
    engine: Engine, clock: FixedClock
) -> None:
    config = DraftingConfig(auto_send_enabled=True, auto_send_hold=timedelta(0))
    desk = open_desk(engine, clock, config=config, policy=Says(PolicyVerdict.ALLOW))
    received = await desk.customer_writes()
    clock.advance(DELAY)
    await desk.run_due()

    [row] = (await desk.drafting.drafts(MAYA)).items
    draft = await desk.drafting.draft(MAYA, row.id)
    assert draft.status.value == "approved"
    assert await desk.decisions() == [("auto_allowed", "system policy:Says")]
    assert draft.decided_by == "policy:Says"
    assert len(await desk.seen_by_customer(received.conversation_id)) == 2
    assert await desk.marked(received.conversation_id) == (None, None)


@pytest.mark.requirement("03-retrieval-drafting:107")
async def test_a_policy_cannot_send_past_the_checks_of_an_approval(
    engine: Engine, clock: FixedClock
) -> None:
    config = DraftingConfig(auto_send_enabled=True, auto_send_hold=timedelta(days=400))
    desk = open_desk(engine, clock, config=config, policy=Says(PolicyVerdict.ALLOW))

    draft = await desk.drafted()

    assert draft.status.value == "pending"
    assert await desk.decisions() == []
    assert await desk.audited() == ["drafting.created", "drafting.auto_send_refused"]
    assert len(await desk.seen_by_customer(draft.conversation_id)) == 1


async def test_a_policy_never_sends_questions_by_itself(engine: Engine, clock: FixedClock) -> None:
    config = DraftingConfig(auto_send_enabled=True)
    desk = open_desk(engine, clock, config=config, policy=Says(PolicyVerdict.ALLOW))
    desk.ground.status = GroundingStatus.CLARIFICATION

    assert (await desk.drafted()).status.value == "pending"


async def test_asking_for_a_draft_makes_a_new_one_now_and_keeps_the_old_until_then(
    desk: Desk,
) -> None:
    first = await desk.drafted()

    for _ in range(3):
        await desk.drafting.request(MAYA, first.conversation_id)
    assert (await desk.drafting.draft(MAYA, first.id)).status.value == "pending"
    await desk.run_due()

    assert await desk.statuses() == ["discarded", "pending"]
    waiting = await desk.pending(first.conversation_id)
    assert waiting is not None
    assert (waiting.attempt, waiting.source_message_id) == (2, first.source_message_id)


async def test_a_discarded_draft_can_be_asked_for_again_also_after_an_answer(desk: Desk) -> None:
    first = await desk.drafted()
    await desk.drafting.discard(MAYA, first.id)
    await desk.drafting.request(MAYA, first.conversation_id)
    await desk.run_due()
    await desk.conversations.reply(MAYA, first.conversation_id, "Like this.", hold=0)

    await desk.drafting.request(MAYA, first.conversation_id)
    await desk.run_due()

    assert await desk.statuses() == ["discarded", "discarded", "pending"]


async def test_a_draft_asked_for_during_the_delay_is_the_only_one(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes()
    await desk.drafting.request(MAYA, received.conversation_id)
    await desk.run_due()
    clock.advance(DELAY)
    await desk.run_due()

    assert await desk.statuses() == ["pending"]


async def test_a_request_that_a_newer_message_overtook_stands_down(
    desk: Desk, clock: FixedClock
) -> None:
    first = await desk.drafted("First question")
    await desk.drafting.request(MAYA, first.conversation_id)
    desk.ground.meanwhile = lambda: desk.customer_writes("Second question")
    await desk.run_due()
    assert await desk.statuses() == ["pending"]

    second = await desk.draft_for(first.conversation_id)

    assert second.attempt == 1
    assert await desk.statuses() == ["discarded", "pending"]
    assert await desk.rows("SELECT 1 FROM cairnloop.pending_work") == []


async def test_asking_is_refused_where_there_is_nothing_to_draft(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes()
    await desk.conversations.resolve(MAYA, received.conversation_id)

    with pytest.raises(Conflict, match="closed"):
        await desk.drafting.request(MAYA, received.conversation_id)
    with pytest.raises(NotFound):
        await desk.drafting.request(MAYA, ConversationId(999))
    with pytest.raises(NotFound):
        await desk.drafting.request(Caller.operator("maya", "other"), received.conversation_id)
    with pytest.raises(Forbidden):
        await desk.drafting.request(Caller.operator(None), received.conversation_id)


async def test_a_thread_in_which_no_customer_spoke_cannot_be_drafted(desk: Desk) -> None:
    received = await desk.customer_writes()
    await desk.write("UPDATE cairnloop.messages SET role = 'system', delivery = 'received'")

    with pytest.raises(Invalid) as refusal:
        await desk.drafting.request(MAYA, received.conversation_id)

    assert refusal.value.code == "nothing_to_answer"


async def test_a_conversation_that_is_gone_takes_its_request_off_the_list(
    desk: Desk, clock: FixedClock
) -> None:
    await desk.customer_writes()
    await desk.write("DELETE FROM cairnloop.conversations")
    clock.advance(DELAY)
    await desk.run_due()

    assert await desk.rows("SELECT 1 FROM cairnloop.pending_work") == []
