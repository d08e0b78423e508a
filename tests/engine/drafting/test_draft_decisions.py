"""Decisions about drafts: sent once, as seen, by somebody, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from cairnloop_engine import (
    Blocked,
    CairnloopError,
    Caller,
    Conflict,
    Engine,
    Forbidden,
    Invalid,
    NotFound,
)
from cairnloop_engine.conversations import release
from cairnloop_engine.conversations.model import Citation, Delivery, DraftLink
from cairnloop_engine.core.actors import Actor
from cairnloop_engine.core.ids import DraftDecisionId, DraftId, MessageId
from cairnloop_engine.drafting import decisions, outcomes
from cairnloop_engine.drafting.decisions import Decided
from cairnloop_engine.drafting.model import (
    Approval,
    DraftingConfig,
    DraftStatus,
    PolicyVerdict,
)
from cairnloop_engine.drafting.ports import PolicyContext
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.drafting.reads import DraftView
from cairnloop_engine.retrieval.model import GroundingStatus
from tests.engine.drafting.desk import ACME, MAYA, NOOR, Desk, open_desk
from tests.fakes import FixedClock


class DraftOnly:
    async def decide(self, proposal: Proposal, context: PolicyContext) -> PolicyVerdict:
        return PolicyVerdict.DRAFT_ONLY


async def refused(what: Awaitable[object], code: str) -> CairnloopError:
    with pytest.raises(CairnloopError) as refusal:
        await what
    assert refusal.value.code == code
    return refusal.value


async def replies(desk: Desk, draft: DraftView) -> list[str]:
    """What the customer was sent in a conversation that began with one question."""
    return (await desk.seen_by_customer(draft.conversation_id))[1:]


@pytest.mark.requirement("03-retrieval-drafting:76")
@pytest.mark.requirement("03-retrieval-drafting:78")
async def test_approving_sends_exactly_the_words_that_were_shown(desk: Desk) -> None:
    draft = await desk.drafted()
    assert draft.customer_reply is not None

    decided = await desk.drafting.approve(MAYA, draft.id, hold=0)

    assert (decided.status, decided.delivery) == (DraftStatus.APPROVED, Delivery.SENT)
    assert await replies(desk, draft) == [draft.customer_reply]
    thread = await desk.conversations.thread(MAYA, draft.conversation_id)
    sent = thread.messages[-1]
    assert (sent.id, sent.draft_id, sent.author_id) == (decided.message_id, draft.id, "maya")
    assert [citation.title for citation in sent.citations] == ["Rotating an API key"]
    assert await desk.decisions() == [("approved", "operator maya")]
    assert await desk.audited() == ["drafting.created", "drafting.approved"]
    assert await desk.marked(draft.conversation_id) == (None, None)
    after = await desk.drafting.draft(MAYA, draft.id)
    assert (after.message_id, after.decided_by, after.can) == (decided.message_id, "maya", ())
    assert after.delivery is Delivery.SENT


async def test_an_edit_may_cite_more_than_the_draft_did(desk: Desk) -> None:
    draft = await desk.drafted()
    words = "Create the new key first [1], then see the audit page [2]."
    more = Citation("The audit page", "knowledge_base", 7, 70)

    await desk.drafting.approve(MAYA, draft.id, edit=words, citations=[more], hold=0)

    thread = await desk.conversations.thread(MAYA, draft.conversation_id)
    assert [citation.title for citation in thread.messages[-1].citations] == [
        "Rotating an API key",
        "The audit page",
    ]


async def test_the_decision_names_the_digest_of_what_went_out(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.drafting.approve(MAYA, draft.id, edit="My own words.", hold=0)

    [row] = await desk.rows("SELECT content_digest FROM cairnloop.draft_decisions")

    assert row["content_digest"] == hashlib.sha256(b"My own words.").hexdigest()


@pytest.mark.requirement("03-retrieval-drafting:105")
async def test_approving_twice_sends_once_and_says_who_was_first(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.drafting.approve(MAYA, draft.id, hold=0)

    for again in (
        desk.drafting.approve(NOOR, draft.id, hold=0),
        desk.drafting.approve(MAYA, draft.id, hold=0, edit="Other words", even_if_stale=True),
        desk.drafting.discard(NOOR, draft.id),
        desk.drafting.edit(NOOR, draft.id, "Other words"),
    ):
        refusal = await refused(again, "draft_already_decided")
        assert refusal.facts["decided_by"] == "maya"
        assert refusal.facts["status"] == "approved"
        assert refusal.facts["decided_at"] is not None

    assert len(await replies(desk, draft)) == 1


@pytest.mark.requirement("03-retrieval-drafting:105")
@pytest.mark.requirement("03-retrieval-drafting:77")
async def test_a_discarded_draft_sends_nothing_ever(desk: Desk) -> None:
    draft = await desk.drafted()

    decided = await desk.drafting.discard(MAYA, draft.id, reason="Wrong article")

    assert (decided.status, decided.message_id) == (DraftStatus.DISCARDED, None)
    await refused(desk.drafting.approve(MAYA, draft.id, hold=0), "draft_already_decided")
    assert await replies(desk, draft) == []
    after = await desk.drafting.draft(MAYA, draft.id)
    assert (after.discard_reason, after.discard_note) == ("discarded_by_operator", "Wrong article")
    assert await desk.audited() == ["drafting.created", "drafting.discarded"]
    assert await desk.marked(draft.conversation_id) == (None, None)


@pytest.mark.requirement("03-retrieval-drafting:106")
async def test_edited_words_are_what_is_sent_and_the_draft_is_used_up(desk: Desk) -> None:
    draft = await desk.drafted()

    await desk.drafting.approve(MAYA, draft.id, edit="See the docs. [1]", hold=0)

    assert await replies(desk, draft) == ["See the docs. [1]"]
    after = await desk.drafting.draft(MAYA, draft.id)
    assert (after.status.value, after.customer_reply) == ("approved", "See the docs. [1]")
    assert after.proposed == draft.customer_reply
    assert await desk.decisions() == [("edited", "operator maya")]
    await refused(desk.drafting.approve(MAYA, draft.id, hold=0), "draft_already_decided")


@pytest.mark.requirement("03-retrieval-drafting:106")
@pytest.mark.requirement("03-retrieval-drafting:77")
async def test_a_saved_edit_waits_and_is_sent_by_approving(desk: Desk) -> None:
    draft = await desk.drafted()

    await desk.drafting.edit(MAYA, draft.id, "My own words.")

    waiting = await desk.pending(draft.conversation_id)
    assert waiting is not None
    assert (waiting.status.value, waiting.customer_reply) == ("edited", "My own words.")
    assert (waiting.edited_by, waiting.proposed) == ("maya", draft.customer_reply)
    assert [one.cited for one in waiting.evidence] == [False]
    await desk.drafting.approve(NOOR, draft.id, hold=0)
    assert await replies(desk, draft) == ["My own words."]
    assert await desk.audited() == ["drafting.created", "drafting.edited", "drafting.approved"]


async def test_somebody_elses_edit_is_not_sent_unseen(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.drafting.edit(NOOR, draft.id, "Something you have not read.")

    for late in (
        desk.drafting.approve(MAYA, draft.id, hold=0, expected_version=draft.version),
        desk.drafting.edit(MAYA, draft.id, "Mine", expected_version=draft.version),
        desk.drafting.discard(MAYA, draft.id, expected_version=draft.version),
    ):
        refusal = await refused(late, "draft_changed")
        assert "noor" in refusal.message

    assert await replies(desk, draft) == []


async def test_a_newer_customer_message_disarms_the_send(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.customer_writes("Wait, I mean the other key.")

    refusal = await refused(desk.drafting.approve(MAYA, draft.id, hold=0), "draft_stale")

    assert isinstance(refusal, Conflict)
    assert refusal.facts["revision"] != refusal.facts["draft_revision"]
    assert (await desk.drafting.draft(MAYA, draft.id)).stale
    assert (await desk.drafting.drafts(MAYA)).items[0].stale
    assert len(await replies(desk, draft)) == 1


async def test_a_stale_draft_goes_out_when_it_is_wanted_anyway(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.customer_writes("Thanks, hurry!")

    await desk.drafting.approve(MAYA, draft.id, even_if_stale=True, hold=0)

    assert (await replies(desk, draft))[-1] == draft.customer_reply


async def test_wanting_it_anyway_covers_only_what_was_read(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.customer_writes("Thanks, hurry!")
    seen = await desk.drafting.draft(MAYA, draft.id)
    await desk.customer_writes("Never mind, it is solved.")

    late = desk.drafting.approve(
        MAYA,
        draft.id,
        even_if_stale=True,
        hold=0,
        expected_revision=seen.conversation_revision,
    )
    await refused(late, "thread_changed")

    assert (await desk.drafting.draft(MAYA, draft.id)).status.value == "pending"
    assert await desk.decisions() == []


async def test_a_hand_over_has_nothing_to_send(desk: Desk) -> None:
    desk.ground.status = GroundingStatus.ESCALATION
    draft = await desk.drafted()
    assert (draft.customer_reply, draft.sendable, draft.can) == (None, False, ("discard",))

    refusal = await refused(
        desk.drafting.approve(MAYA, draft.id, edit="Hello", hold=0), "draft_not_sendable"
    )
    await refused(desk.drafting.edit(MAYA, draft.id, "Hello"), "draft_not_sendable")

    assert isinstance(refusal, Blocked)
    assert await replies(desk, draft) == []


@pytest.mark.parametrize("close", ["resolve", "archive"])
async def test_closing_a_conversation_drops_its_draft(desk: Desk, close: str) -> None:
    draft = await desk.drafted()
    more = {"force": True} if close == "resolve" else {}
    await getattr(desk.conversations, close)(MAYA, draft.conversation_id, **more)

    after = await desk.drafting.draft(MAYA, draft.id)
    assert (after.status.value, after.discard_reason) == ("discarded", "conversation_closed")
    assert await desk.marked(draft.conversation_id) == (None, None)
    await refused(desk.drafting.approve(MAYA, draft.id, hold=0), "draft_already_decided")


async def test_a_draft_that_outlived_its_conversation_is_still_refused(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.write("UPDATE cairnloop.conversations SET status = 'archived'")

    assert (await desk.drafting.draft(MAYA, draft.id)).can == ("discard",)
    await refused(desk.drafting.approve(MAYA, draft.id, hold=0), "conversation_not_open")
    await refused(desk.drafting.edit(MAYA, draft.id, "Mine"), "conversation_not_open")


async def test_a_reply_on_its_way_blocks_the_draft(desk: Desk) -> None:
    draft = await desk.drafted()
    replied = await desk.conversations.reply(NOOR, draft.conversation_id, "Mine first", hold=60)

    refusal = await refused(desk.drafting.approve(MAYA, draft.id, hold=0), "reply_on_its_way")

    assert isinstance(refusal, Blocked)
    assert (await desk.drafting.draft(MAYA, draft.id)).can == ("edit", "discard")
    await desk.conversations.retract(NOOR, replied.message_id)
    await desk.drafting.approve(MAYA, draft.id, hold=0)
    assert await replies(desk, draft) == [draft.customer_reply]


async def test_an_operators_own_answer_drops_the_draft_when_it_reaches_the_customer(
    desk: Desk, clock: FixedClock
) -> None:
    draft = await desk.drafted()
    replied = await desk.conversations.reply(MAYA, draft.conversation_id, "Like this.", hold=60)
    assert (await desk.drafting.draft(MAYA, draft.id)).status.value == "pending"

    clock.advance(timedelta(seconds=60))
    async with desk.db.work(Caller.system("send-window")) as work:
        await release.release(work, replied.message_id)

    after = await desk.drafting.draft(MAYA, draft.id)
    assert (after.status.value, after.discard_reason) == ("discarded", "answered_by_operator")
    assert await desk.marked(draft.conversation_id) == (None, None)


async def test_an_answer_written_before_the_question_leaves_its_draft_alone(
    desk: Desk, clock: FixedClock
) -> None:
    received = await desk.customer_writes("First question")
    replied = await desk.conversations.reply(MAYA, received.conversation_id, "One", hold=600)
    draft = await desk.drafted("Second question")

    clock.advance(timedelta(seconds=600))
    async with desk.db.work(Caller.system("send-window")) as work:
        await release.release(work, replied.message_id)

    assert (await desk.drafting.draft(MAYA, draft.id)).status.value == "pending"


async def test_a_held_approval_taken_back_gives_the_draft_back_at_the_same_revision(
    desk: Desk,
) -> None:
    draft = await desk.drafted()
    decided = await desk.drafting.approve(MAYA, draft.id, edit="Hasty words", hold=60)
    assert decided.delivery is Delivery.HELD
    assert decided.message_id is not None
    assert await desk.marked(draft.conversation_id) == (None, None)

    await desk.conversations.retract(MAYA, decided.message_id)

    back = await desk.pending(draft.conversation_id)
    assert back is not None
    assert (back.id, back.status.value, back.revision) == (draft.id, "pending", draft.revision)
    assert (back.customer_reply, back.message_id) == (draft.customer_reply, None)
    assert (back.decided_by, back.stale) == (None, False)
    assert await desk.marked(draft.conversation_id) == (draft.id, "reply")
    assert await replies(desk, draft) == []
    assert await desk.decisions() == [("edited", "operator maya"), ("retracted", "operator maya")]

    await desk.drafting.approve(MAYA, draft.id, hold=0)
    assert await replies(desk, draft) == [draft.customer_reply]


async def test_only_the_message_that_a_draft_became_can_give_it_back(desk: Desk) -> None:
    draft = await desk.drafted()
    decided = await desk.drafting.approve(MAYA, draft.id, hold=60)
    assert decided.message_id is not None

    async with desk.db.work(MAYA) as work:
        await outcomes.give_back(
            work, draft.conversation_id, draft.id, MessageId(decided.message_id - 1)
        )

    assert await desk.statuses() == ["approved"]


async def test_a_draft_given_back_gives_way_to_the_one_that_was_made_meanwhile(
    desk: Desk,
) -> None:
    first = await desk.drafted("First question")
    decided = await desk.drafting.approve(MAYA, first.id, hold=600)
    second = await desk.drafted("Second question")
    assert decided.message_id is not None

    await desk.conversations.retract(MAYA, decided.message_id)

    gone = await desk.drafting.draft(MAYA, first.id)
    assert (gone.status.value, gone.discard_reason) == ("discarded", "superseded")
    waiting = await desk.pending(first.conversation_id)
    assert waiting is not None
    assert waiting.id == second.id
    assert await desk.marked(first.conversation_id) == (second.id, "reply")


async def test_a_draft_given_back_to_a_closed_conversation_is_dropped(desk: Desk) -> None:
    draft = await desk.drafted()
    decided = await desk.drafting.approve(MAYA, draft.id, hold=600)
    await desk.conversations.resolve(MAYA, draft.conversation_id, force=True)
    assert decided.message_id is not None

    await desk.conversations.retract(MAYA, decided.message_id)

    gone = await desk.drafting.draft(MAYA, draft.id)
    assert (gone.status.value, gone.discard_reason) == ("discarded", "conversation_closed")
    assert await desk.marked(draft.conversation_id) == (None, None)


@pytest.mark.requirement("03-retrieval-drafting:90")
async def test_draft_only_can_be_used_but_not_sent_as_it_is(
    engine: Engine, clock: FixedClock
) -> None:
    desk = open_desk(engine, clock, policy=DraftOnly())
    draft = await desk.drafted()
    assert draft.can == ("edit", "discard")

    await refused(desk.drafting.approve(MAYA, draft.id, hold=0), "draft_only")
    assert draft.customer_reply is not None
    await desk.drafting.edit(MAYA, draft.id, draft.customer_reply)
    applied = await desk.drafting.draft(MAYA, draft.id)
    assert applied.can == ("approve", "edit", "discard")
    await desk.drafting.approve(MAYA, draft.id, hold=0)

    assert await replies(desk, draft) == [draft.customer_reply]


Deciding = Callable[[Desk, Caller, DraftId], Awaitable[Decided]]
EVERY_DECISION: list[Deciding] = [
    lambda desk, who, draft_id: desk.drafting.approve(who, draft_id, hold=0),
    lambda desk, who, draft_id: desk.drafting.edit(who, draft_id, "Mine"),
    lambda desk, who, draft_id: desk.drafting.discard(who, draft_id),
]


@pytest.mark.parametrize("decide", EVERY_DECISION)
async def test_only_a_named_operator_decides(desk: Desk, decide: Deciding) -> None:
    draft = await desk.drafted()

    nobody = Caller.operator("  ")
    robot = Caller(Actor.system("policy:Sneaky"))
    for who in (nobody, ACME, robot):
        with pytest.raises(Forbidden):
            await decide(desk, who, draft.id)

    assert await desk.statuses() == ["pending"]
    assert await desk.audited() == ["drafting.created"]


@pytest.mark.parametrize("decide", EVERY_DECISION)
async def test_another_workspaces_draft_does_not_exist(desk: Desk, decide: Deciding) -> None:
    draft = await desk.drafted()
    stranger = Caller.operator("maya", "other")

    for draft_id in (draft.id, DraftId(999_999)):
        with pytest.raises(NotFound) as refusal:
            await decide(desk, stranger, draft_id)
        assert refusal.value.code == "draft_not_found"
    with pytest.raises(NotFound):
        await desk.drafting.draft(stranger, draft.id)

    assert await desk.drafting.pending_for(stranger, draft.conversation_id) is None
    assert (await desk.drafting.drafts(stranger)).items == ()


async def test_the_service_itself_lets_no_system_actor_approve(desk: Desk) -> None:
    draft = await desk.drafted()

    for caller, wish in (
        (Caller.system("drafting"), Approval()),
        (Caller.system("drafting"), Approval(by_policy=True)),
        (MAYA, Approval(by_policy=True)),
    ):
        with pytest.raises(Forbidden):
            async with desk.db.work(caller) as work:
                await decisions.approve(
                    work, draft.id, wish, hold=timedelta(0), config=DraftingConfig()
                )

    assert await replies(desk, draft) == []


async def test_a_policy_sends_nothing_while_the_switch_is_off_whatever_it_was_told(
    desk: Desk,
) -> None:
    draft = await desk.drafted()

    async with desk.db.work(Caller.system("policy:Eager")) as work:
        await decisions.auto_send(work, draft.conversation_id, draft.id, config=DraftingConfig())

    assert await desk.statuses() == ["pending"]
    assert await replies(desk, draft) == []


@pytest.mark.parametrize(
    ("edit", "code"), [("  \u200b ", "message_blank"), ("", "message_blank"), ("x", None)]
)
async def test_an_edit_must_hold_something(desk: Desk, edit: str, code: str | None) -> None:
    draft = await desk.drafted()
    if code is None:
        await desk.drafting.approve(MAYA, draft.id, edit=edit, hold=0)
        return

    for attempt in (
        desk.drafting.approve(MAYA, draft.id, edit=edit, hold=0),
        desk.drafting.edit(MAYA, draft.id, edit),
    ):
        refusal = await refused(attempt, code)
        assert isinstance(refusal, Invalid)
    assert await desk.statuses() == ["pending"]


async def test_a_refused_send_leaves_no_trace_of_a_decision(desk: Desk) -> None:
    draft = await desk.drafted()

    await refused(desk.drafting.approve(MAYA, draft.id, hold=1e9), "hold_invalid")
    await refused(desk.drafting.approve(MAYA, draft.id, edit="x" * 20_000), "message_too_long")

    assert await desk.decisions() == []
    assert await desk.statuses() == ["pending"]


async def test_hostile_words_are_sent_as_they_are_and_shown_safely(desk: Desk) -> None:
    draft = await desk.drafted()
    words = "Hi \x1b[2J\u202e there\x00"
    await desk.drafting.edit(MAYA, draft.id, words)

    shown = await desk.drafting.draft(MAYA, draft.id)
    assert shown.customer_reply is not None
    assert "\x1b" not in shown.customer_reply
    assert shown.hidden_characters
    await desk.drafting.approve(MAYA, draft.id, hold=0)

    assert await replies(desk, draft) == ["Hi \x1b[2J\u202e there\ufffd"]


@pytest.mark.requirement("03-retrieval-drafting:74")
@pytest.mark.parametrize(
    "change",
    [
        "status = 'nonsense'",
        "status = 'approved'",
        "status = 'discarded'",
        "content = '  '",
        "customer_reply = NULL",
        "policy = 'deny'",
        "conversation_id = NULL",
        "decided_by = 'maya'",
    ],
)
async def test_the_database_refuses_a_draft_that_makes_no_sense(desk: Desk, change: str) -> None:
    await desk.drafted()

    with pytest.raises(DBAPIError):
        await desk.write(f"UPDATE cairnloop.drafts SET {change}")


async def test_the_database_allows_one_waiting_draft_for_a_conversation(desk: Desk) -> None:
    first = await desk.drafted("First question")
    await desk.customer_writes("Second question")
    await desk.draft_for(first.conversation_id)

    with pytest.raises(DBAPIError, match="uq_drafts_waiting"):
        await desk.write(
            "UPDATE cairnloop.drafts SET status = 'pending', discard_reason = NULL,"
            " decided_at = NULL, decided_by = NULL, decided_by_kind = NULL"
        )


async def test_the_database_ties_each_message_to_a_decision_of_its_own_draft(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.drafting.approve(MAYA, draft.id, hold=0)
    [decision] = await desk.rows("SELECT id FROM cairnloop.draft_decisions")

    async def post(link: DraftLink) -> None:
        async with desk.db.work(MAYA) as work:
            await release.post_reply(
                work,
                draft.conversation_id,
                "Once more",
                hold=timedelta(0),
                max_length=100,
                draft=link,
            )

    used = DraftLink(draft.id, DraftDecisionId(decision["id"]))
    foreign = DraftLink(DraftId(draft.id + 1), DraftDecisionId(decision["id"]))
    invented = DraftLink(draft.id, DraftDecisionId(decision["id"] + 1))
    for link in (used, foreign, invented):
        with pytest.raises(DBAPIError):
            await post(link)

    assert len(await replies(desk, draft)) == 1


async def test_a_decision_cannot_be_rewritten(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.drafting.discard(MAYA, draft.id)

    with pytest.raises(DBAPIError, match="final"):
        await desk.write("UPDATE cairnloop.draft_decisions SET actor_id = 'somebody else'")


async def test_a_conversation_can_be_erased_with_all_that_hangs_on_it(desk: Desk) -> None:
    draft = await desk.drafted()
    await desk.drafting.approve(MAYA, draft.id, hold=0)

    await desk.write("DELETE FROM cairnloop.conversations")

    assert await desk.rows("SELECT 1 FROM cairnloop.draft_decisions") == []
    assert await desk.rows("SELECT 1 FROM cairnloop.messages") == []
