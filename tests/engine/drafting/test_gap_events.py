"""What a draft could not answer is recorded with it: once for a message, never at its cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from cairnloop_engine.retrieval.model import Degraded, GroundingStatus, Reason, Trust
from tests.engine.drafting.builders import bundle, evidence
from tests.engine.drafting.desk import MAYA, Desk
from tests.fakes import FixedClock

DELAY = timedelta(seconds=5)
ESCALATION = GroundingStatus.ESCALATION


async def gaps(desk: Desk) -> Sequence[Any]:
    return await desk.rows("SELECT * FROM cairnloop.gap_events ORDER BY id")


@pytest.mark.requirement("03-retrieval-drafting:55")
@pytest.mark.requirement("03-retrieval-drafting:91")
async def test_a_draft_that_could_not_answer_leaves_one_event_in_its_own_transaction(
    desk: Desk, clock: FixedClock
) -> None:
    desk.ground.answer = bundle(
        evidence(1), evidence(2, trust=Trust.ASSISTIVE), status=GroundingStatus.CLARIFICATION
    )
    draft = await desk.drafted("Refund to jane@example.com?")

    [gap] = await gaps(desk)
    assert (gap["workspace"], gap["surface"], gap["ui_surface"]) == (
        "default",
        "draft_generation",
        "conversation",
    )
    assert (gap["outcome_class"], gap["reason"]) == (
        "weak_grounding",
        "canonical_insufficient_detail",
    )
    assert (gap["canonical_hits"], gap["assistive_hits"]) == (1, 1)
    assert gap["conversation_id"] == draft.conversation_id
    assert gap["occurred_at"] == clock.now()
    assert len(gap["evidence"]) == 2


async def test_a_draft_that_answers_leaves_none(desk: Desk) -> None:
    await desk.drafted()

    assert await gaps(desk) == []


@pytest.mark.requirement("03-retrieval-drafting:92")
async def test_a_question_too_many_is_an_event_and_the_draft_is_there_all_the_same(
    desk: Desk,
) -> None:
    # One clarification was sent already: the limit of this desk.
    desk.ground.answer = bundle(status=GroundingStatus.CLARIFICATION, attempts=1)
    draft = await desk.drafted()

    [gap] = await gaps(desk)
    assert draft.proposal_type.value == "escalation"
    assert (gap["outcome_class"], gap["reason"], gap["clarification_attempts"]) == (
        "policy_limit",
        "clarification_limit_reached",
        1,
    )


@pytest.mark.requirement("03-retrieval-drafting:102")
async def test_running_the_job_again_or_asking_again_leaves_one_event(
    desk: Desk, clock: FixedClock
) -> None:
    desk.ground.status = ESCALATION
    received = await desk.customer_writes()
    clock.advance(DELAY)
    [job] = await desk.waiting_jobs()
    desk.ground.meanwhile = lambda: desk.drafter.run(job)
    await desk.drafter.run(job)

    await desk.drafting.request(MAYA, received.conversation_id)
    await desk.run_due()

    assert await desk.statuses() == ["discarded", "pending"]
    assert len(await gaps(desk)) == 1


async def test_the_next_message_is_an_event_of_its_own(desk: Desk) -> None:
    desk.ground.status = ESCALATION
    await desk.drafted("First question")
    await desk.drafted("Second question")

    assert len(await gaps(desk)) == 2


async def test_an_outage_is_told_apart_and_does_not_hide_the_gap_behind_it(
    desk: Desk, clock: FixedClock
) -> None:
    desk.ground.answer = bundle(
        status=ESCALATION,
        reason=Reason.PROVIDER_TIMEOUT,
        degraded=(Degraded.SEARCH_TIMED_OUT,),
    )
    draft = await desk.drafted()
    desk.ground.answer = bundle(status=ESCALATION)
    await desk.drafting.request(MAYA, draft.conversation_id)
    await desk.run_due()

    assert [(gap["outcome_class"], gap["reason"]) for gap in await gaps(desk)] == [
        ("retrieval_error", "provider_timeout"),
        ("empty_recall", "no_canonical_results"),
    ]


@pytest.mark.requirement("03-retrieval-drafting:58")
async def test_an_event_that_cannot_be_stored_does_not_cost_the_draft(desk: Desk) -> None:
    desk.ground.status = ESCALATION
    await desk.write(
        "ALTER TABLE cairnloop.gap_events ADD CONSTRAINT refuses CHECK (false) NOT VALID"
    )
    try:
        draft = await desk.drafted()
    finally:
        await desk.write("ALTER TABLE cairnloop.gap_events DROP CONSTRAINT refuses")

    assert draft.proposal_type.value == "escalation"
    assert await gaps(desk) == []
    assert await desk.audited() == ["drafting.created"]
