"""The pure rules of drafts: what may follow what, and when one may be sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cairnloop_engine.conversations.model import Status
from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId
from cairnloop_engine.drafting.model import (
    Approval,
    Decision,
    Denied,
    DiscardReason,
    Draft,
    DraftRequest,
    DraftStatus,
    PolicyVerdict,
    ProposalType,
    Send,
    StandDown,
    ThreadState,
    after,
    after_retraction,
    approve,
    save_edit,
    stand_down,
)
from cairnloop_engine.drafting.proposal import (
    GroundingSnapshot,
    citations,
    cited_numbers,
    fault,
    grounding_metadata,
    within_limit,
)
from cairnloop_engine.retrieval.model import GroundingStatus, Reason, evidence_from_json
from tests.engine.drafting.builders import bundle, clarifying, escalating, evidence, proposal

OPEN = ThreadState(Status.OPEN, last_customer_sequence=3, held_replies=0)
WAITING = Draft(
    id=DraftId(1),
    status=DraftStatus.PENDING,
    proposal_type=ProposalType.REPLY,
    policy=PolicyVerdict.REQUIRE_APPROVAL,
    source_sequence=3,
    customer_reply="Create the new key first. [1]",
    final_content=None,
    version=1,
)


def test_a_waiting_draft_is_sent_as_it_stands() -> None:
    outcome = approve(WAITING, OPEN, Approval())

    assert outcome == Send(Decision.APPROVED, "Create the new key first. [1]")


def test_other_words_make_it_an_edit() -> None:
    outcome = approve(WAITING, OPEN, Approval(edit="Make the new key first."))

    assert outcome == Send(Decision.EDITED, "Make the new key first.")


def test_a_saved_edit_is_what_approving_sends() -> None:
    edited = replace(WAITING, status=DraftStatus.EDITED, final_content="Mine.")

    assert approve(edited, OPEN, Approval()) == Send(Decision.EDITED, "Mine.")


@pytest.mark.requirement("03-retrieval-drafting:105")
@pytest.mark.parametrize("status", [DraftStatus.APPROVED, DraftStatus.DISCARDED])
def test_a_decided_draft_is_refused_whatever_else_is_true(status: DraftStatus) -> None:
    decided = replace(WAITING, status=status)
    closed = replace(OPEN, status=Status.RESOLVED, held_replies=1, last_customer_sequence=9)

    for thread in (OPEN, closed):
        wish = Approval(edit="again", even_if_stale=True)
        assert approve(decided, thread, wish) == Denied("draft_already_decided")
        assert save_edit(decided, thread, expected_version=None) == Denied("draft_already_decided")


def test_a_hand_over_can_never_be_sent_not_even_with_other_words() -> None:
    escalation = replace(WAITING, proposal_type=ProposalType.ESCALATION, customer_reply=None)

    assert approve(escalation, OPEN, Approval(edit="Hello")) == Denied("draft_not_sendable")
    assert save_edit(escalation, OPEN, expected_version=1) == Denied("draft_not_sendable")


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.ARCHIVED])
def test_a_closed_conversation_takes_no_draft(status: Status) -> None:
    closed = replace(OPEN, status=status)

    assert approve(WAITING, closed, Approval()) == Denied("conversation_not_open")
    assert save_edit(WAITING, closed, expected_version=None) == Denied("conversation_not_open")


def test_a_reply_on_its_way_blocks_the_draft() -> None:
    outcome = approve(WAITING, replace(OPEN, held_replies=1), Approval(even_if_stale=True))

    assert outcome == Denied("reply_on_its_way")


def test_a_newer_customer_message_disarms_the_send_until_it_is_wanted_anyway() -> None:
    newer = replace(OPEN, last_customer_sequence=4)

    assert WAITING.is_stale(newer)
    assert approve(WAITING, newer, Approval()) == Denied("draft_stale")
    assert isinstance(approve(WAITING, newer, Approval(even_if_stale=True)), Send)


def test_a_draft_that_somebody_else_edited_meanwhile_is_not_sent_unseen() -> None:
    changed = replace(WAITING, version=2)

    assert approve(changed, OPEN, Approval(expected_version=1)) == Denied("draft_changed")
    assert save_edit(changed, OPEN, expected_version=1) == Denied("draft_changed")
    assert isinstance(approve(changed, OPEN, Approval(expected_version=2)), Send)


@pytest.mark.requirement("03-retrieval-drafting:90")
def test_draft_only_offers_no_approval_but_takes_an_operators_own_words() -> None:
    suggestion = replace(WAITING, policy=PolicyVerdict.DRAFT_ONLY)
    applied = replace(suggestion, status=DraftStatus.EDITED, final_content=WAITING.customer_reply)

    assert approve(suggestion, OPEN, Approval()) == Denied("draft_only")
    assert isinstance(approve(suggestion, OPEN, Approval(edit="Mine.")), Send)
    assert isinstance(approve(applied, OPEN, Approval()), Send)


def test_a_policy_sends_only_the_untouched_words_of_a_fresh_draft() -> None:
    edited = replace(WAITING, status=DraftStatus.EDITED, final_content="Mine.")
    newer = replace(OPEN, last_customer_sequence=4)
    by_policy = Approval(by_policy=True)

    assert approve(WAITING, OPEN, by_policy) == Send(
        Decision.AUTO_ALLOWED, "Create the new key first. [1]"
    )
    assert approve(edited, OPEN, by_policy) == Denied("draft_changed")
    assert approve(WAITING, newer, by_policy) == Denied("draft_stale")


LEADS_TO = {
    (DraftStatus.PENDING, Decision.APPROVED): DraftStatus.APPROVED,
    (DraftStatus.PENDING, Decision.EDITED): DraftStatus.APPROVED,
    (DraftStatus.PENDING, Decision.AUTO_ALLOWED): DraftStatus.APPROVED,
    (DraftStatus.PENDING, Decision.DISCARDED): DraftStatus.DISCARDED,
    (DraftStatus.PENDING, Decision.SUPERSEDED): DraftStatus.DISCARDED,
    (DraftStatus.EDITED, Decision.APPROVED): DraftStatus.APPROVED,
    (DraftStatus.EDITED, Decision.EDITED): DraftStatus.APPROVED,
    (DraftStatus.EDITED, Decision.DISCARDED): DraftStatus.DISCARDED,
    (DraftStatus.EDITED, Decision.SUPERSEDED): DraftStatus.DISCARDED,
    (DraftStatus.APPROVED, Decision.RETRACTED): DraftStatus.PENDING,
}


@pytest.mark.parametrize("status", DraftStatus)
@pytest.mark.parametrize("decision", Decision)
def test_what_the_table_does_not_allow_is_refused(status: DraftStatus, decision: Decision) -> None:
    refused = Denied("draft_already_decided")

    assert after(status, decision) == LEADS_TO.get((status, decision), refused)


def test_a_retracted_reply_gives_the_draft_back_unless_something_took_its_place() -> None:
    closed = replace(OPEN, status=Status.RESOLVED)

    assert after_retraction(OPEN, another_waits=False) is None
    assert after_retraction(OPEN, another_waits=True) is DiscardReason.SUPERSEDED
    assert after_retraction(closed, another_waits=True) is DiscardReason.CONVERSATION_CLOSED


MESSAGE = DraftRequest(ConversationId(7))
ASKED = DraftRequest(ConversationId(7), MessageId(12), 2)


@pytest.mark.requirement("03-retrieval-drafting:103")
def test_a_closed_conversation_is_not_drafted() -> None:
    closed = replace(OPEN, status=Status.RESOLVED)

    found = stand_down(ASKED, closed, source_sequence=3, already_drafted=False)

    assert found is StandDown.CONVERSATION_CLOSED


@pytest.mark.requirement("03-retrieval-drafting:104")
def test_a_newer_customer_message_makes_the_older_question_moot() -> None:
    newer = replace(OPEN, last_customer_sequence=4)

    found = stand_down(MESSAGE, newer, source_sequence=3, already_drafted=False)

    assert found is StandDown.NEWER_MESSAGE


def test_a_question_that_has_its_draft_or_its_answer_gets_no_other() -> None:
    answered = replace(OPEN, last_reply_sequence=4)
    on_its_way = replace(OPEN, held_replies=1, held_sequence=4)
    silent = replace(OPEN, last_customer_sequence=0)

    def reason(thread: ThreadState, *, drafted: bool = False, at: int = 3) -> StandDown | None:
        return stand_down(MESSAGE, thread, source_sequence=at, already_drafted=drafted)

    assert reason(OPEN) is None
    assert reason(OPEN, drafted=True) is StandDown.ALREADY_DRAFTED
    assert reason(answered) is StandDown.ALREADY_ANSWERED
    assert reason(on_its_way) is StandDown.REPLY_ON_ITS_WAY
    assert reason(silent, at=0) is StandDown.NOTHING_TO_ANSWER


def test_an_operator_may_ask_for_a_draft_after_an_answer_went_out() -> None:
    answered = replace(OPEN, last_reply_sequence=4)

    assert stand_down(ASKED, answered, source_sequence=3, already_drafted=False) is None


def test_a_reply_written_before_the_question_does_not_answer_it() -> None:
    earlier = replace(OPEN, last_reply_sequence=2, held_replies=1, held_sequence=2)

    assert stand_down(MESSAGE, earlier, source_sequence=3, already_drafted=False) is None


@pytest.mark.parametrize("request_", [MESSAGE, ASKED])
def test_a_request_survives_its_key(request_: DraftRequest) -> None:
    assert DraftRequest.parse(request_.key) == request_


@pytest.mark.requirement("03-retrieval-drafting:46")
def test_after_one_question_the_next_vague_message_goes_to_a_person() -> None:
    first = within_limit(clarifying(attempts=0), limit=1)
    second = within_limit(clarifying(attempts=1), limit=1)

    assert first.grounding.status is GroundingStatus.CLARIFICATION
    assert second.grounding.status is GroundingStatus.ESCALATION
    assert second.grounding.reason is Reason.CLARIFICATION_LIMIT_REACHED
    assert second.attempts == 1
    assert within_limit(bundle(attempts=5), limit=1).grounding.may_reply


def test_a_proposal_that_guesses_past_its_grounding_is_faulty() -> None:
    answer = proposal(bundle())
    question = proposal(clarifying())

    assert fault(answer, bundle(), max_length=1000) is None
    assert fault(answer, clarifying(), max_length=1000) == "weak_grounding"
    assert fault(answer, escalating(), max_length=1000) == "weak_grounding"
    assert fault(question, escalating(), max_length=1000) == "clarification_limit"
    assert fault(question, bundle(), max_length=1000) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"content": "  ", "customer_reply": "  "}, "empty"),
        ({"operator_summary": ""}, "empty"),
        ({"customer_reply": None}, "content_mismatch"),
        ({"customer_reply": "Other words."}, "content_mismatch"),
        ({"content": "See [9].", "customer_reply": "See [9]."}, "citation_unknown"),
        ({"content": "x" * 2000, "customer_reply": "x" * 2000}, "too_long"),
        ({"proposal_type": ProposalType.ESCALATION}, "sendable_escalation"),
    ],
)
def test_each_breach_of_the_generator_contract_has_a_name(
    changes: dict[str, object], reason: str
) -> None:
    assert fault(proposal(bundle(), **changes), bundle(), max_length=1000) == reason


def test_a_marker_is_a_citation_and_an_index_is_code() -> None:
    assert cited_numbers("See [1] and [12]. list[0] and (x)[3] are code.") == {1, 12}


def test_only_citations_that_are_still_in_the_text_go_along() -> None:
    sources = (evidence(1, title="A"), evidence(2, title="B"))

    assert [c.title for c in citations("As in [2].", sources)] == ["B"]
    assert citations("In my own words.", sources) == ()


@pytest.mark.requirement("03-retrieval-drafting:108")
def test_grounding_and_evidence_survive_json() -> None:
    made = proposal(bundle(evidence(1), evidence(2, title="Other")))
    stored = json.loads(json.dumps(made.grounding_metadata))
    passages = json.loads(json.dumps(bundle(*made.evidence).evidence_json()))

    read = GroundingSnapshot.from_json(stored)

    assert read.grounding == bundle().grounding
    assert (read.query, read.attempts, read.embedder) == (bundle().query, 0, "test-embedder")
    assert evidence_from_json(passages) == made.evidence


@pytest.mark.parametrize(
    "stored", [{}, {"grounding": 3, "degraded": "no"}, {"reason": "from the future", "v": 99}]
)
def test_unknown_stored_grounding_reads_as_the_cautious_state(stored: dict[str, object]) -> None:
    read = GroundingSnapshot.from_json(stored)  # type: ignore[arg-type]

    assert read.grounding.status is GroundingStatus.ESCALATION
    assert read.degraded == ()


def test_the_snapshot_holds_what_the_contract_names() -> None:
    stored = grounding_metadata(clarifying(attempts=1))

    assert stored["grounding_status"] == "clarification"
    assert stored["reason"] == "canonical_insufficient_detail"
    assert stored["query"] == clarifying().query
