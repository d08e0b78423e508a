"""How actions, events and jobs read in the console; states always in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.audit.reads import AuditEvent
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.core.verdicts import Reason
from cairnloop_engine.governance.model import ApprovalStatus, ProposalStatus, RiskTier
from cairnloop_engine.governance.views import ApprovalView, ChangeRow, HistoryEvent
from cairnloop_engine.operations.model import QueueDepth
from cairnloop_engine.operations.reads import DeadLetterView, JobsView, WorkerView
from cairnloop_tui.actions import cards
from cairnloop_tui.actions.openness import MORE_KEY, Openness, Part, block_key, of_block
from cairnloop_tui.audit import cards as trail
from cairnloop_tui.jobs import cards as jobs
from cairnloop_tui.lists.row_list import RowSpot
from cairnloop_tui.text import width_of, words_of
from cairnloop_tui.theme.glyphs import ASCII, UNICODE, Glyphs
from tests.unit.governance.test_presenter import ATTEMPT, NOW, ROW, VIEW
from tests.unit.tui.test_cards import text_of

APPROVAL = ApprovalView(
    id=ROW.approval_id,  # type: ignore[arg-type]
    number=2,
    status=ApprovalStatus.PENDING,
    digest="b" * 64,
    changes=(ChangeRow("input.amount", "82.00", "820.00"),),
    expires_at=NOW + timedelta(hours=48),
    defer_until=None,
    decision=None,
    decided_by_kind=None,
    decided_by=None,
    decided_at=None,
    reason=None,
    outcome_code=None,
    outcome=None,
    created_at=NOW,
    finished_at=None,
)
LETTER = DeadLetterView(
    id=7,
    job_id=40,
    task="conversations.release",
    queue="delivery",
    workspace="default",
    ids={"message_id": 3},
    reason=Reason.FAILED,
    error_type="ZeroDivisionError",
    error_text="at release.py:40",
    attempts=4,
    rescues=0,
    enqueued_at=NOW,
    first_trouble_at=NOW,
    died_at=NOW,
    redrive_of=None,
    redriven_at=None,
    redriven_by=None,
    new_job_id=None,
    dropped_at=None,
    dropped_by=None,
    drop_reason=None,
)
EVENT = AuditEvent(
    id=5,
    occurred_at=NOW,
    actor_kind="operator",
    actor="maya",
    action="governance.rejected",
    subject_kind="action",
    subject_id=4,
    conversation_id=17,
    facts={"tool": "refund", "final": True},
    label="Rejected",
    actor_label="maya",
    reason="Wrong order",
    personal={},
)


def look(*, glyphs: Glyphs = UNICODE, may_act: bool = True) -> cards.Look:
    return cards.Look(NOW, glyphs, Openness(), may_act=may_act)


def spot(width: int = 76, glyphs: Glyphs = UNICODE) -> RowSpot:
    return RowSpot(width, NOW, glyphs)


def card(view: object = VIEW, *, may_act: bool = True, width: int = 60) -> str:
    return text_of(cards.card_blocks(view, look(may_act=may_act)), width)  # type: ignore[arg-type]


@pytest.mark.requirement("02-governance:117")
def test_a_card_has_three_groups_and_the_trace_and_its_facts_stand_outside() -> None:
    blocks = cards.card_blocks(VIEW, look())
    keys = [of_block(block.key)[1] for block in blocks if block.key is not None]

    assert [part for part in keys if part is not Part.RAW_INPUT] == [
        Part.HEAD,
        Part.INPUTS,
        Part.HISTORY,
        Part.POLICY,
        Part.TRACE,
    ]
    head = text_of(blocks[:1])
    for words in ("Waits for a decision", "Refund an order", "✗ High write", "Requires approval"):
        assert words in head
    assert "a approves, x rejects" in head


def test_what_changed_since_the_approval_is_always_visible() -> None:
    changed = replace(VIEW, approvals=(APPROVAL,), row=replace(ROW, changed=True))

    head = text_of(cards.card_blocks(changed, look())[:1])

    assert "Changed since it was approved" in head
    assert "input.amount" in head
    assert "was 82.00" in head
    assert "now 820.00" in head
    done = replace(changed, row=replace(ROW, approval_status=ApprovalStatus.EXECUTED))
    assert "Changed since" not in card(done)


@pytest.mark.requirement("05-ui:58")
@pytest.mark.requirement("02-governance:118")
def test_what_opens_at_first_follows_from_the_state_and_then_from_the_operator() -> None:
    opened = Openness()
    assert opened.is_open(VIEW, Part.INPUTS)
    assert not opened.is_open(VIEW, Part.HISTORY)
    decided = replace(VIEW, row=replace(ROW, approval_status=ApprovalStatus.EXECUTED))
    # The first look decided; the state that came later does not.
    assert opened.is_open(decided, Part.INPUTS)
    opened.toggle(decided, Part.INPUTS)
    assert not opened.is_open(VIEW, Part.INPUTS)
    opened.set_all([4], is_open=True)
    assert opened.is_open(VIEW, Part.POLICY)
    assert not opened.is_open(VIEW, Part.TRACE)


@pytest.mark.requirement("02-governance:120")
def test_a_page_leads_on_only_when_there_is_more() -> None:
    views = [replace(VIEW, row=replace(ROW, id=ProposalId(number))) for number in (1, 2, 3)]

    keys = [[b.key for b in cards.page_blocks(views, look(), has_more=m)] for m in (False, True)]

    assert MORE_KEY not in keys[0]
    assert keys[1][-1] == MORE_KEY


def test_keys_of_blocks_name_action_and_part() -> None:
    for part in Part:
        assert of_block(block_key(17, part)) == (17, part)


@pytest.mark.requirement("02-governance:112")
@pytest.mark.parametrize("status", list(ProposalStatus))
def test_every_status_has_its_words_on_the_card(status: ProposalStatus) -> None:
    blocked = replace(VIEW, row=replace(ROW, status=status, approval_status=None))
    opened = cards.Look(NOW, UNICODE, Openness())
    opened.opened.set_all([4], is_open=True)

    shown = text_of(cards.card_blocks(blocked, opened))

    assert "No history yet" in shown
    assert cards.chip_of(blocked.row).words in shown


@pytest.mark.parametrize("status", list(ApprovalStatus))
def test_keys_are_offered_only_where_they_work(status: ApprovalStatus) -> None:
    view = replace(VIEW, row=replace(ROW, approval_status=status))

    assert ("a approves" in card(view)) == (status is ApprovalStatus.PENDING)
    assert "a approves" not in card(view, may_act=False)


def test_the_ledger_and_the_history_are_told_in_sentences() -> None:
    event = HistoryEvent(1, NOW, "operator", "maya", "governance.proposed", {}, {})
    view = replace(VIEW, attempts=(ATTEMPT,), approvals=(APPROVAL,), history=(event,))
    shown_with = look()
    shown_with.opened.set_all([4], is_open=True)
    shown_with.opened.toggle(view, Part.TRACE)
    shown_with.opened.toggle(view, Part.RAW_INPUT)

    shown = text_of(cards.card_blocks(view, shown_with), 100)

    assert "Proposed by maya" in shown
    assert "Attempt 2: Unknown." in shown
    assert "Approval 2" in shown
    assert "…89abcdef" in shown
    assert "0123456789abcdef" not in shown


def test_a_deadline_is_told_and_its_passing() -> None:
    assert "Decide within 2d" in card()
    late = replace(VIEW, row=replace(ROW, expires_at=NOW - timedelta(minutes=1)))
    assert "The time to decide is over." in card(late)


@pytest.mark.parametrize("tier", list(RiskTier))
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_a_line_of_the_queue_tells_state_and_risk_in_words(tier: RiskTier, glyphs: Glyphs) -> None:
    row = replace(ROW, risk_tier=tier)
    line = words_of(cards.row_line(row, spot(glyphs=glyphs)))

    assert "Decide" in line
    assert cards.risk_of(row).words in line
    assert "#4" in line


@pytest.mark.parametrize("width", [20, 57, 76, 120])
def test_no_line_is_wider_than_its_window(width: int) -> None:
    wide = replace(ROW, title="退款" * 80, consequence="客户" * 90, proposed_by="x" * 90)

    assert width_of(cards.row_line(wide, spot(width))) <= width
    assert width_of(trail.event_line(replace(EVENT, reason="客户" * 90), spot(width))) <= width
    letter = replace(LETTER, task="t" * 90, error_text="客户" * 90)
    assert width_of(jobs.row_line(letter, spot(width))) <= width


# The trail


@pytest.mark.requirement("02-governance:137")
def test_an_event_is_one_line_and_opens_into_its_facts() -> None:
    line = words_of(trail.event_line(EVENT, spot(120)))
    assert "maya" in line
    assert "Rejected" in line
    assert "#17" in line
    assert "Wrong order" in line
    assert "Final: Yes" in line
    full = text_of(trail.event_blocks(EVENT), 100)
    assert "2026-06-01 12:00:00 UTC" in full
    assert "Tool   refund" in full
    bare = replace(EVENT, conversation_id=None, reason=None, facts={}, actor_label="System")
    assert "—" in words_of(trail.event_line(bare, spot()))
    erased = replace(EVENT, forgotten=("reason",))
    assert "Erased on request: reason" in text_of(trail.event_blocks(erased), 100)


def test_what_the_trail_is_narrowed_to_is_said() -> None:
    wanted = AuditFilter(
        subject=("action", 4), conversation_id=17, action="governance.rejected", text="wrong"
    )

    assert trail.filter_words(wanted) == "action 4, conversation #17, “Rejected”, “wrong”"
    assert trail.filter_words(AuditFilter()) == ""


# Jobs


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        (QueueDepth("mail", 0, 0, 0, 0, None), "Idle"),
        (QueueDepth("mail", 0, 0, 1, 0, None), "Working"),
        (QueueDepth("mail", 3, 0, 0, 0, 90), "Late"),
        (QueueDepth("mail", 3, 0, 0, 0, 90, dead=1), "Put aside"),
    ],
)
def test_a_queue_says_in_a_word_how_it_does(queue: QueueDepth, words: str) -> None:
    assert jobs.queue_label(queue).words == words


@pytest.mark.parametrize("reason", [*Reason, "something_else", None])
def test_every_reason_for_putting_a_job_aside_has_words(reason: object) -> None:
    assert jobs.reason_label(reason).words


def test_what_needs_a_person_stands_first_and_empty_parts_say_so() -> None:
    worker = WorkerView(1, False, ("mail",), 4, 0, 12.0, datetime(2026, 6, 1, tzinfo=UTC))
    view = JobsView((QueueDepth("mail", 0, 0, 0, 0, None),), (worker,), 1, None)
    keys = [jobs.key_of(row) for row in jobs.rows_of(view, [LETTER])]
    assert keys == ["letters", "letter 7", "queues", "queue mail", "workers", "worker 1"]
    shown = [words_of(jobs.row_line(row, spot(100))) for row in jobs.rows_of(view, [LETTER])]
    assert "✗ Silent" in shown[-1]
    assert "ZeroDivisionError: at release.py:40" in shown[1]
    nothing = replace(view, workers=(), dead_letters=0)
    calm = [words_of(jobs.row_line(row, spot(100))) for row in jobs.rows_of(nothing, [])]
    assert "Nothing was put aside." in calm[1]
    assert "No worker was heard of." in calm[-1]
    assert not jobs.can_stand(jobs.rows_of(view, [])[0])


def test_a_job_that_was_put_aside_is_told_in_full() -> None:
    full = text_of(jobs.letter_blocks(replace(LETTER, redrive_of=3)), 100)

    for words in ("conversations.release (job 40", "message_id 3", "4 times", "under 3"):
        assert words in full
    summary = jobs.summary_line(None, 80, UNICODE, problem=True)
    assert "could not be read" in words_of(summary)
