"""The governed actions of the loaded story: every state that a screen may have to show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.audit.reads import AuditEvent
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.demo import files, verify
from cairnloop_engine.demo.parts import billing_file
from cairnloop_engine.demo.sink_store import SinkStore
from cairnloop_engine.drafting.model import SuggestionState
from cairnloop_engine.governance.model import ApprovalMode, ApprovalStatus, Origin, RiskTier
from cairnloop_engine.governance.views import ActionRow
from tests.engine.demo.loading import NOW, PARTS
from tests.fakes import FixedClock

OPERATOR = Caller.operator("demo_operator")


@pytest.fixture
async def told(story_settings: Settings) -> AsyncIterator[Engine]:
    async with Engine(story_settings, clock=FixedClock(NOW)) as engine:
        yield engine


async def every_action(engine: Engine) -> list[ActionRow]:
    page = await engine.governance.actions(OPERATOR, limit=100)
    return list(reversed(page.items))


async def trail(engine: Engine) -> list[AuditEvent]:
    """Every event about actions, in the order in which it was written."""
    found: list[AuditEvent] = []
    for row in await every_action(engine):
        page = await engine.audit.events(
            OPERATOR, filter=AuditFilter(subject=("action", row.id)), limit=100
        )
        found += reversed(page.items)
    return found


@pytest.mark.requirement("02-governance:156")
@pytest.mark.requirement("06-demo-fixtures:4")
@pytest.mark.requirement("06-demo-fixtures:5")
async def test_every_end_of_an_action_is_there_with_the_reason_that_somebody_gave(
    told: Engine,
) -> None:
    actions = await every_action(told)
    decided = {ApprovalStatus.REJECTED, ApprovalStatus.DEFERRED, ApprovalStatus.EXECUTED}

    assert {row.approval_status for row in actions} >= decided | {
        ApprovalStatus.PENDING,
        ApprovalStatus.EXECUTION_FAILED,
        ApprovalStatus.EXECUTION_UNKNOWN,
        None,
    }
    for row in actions:
        if row.approval_status in decided:
            assert len(row.reason or "") > 20
            assert row.decided_by == files.cast().colleague
        if row.approval_status is None:
            assert row.blocked_reason


@pytest.mark.requirement("02-governance:156")
async def test_an_executed_note_stands_in_its_thread_under_its_run_key(
    told: Engine, story_settings: Settings
) -> None:
    (action,) = [
        row
        for row in await every_action(told)
        if row.tool == "internal_note" and row.approval_status is ApprovalStatus.EXECUTED
    ]
    view = await told.governance.action(OPERATOR, action.id)
    assert story_settings.database_url is not None
    with psycopg.connect(story_settings.database_url.get_secret_value()) as connection:
        found = connection.execute(
            "SELECT conversation_id, role FROM cairnloop.messages WHERE run_key = %s",
            (view.attempts[0].run_key,),
        ).fetchall()

    assert found == [(19, "internal_note")]


@pytest.mark.requirement("06-demo-fixtures:10")
async def test_the_high_risk_action_waits_for_a_second_person(told: Engine) -> None:
    (row,) = [row for row in await every_action(told) if row.tool == "high_risk_demo"]
    view = await told.governance.action(OPERATOR, row.id)

    assert row.risk_tier is RiskTier.HIGH_WRITE
    assert row.approval_mode is ApprovalMode.REQUIRES_APPROVAL
    assert [one.status for one in view.approvals] == [ApprovalStatus.PENDING]


async def test_the_draft_about_money_suggested_the_refund_that_waits(told: Engine) -> None:
    draft = await told.drafting.pending_for(OPERATOR, ConversationId(17))
    assert draft is not None
    assert draft.suggested is not None
    assert draft.action_id is not None
    action = await told.governance.action(OPERATOR, draft.action_id)

    assert (draft.suggested.tool, draft.suggested.state) == ("refund", SuggestionState.PROPOSED)
    assert (action.row.origin, action.row.proposed_by) == (Origin.AI, "drafting")
    assert action.row.approval_status is ApprovalStatus.PENDING
    assert "48.00 USD" in (action.row.consequence or "")


@pytest.mark.requirement("02-governance:156")
@pytest.mark.requirement("06-demo-fixtures:6")
async def test_the_trail_of_actions_spans_two_weeks_and_runs_forward(told: Engine) -> None:
    events = await trail(told)
    times = [event.occurred_at for event in events]
    by_action: dict[int, list[AuditEvent]] = {}
    for event in events:
        by_action.setdefault(event.subject_id, []).append(event)

    assert max(times) - min(times) >= timedelta(days=13)
    assert max(times) <= NOW
    for one in by_action.values():
        assert [e.occurred_at for e in one] == sorted(e.occurred_at for e in one)


async def test_billing_holds_what_the_story_says_and_nothing_twice(
    told: Engine, story_settings: Settings
) -> None:
    with SinkStore(billing_file(story_settings)) as billing:
        counts = billing.counts()
        seats = billing.record("account", "globex").seats

    assert counts.doubled == ()
    # The seats that were set, and the move of which nobody heard the answer.
    assert len(counts.effects) == 2
    assert len(counts.arrivals) == 3
    assert seats == 4


async def test_verifying_knows_every_conversation_with_actions(
    told: Engine, story_settings: Settings
) -> None:
    held = [check for part in PARTS for check in await verify.check_part(told, part)]
    about = [check for check in held if check.name.startswith("actions of")]

    assert [check for check in about if not check.ok] == []
    assert len(about) == 7


def test_no_action_of_the_story_is_left_to_a_worker(story_settings: Settings) -> None:
    assert story_settings.database_url is not None
    with psycopg.connect(story_settings.database_url.get_secret_value()) as connection:
        left = connection.execute(
            "SELECT count(*) FROM public.procrastinate_jobs"
            " WHERE status IN ('todo', 'doing') AND queue_name IN ('effects', 'drafting')"
        ).fetchone()

    assert left == (0,)
