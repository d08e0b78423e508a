"""What only a second look forbids: a lost worker that may still act, a decision nobody made."""

from __future__ import annotations

import json

import pytest

from cairnloop_engine.governance.model import ApprovalStatus, digest
from tests.engine.governance.desk import MAYA, Desk
from tests.engine.governance.test_unknowns import claimed


async def test_no_effect_so_far_is_no_reason_to_repeat_what_a_lost_worker_may_still_do(
    desk: Desk,
) -> None:
    action_id, approval_id, _ = await claimed(desk, "charge", started=True)

    await desk.run_job("execute", action_id, approval_id, job_id=1)

    assert desk.ledger.calls == []
    assert await desk.status(action_id) is ApprovalStatus.EXECUTION_UNKNOWN
    view = await desk.view(action_id)
    assert view.attempts[0].state.value == "unknown"
    (told,) = [one for one in view.history if one.event == "governance.reconciled"]
    assert told.facts["found"] == "absent_so_far"


@pytest.mark.requirement("02-governance:B5")
async def test_a_lost_worker_s_effect_is_repeated_under_the_same_key_when_that_is_harmless(
    desk: Desk,
) -> None:
    action_id, approval_id, _ = await claimed(desk, "credit", started=True)

    await desk.run_job("execute", action_id, approval_id, job_id=1)

    assert len(desk.ledger.calls) == 1
    assert await desk.status(action_id) is ApprovalStatus.EXECUTED


async def test_a_proposal_and_its_approval_rewritten_alike_do_not_run(desk: Desk) -> None:
    action_id = await desk.approved()
    [(call,)] = await desk.rows(
        "SELECT call FROM cairnloop.tool_approvals WHERE proposal_id = :id", id=action_id
    )
    assert isinstance(call, dict)
    call["input"]["amount"] = "820.00"
    forged = digest(call)
    await desk.sql(
        "UPDATE cairnloop.tool_approvals SET call = CAST(:call AS jsonb), digest = :digest"
        " WHERE proposal_id = :id",
        id=action_id,
        call=json.dumps(call),
        digest=forged,
    )
    await desk.sql(
        "UPDATE cairnloop.tool_proposals SET digest = :digest, input_snapshot ="
        " jsonb_set(input_snapshot, '{amount}', '\"820.00\"') WHERE id = :id",
        id=action_id,
        digest=forged,
    )

    await desk.work()

    assert desk.ledger.calls == []
    assert await desk.status(action_id) is ApprovalStatus.PENDING
    assert "digest_mismatch" in await desk.trail(action_id)
    view = await desk.engine.governance.action(MAYA, action_id)
    assert view.approvals[0].outcome_code == "digest_mismatch"
