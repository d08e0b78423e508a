"""Drafts under any order of events: whatever people and workers do, nothing is sent twice."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairnloop_engine import CairnloopError, Caller, Engine, Settings
from cairnloop_engine.conversations import release
from cairnloop_engine.conversations.model import Status
from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId
from cairnloop_engine.drafting.model import (
    ACTIONABLE,
    Approval,
    Decision,
    Denied,
    Draft,
    DraftStatus,
    PolicyVerdict,
    ProposalType,
    Send,
    ThreadState,
    after,
    approve,
)
from cairnloop_engine.drafting.ports import CustomerTurn
from cairnloop_engine.drafting.query import QUERY_LENGTH, build_query
from cairnloop_engine.retrieval.model import GroundingStatus
from tests.engine.drafting.desk import MAYA, NOOR, Desk, open_desk
from tests.fakes import FixedClock

DRAFTS = st.builds(
    Draft,
    id=st.just(DraftId(1)),
    status=st.sampled_from(DraftStatus),
    proposal_type=st.sampled_from(ProposalType),
    policy=st.sampled_from(PolicyVerdict),
    source_sequence=st.integers(1, 3),
    customer_reply=st.just("Proposed."),
    final_content=st.sampled_from([None, "Edited."]),
    version=st.integers(1, 3),
)
THREADS = st.builds(
    ThreadState,
    status=st.sampled_from(Status),
    last_customer_sequence=st.integers(1, 3),
    held_replies=st.integers(0, 1),
)
WISHES = st.builds(
    Approval,
    edit=st.sampled_from([None, "Mine."]),
    even_if_stale=st.booleans(),
    expected_version=st.none() | st.integers(1, 3),
    by_policy=st.booleans(),
)


@settings(max_examples=500, deadline=None)
@given(draft=DRAFTS, thread=THREADS, wish=WISHES)
def test_what_may_be_sent_passed_every_check(
    draft: Draft, thread: ThreadState, wish: Approval
) -> None:
    outcome = approve(draft, thread, wish)

    if isinstance(outcome, Denied):
        return
    assert isinstance(outcome, Send)
    assert outcome.content
    assert draft.status in ACTIONABLE
    assert draft.proposal_type is not ProposalType.ESCALATION
    assert thread.is_open
    assert not thread.held_replies
    assert wish.even_if_stale or not draft.is_stale(thread)
    assert wish.expected_version in (None, draft.version)
    assert (outcome.decision is Decision.AUTO_ALLOWED) == wish.by_policy
    if wish.by_policy:
        assert outcome.content == draft.customer_reply


@given(decisions=st.lists(st.sampled_from(Decision), max_size=30))
def test_between_two_sends_there_is_always_a_retraction(decisions: list[Decision]) -> None:
    status = DraftStatus.PENDING
    taken: list[Decision] = []
    for decision in decisions:
        outcome = after(status, decision)
        if not isinstance(outcome, Denied):
            status = outcome
            taken.append(decision)

    sends = {Decision.APPROVED, Decision.EDITED, Decision.AUTO_ALLOWED}
    live = 0
    for decision in taken:
        live += (decision in sends) - (decision is Decision.RETRACTED)
        assert live in (0, 1)
    assert live == (status is DraftStatus.APPROVED)


@given(
    subject=st.none() | st.text(max_size=700),
    messages=st.lists(st.text(max_size=700), max_size=5),
)
def test_a_query_is_bounded_and_holds_only_what_was_said(
    subject: str | None, messages: list[str]
) -> None:
    query = build_query(CustomerTurn(subject, messages))

    assert len(query) <= QUERY_LENGTH
    said = " ".join([subject or "", *messages]).replace("\x00", " ").split()
    assert all(any(word in whole for whole in said) for word in query.split())


class Step(StrEnum):
    """What can happen to one conversation."""

    WRITE = "the customer writes"
    DRAFT = "the worker drafts"
    ASK = "an operator asks for a draft"
    APPROVE = "an operator approves"
    APPROVE_STALE = "another operator approves, even if stale"
    APPROVE_HELD = "an operator approves with a send window"
    SAVE = "an operator saves an edit"
    DISCARD = "an operator discards"
    REPLY = "an operator replies"
    REPLY_HELD = "an operator replies with a send window"
    RETRACT = "an operator takes the last reply back"
    RELEASE = "the send window ends"
    RESOLVE = "an operator resolves"
    REOPEN = "an operator reopens"
    ESCALATE = "the knowledge is gone"
    CLARIFY = "the knowledge is unsure"


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.sampled_from(Step), min_size=4, max_size=16))
def test_no_order_of_events_sends_a_draft_twice(
    database_url: str, home: Path, steps: list[Step]
) -> None:
    asyncio.run(_play(Settings.load(database_url=database_url, home=home), steps))


async def _play(settings_: Settings, steps: list[Step]) -> None:
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0))
    async with Engine(settings_, clock=clock) as engine:
        desk = open_desk(engine, clock)
        await desk.write("DELETE FROM cairnloop.conversations")
        await desk.write("DELETE FROM cairnloop.pending_work")
        await desk.write("DELETE FROM public.procrastinate_jobs")
        first = await desk.draft_for((await desk.customer_writes()).conversation_id)
        for step in steps:
            try:
                await _do(desk, step, first.conversation_id)
            except CairnloopError:
                pass  # A refusal is an answer; what must hold is checked below.
            await _check(desk)


async def _do(desk: Desk, step: Step, here: ConversationId) -> None:
    drafting, conversations = desk.drafting, desk.conversations
    newest = (await drafting.drafts(MAYA, limit=1)).items[0].id
    match step:
        case Step.WRITE:
            await desk.customer_writes("More words")
        case Step.DRAFT:
            desk.clock.advance(timedelta(seconds=5))
            await desk.run_due()
        case Step.ASK:
            await drafting.request(MAYA, here)
        case Step.APPROVE:
            await drafting.approve(MAYA, newest, hold=0)
        case Step.APPROVE_STALE:
            await drafting.approve(NOOR, newest, hold=0, even_if_stale=True)
        case Step.APPROVE_HELD:
            await drafting.approve(MAYA, newest, hold=60)
        case Step.SAVE:
            await drafting.edit(NOOR, newest, "Other words")
        case Step.DISCARD:
            await drafting.discard(NOOR, newest)
        case Step.REPLY:
            await conversations.reply(NOOR, here, "Own words", hold=0)
        case Step.REPLY_HELD:
            await conversations.reply(NOOR, here, "Own words", hold=60)
        case Step.RESOLVE:
            await conversations.resolve(MAYA, here, force=True)
        case Step.REOPEN:
            await conversations.reopen(MAYA, here)
        case Step.ESCALATE:
            desk.ground.status = GroundingStatus.ESCALATION
        case Step.CLARIFY:
            desk.ground.status = GroundingStatus.CLARIFICATION
        case Step.RETRACT | Step.RELEASE:
            await _end_window(desk, step)


async def _end_window(desk: Desk, step: Step) -> None:
    held = await desk.rows(
        "SELECT id FROM cairnloop.messages WHERE delivery = 'held' ORDER BY sequence DESC LIMIT 1"
    )
    if not held:
        return
    message_id = MessageId(held[0]["id"])
    if step is Step.RETRACT:
        await desk.conversations.retract(MAYA, message_id)
        return
    desk.clock.advance(timedelta(seconds=60))
    async with desk.db.work(Caller.system("send-window")) as work:
        await release.release(work, message_id)


_RULES = {
    "one message that counts for each approved draft, none for any other": """
        SELECT d.id FROM cairnloop.drafts AS d LEFT JOIN cairnloop.messages AS m
          ON m.draft_id = d.id AND m.delivery <> 'retracted'
        GROUP BY d.id HAVING count(m.id) <> (d.status = 'approved')::int""",
    "the draft names the message that it became": """
        SELECT d.id FROM cairnloop.drafts AS d JOIN cairnloop.messages AS m
          ON m.draft_id = d.id AND m.delivery <> 'retracted'
        WHERE d.sent_message_id <> m.id OR m.content <> d.final_content""",
    "the inbox shows the draft that waits": """
        SELECT c.id FROM cairnloop.conversations AS c LEFT JOIN cairnloop.drafts AS d
          ON d.conversation_id = c.id AND d.status IN ('pending', 'edited')
        WHERE c.draft_id IS DISTINCT FROM d.id""",
    "a closed conversation has no draft that waits": """
        SELECT c.id FROM cairnloop.conversations AS c
        WHERE c.status <> 'open' AND c.draft_id IS NOT NULL""",
    "sends less retractions is what the customer has or will have": """
        SELECT d.id FROM cairnloop.drafts AS d JOIN cairnloop.draft_decisions AS x
          ON x.draft_id = d.id GROUP BY d.id
        HAVING count(*) FILTER (WHERE x.content_digest IS NOT NULL)
          - count(*) FILTER (WHERE x.decision = 'retracted') <> (d.status = 'approved')::int""",
    "nobody sends a hand-over": """
        SELECT d.id FROM cairnloop.drafts AS d JOIN cairnloop.messages AS m ON m.draft_id = d.id
        WHERE d.proposal_type = 'escalation'""",
}


async def _check(desk: Desk) -> None:
    for rule, broken in _RULES.items():
        assert await desk.rows(broken) == [], rule
    sent = await desk.rows(
        "SELECT m.content, x.content_digest FROM cairnloop.messages AS m"
        " JOIN cairnloop.draft_decisions AS x ON x.id = m.draft_decision_id"
    )
    for row in sent:
        assert hashlib.sha256(row["content"].encode()).hexdigest() == row["content_digest"]
