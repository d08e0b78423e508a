"""The whole way of an action: proposed, approved, checked again, run once, told."""

from __future__ import annotations

import pytest

from cairnloop_engine import Conflict
from cairnloop_engine.governance.model import ApprovalStatus, AttemptState
from tests.engine.governance.desk import Desk


async def test_an_approved_action_runs_once_and_its_trail_tells_everything(desk: Desk) -> None:
    action_id = await desk.approved()
    assert desk.ledger.effects == []
    await desk.work()

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.EXECUTED
    assert view.row.decided_by == "noah"
    assert view.row.outcome == "Paid 82.00 back."
    assert [one.state for one in view.attempts] == [AttemptState.CONFIRMED]
    assert [what for _, what in desk.ledger.effects] == ["A-17:82.00"]
    assert await desk.trail(action_id) == [
        "proposed",
        "approval_requested",
        "approved",
        "revalidation_passed",
        "execution_started",
        "execution_succeeded",
    ]


async def test_an_input_changed_by_hand_goes_back_to_the_person_with_the_difference(
    desk: Desk,
) -> None:
    action_id = await desk.approved()
    await desk.sql(
        "UPDATE cairnloop.tool_proposals SET input_snapshot ="
        " jsonb_set(input_snapshot, '{amount}', '\"820.00\"') WHERE id = :id",
        id=action_id,
    )
    await desk.work()

    assert desk.ledger.effects == []
    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.PENDING
    assert [one.status for one in view.approvals] == [
        ApprovalStatus.INVALIDATED,
        ApprovalStatus.PENDING,
    ]
    assert view.approvals[0].outcome_code == "digest_mismatch"
    changed = {one.field: (one.before, one.after) for one in view.changes}
    assert changed["input.amount"] == ("82.00", "820.00")
    assert "digest_mismatch" in await desk.trail(action_id)


async def test_the_second_decision_is_told_who_was_first(desk: Desk) -> None:
    action_id = await desk.approved()
    with pytest.raises(Conflict) as refused:
        await desk.engine.governance.reject(desk.approver, action_id, reason="No.")
    assert refused.value.code == "already_decided"
    assert refused.value.facts["decided_by"] == "noah"
