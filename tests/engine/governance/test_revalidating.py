"""What runs is what was approved: anything else goes back to a person, with what is different."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from cairnloop_engine import RiskTier, ToolInput
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.governance.model import ApprovalStatus, AttemptState, digest
from cairnloop_engine.governance.tools import denied
from tests.engine.governance.desk import NOAH, REFUND, Desk
from tests.engine.governance.tools import ALL, Grouped, Refund

Change = Callable[[Desk, ProposalId], Awaitable[None]]
WHEN = ("approved", "execution_pending")


def by_sql(assignment: str, table: str = "tool_proposals") -> Change:
    """What somebody does who can write into the database."""
    where = "id" if table == "tool_proposals" else "proposal_id"

    async def change(desk: Desk, action_id: ProposalId) -> None:
        await desk.sql(
            f"UPDATE cairnloop.{table} SET {assignment} WHERE {where} = :id",
            id=action_id,
        )

    return change


def by_host(**attributes: Any) -> Change:
    """A release of the host in which its tool is another one."""

    async def change(desk: Desk, action_id: ProposalId) -> None:
        await reopened(desk, tool=type("Changed", (Refund,), attributes))

    return change


def by_site(**settings: Any) -> Change:
    """A site that changes its rules."""

    async def change(desk: Desk, action_id: ProposalId) -> None:
        await reopened(desk, **settings)

    return change


async def reopened(desk: Desk, *, tool: type[Refund] | None = Refund, **settings: Any) -> None:
    """The same desk after a restart with other settings or another refund tool."""
    kept = [one(desk.ledger) for one in ALL if one is not Refund]
    await desk.restart(kept if tool is None else [*kept, tool(desk.ledger)], **settings)


async def another_target(desk: Desk, action_id: ProposalId) -> None:
    desk.ledger.revisions["A-17"] = "2"


async def another_conversation(desk: Desk, action_id: ProposalId) -> None:
    conversation_id = await desk.conversation()
    await by_sql(f"conversation_id = {conversation_id}")(desk, action_id)


async def waiting_to_run(desk: Desk, when: str) -> ProposalId:
    """An approved action, before or after its first check."""
    made = await desk.propose()
    await desk.engine.governance.approve(NOAH, made.proposal_id)
    if when == "execution_pending":
        await desk.run_job("resume", made.proposal_id, made.approval_id)
    assert await desk.status(made.proposal_id) is ApprovalStatus(when)
    return made.proposal_id


class Stricter(ToolInput):
    order: int


AMOUNT = "input_snapshot = jsonb_set(input_snapshot, '{amount}', '\"820.00\"')"
CHANGES: dict[str, tuple[Change, str]] = {
    "input": (by_sql(AMOUNT), "input.amount"),
    "input and its digest": (by_sql(f"{AMOUNT}, digest = md5('x')"), "input.amount"),
    "tool": (by_sql("tool_ref = 'credit'"), "tool"),
    "version": (by_sql("tool_version = '2'"), "version"),
    "targets": (by_sql("targets = '[]'"), "targets"),
    "account": (by_sql("account_id = 'other'"), "account"),
    "asker": (by_sql("actor_id = 'boss'"), "asker"),
    "title": (by_sql("title = 'Harmless'"), "title"),
    "consequence": (by_sql("rendered_consequence = 'Pays 1.00 back.'"), "consequence"),
    "policy": (by_sql('policy_snapshot = \'{"revision": "x"}\''), "policy"),
    "risk": (by_sql("risk_tier = 'low_write'"), ""),
    "mode": (by_sql("approval_mode = 'auto'"), ""),
    "the approval's digest": (by_sql("digest = md5('x')", "tool_approvals"), ""),
    "the tool's version": (by_host(version="2"), "version"),
    "the tool's tier": (by_host(risk_tier=RiskTier.DESTRUCTIVE, approval_mode=None), ""),
    "the tool's words": (by_host(preview=lambda self, given: "Pays everything."), "consequence"),
    "the tool's scopes": (by_host(scopes=frozenset()), "policy"),
    "the site's separation": (by_site(distinct_approver_for=[]), "policy"),
    "the target's revision": (another_target, "targets"),
    "conversation": (another_conversation, "conversation"),
}
# The gates stop this one before anything is compared.
BLOCKED = {"the tool's tier"}


@pytest.mark.requirement("02-governance:82")
@pytest.mark.requirement("02-governance:87")
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("what", sorted(set(CHANGES) - BLOCKED))
async def test_whatever_changes_after_the_approval_goes_back_with_the_difference(
    desk: Desk, what: str, when: str
) -> None:
    change, field = CHANGES[what]
    action_id = await waiting_to_run(desk, when)
    await change(desk, action_id)

    await desk.work()

    assert desk.ledger.calls == []
    view = await desk.view(action_id)
    assert [one.status for one in view.approvals] == [
        ApprovalStatus.INVALIDATED,
        ApprovalStatus.PENDING,
    ]
    assert view.approvals[0].outcome_code == "digest_mismatch"
    assert view.attempts == ()
    assert (await desk.trail(action_id))[-2:] == ["digest_mismatch", "approval_requested"]
    assert [row.id for row in (await desk.engine.governance.queue(NOAH)).items] == [action_id]
    if field:
        assert field in [one.field for one in view.changes]


async def test_a_person_who_agrees_to_the_change_lets_exactly_that_run(desk: Desk) -> None:
    action_id = await waiting_to_run(desk, "execution_pending")
    desk.ledger.revisions["A-17"] = "2"
    await desk.work()
    assert desk.ledger.calls == []

    await desk.engine.governance.approve(NOAH, action_id)
    await desk.work()

    assert await desk.status(action_id) is ApprovalStatus.EXECUTED
    assert len(desk.ledger.effects) == 1


async def test_a_change_before_the_approval_is_refused_at_the_approval(desk: Desk) -> None:
    made = await desk.propose()
    await by_sql(AMOUNT)(desk, made.proposal_id)

    with pytest.raises(Exception, match="not what was proposed") as refused:
        await desk.engine.governance.approve(NOAH, made.proposal_id)

    assert getattr(refused.value, "code", "") == "digest_mismatch"
    view = await desk.view(made.proposal_id)
    assert view.row.approval_status is ApprovalStatus.PENDING
    assert ("input.amount", "82.00", "820.00") in [
        (one.field, one.before, one.after) for one in view.changes
    ]
    assert view.row.consequence == "Pays 820.00 back for order A-17."
    await desk.work()
    assert desk.ledger.calls == []

    # Whoever agrees to that agrees to what they see, and has to say so once.
    await desk.engine.governance.approve(NOAH, made.proposal_id)
    await desk.work()
    assert [what for _, what in desk.ledger.effects] == ["A-17:820.00"]


@pytest.mark.requirement("02-governance:77")
@pytest.mark.requirement("02-governance:82")
@pytest.mark.requirement("02-governance:87")
@pytest.mark.requirement("02-governance:96")
@pytest.mark.requirement("02-governance:B8")
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("right taken away", "missing_scopes"),
        ("mode tightened", "always_blocked"),
        ("tier raised", "always_blocked"),
        ("policy denies now", "denied_now"),
        ("input not valid now", "input_invalid"),
        ("tool gone", "unknown_tool"),
    ],
)
async def test_what_is_not_allowed_any_more_is_invalidated_and_does_not_run(
    desk: Desk, what: str, code: str, when: str
) -> None:
    action_id = await waiting_to_run(desk, when)
    match what:
        case "right taken away":
            desk.rights.held = {"other"}
        case "mode tightened":
            await reopened(desk, approval_overrides=["high_write=always_block"])
        case "tier raised":
            await by_host(risk_tier=RiskTier.DESTRUCTIVE)(desk, action_id)
        case "policy denies now":
            await by_host(authorize=lambda *_: denied("denied_now"))(desk, action_id)
        case "input not valid now":
            await by_host(Input=Stricter)(desk, action_id)
        case "tool gone":
            await reopened(desk, tool=None)

    await desk.work()

    assert desk.ledger.calls == []
    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.INVALIDATED
    assert view.row.outcome_code == code
    assert view.row.outcome
    assert view.row.outcome != "Completed."
    assert (await desk.trail(action_id))[-1] == "revalidation_failed"
    assert view.row.decided_by == "noah"


@pytest.mark.requirement("02-governance:79")
@pytest.mark.parametrize("when", WHEN)
async def test_what_did_not_run_in_time_expires_even_with_a_directory_that_says_yes(
    desk: Desk, when: str
) -> None:
    action_id = await waiting_to_run(desk, when)
    desk.clock.advance(timedelta(hours=48, microseconds=1))

    await desk.work()

    assert await desk.status(action_id) is ApprovalStatus.EXPIRED
    assert desk.ledger.calls == []
    assert (await desk.trail(action_id))[-1] == "expired"


@pytest.mark.requirement("02-governance:78")
async def test_the_check_leaves_alone_what_it_was_not_called_for(desk: Desk) -> None:
    waiting = await desk.propose()
    running = await waiting_to_run(desk, "approved")
    assert waiting.proposal_id == running
    other = await desk.propose(given={**REFUND, "order": "B-1"})

    for _ in range(2):
        await desk.run_job("resume", other.proposal_id, other.approval_id)
        await desk.run_job("resume", ProposalId(999), 999)
        await desk.run_job("resume", running, waiting.approval_id)

    assert await desk.status(other.proposal_id) is ApprovalStatus.PENDING
    assert (await desk.trail(running)).count("revalidation_passed") == 1


@pytest.mark.requirement("02-governance:76")
@pytest.mark.requirement("02-governance:80")
@pytest.mark.requirement("02-governance:81")
async def test_the_check_queues_the_run_and_calls_nothing(desk: Desk) -> None:
    action_id = await waiting_to_run(desk, "execution_pending")

    assert desk.ledger.calls == []
    assert (await desk.trail(action_id))[-1] == "revalidation_passed"
    assert (
        await desk.rows(
            "SELECT count(*) FROM public.procrastinate_jobs WHERE task_name = 'governance.execute'"
        )
    ) == [(1,)]


@pytest.mark.parametrize("when", WHEN)
async def test_a_directory_that_is_away_postpones_and_decides_nothing(
    desk: Desk, when: str
) -> None:
    action_id = await waiting_to_run(desk, when)
    desk.rights.away = True
    trail = await desk.trail(action_id)
    await desk.work()

    assert await desk.status(action_id) is ApprovalStatus(when)
    assert await desk.trail(action_id) == trail
    assert desk.ledger.calls == []

    desk.rights.away = False
    await desk.sql("UPDATE public.procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")
    await desk.work()
    assert await desk.status(action_id) is ApprovalStatus.EXECUTED
    assert len(desk.ledger.effects) == 1


async def test_a_refused_action_cannot_be_let_through_by_hand(desk: Desk) -> None:
    made = await desk.propose()
    governance = desk.engine.governance
    approved = by_sql("status = 'approved'", "tool_approvals")
    with pytest.raises(Exception, match=r"decision_recorded|decision_fits_status"):
        await approved(desk, made.proposal_id)

    await governance.reject(NOAH, made.proposal_id, reason="No.")
    with pytest.raises(Exception, match="decision_fits_status"):
        await approved(desk, made.proposal_id)
    await desk.work()
    assert desk.ledger.calls == []


async def test_an_approval_cannot_be_used_a_second_time_whatever_the_rows_say(desk: Desk) -> None:
    action_id = await desk.approved()
    await desk.work()
    (approval,) = (await desk.view(action_id)).approvals
    await desk.sql("UPDATE cairnloop.tool_approvals SET status = 'execution_pending'")
    await desk.sql("UPDATE cairnloop.tool_proposals SET live = true, result_state = 'not_executed'")

    for job_id in (1, 2):
        await desk.run_job("execute", action_id, approval.id, job_id=job_id)

    assert len(desk.ledger.calls) == 1
    (attempt,) = (await desk.view(action_id)).attempts
    assert attempt.state is AttemptState.CONFIRMED


async def test_a_changed_request_key_does_not_give_a_second_try_another_run_key(
    desk: Desk,
) -> None:
    desk.ledger.fail(TimeoutError())
    action_id = await desk.approved("credit")
    await desk.run_job("resume", action_id, (await desk.view(action_id)).row.approval_id)
    approval_id = (await desk.view(action_id)).row.approval_id
    await desk.run_job("execute", action_id, approval_id, job_id=1)
    await desk.sql("UPDATE cairnloop.tool_proposals SET idempotency_key = md5('x')")
    await desk.run_job("execute", action_id, approval_id, job_id=2)

    assert len(desk.ledger.calls) == 2
    assert len({run.run_key for run in desk.ledger.calls}) == 1


@pytest.mark.parametrize("column", ["input_snapshot", "scope_snapshot", "policy_snapshot"])
async def test_a_snapshot_that_is_no_object_is_refused_by_the_database(
    desk: Desk, column: str
) -> None:
    made = await desk.propose()

    with pytest.raises(Exception, match="snapshots_have_shape"):
        await by_sql(f"{column} = '\"text\"'")(desk, made.proposal_id)


@pytest.mark.requirement("02-governance:81")
@pytest.mark.parametrize(
    "given",
    [
        {"order": "A-17", "amount": 82.5},
        {"order": "ünïcödé ⛰ \u202e", "amount": 1e3},
        {"order": '"; {}', "amount": "0.10"},
    ],
)
async def test_what_the_database_gives_back_has_the_digest_that_was_approved(
    desk: Desk, given: JsonObject
) -> None:
    action_id = await desk.approved(given=given)
    ((call, kept),) = await desk.rows("SELECT call, digest FROM cairnloop.tool_approvals")
    assert digest(call) == kept  # type: ignore[arg-type]

    await desk.work()
    assert await desk.status(action_id) is ApprovalStatus.EXECUTED


async def test_an_input_that_only_sql_could_write_is_shown_and_not_given_to_the_host(
    desk: Desk,
) -> None:
    action_id = await waiting_to_run(desk, "approved")
    deep = '{"a": ' * 300 + "1" + "}" * 300
    await by_sql(f"input_snapshot = '{deep}'")(desk, action_id)

    await desk.work()

    view = await desk.view(action_id)
    assert view.row.approval_status is ApprovalStatus.PENDING
    assert view.approvals[0].outcome_code == "digest_mismatch"
    assert desk.ledger.calls == []


async def test_a_changed_action_that_somebody_else_asks_for_already_is_not_opened_twice(
    desk: Desk,
) -> None:
    made = await desk.propose("grouped")
    await desk.engine.governance.approve(NOAH, made.proposal_id)
    # Meanwhile the tool looks at the same wish as another one, so that a rival can come up.
    await desk.sql("UPDATE cairnloop.tool_proposals SET business_key = 'another'")
    rival = await desk.propose("grouped", caller=NOAH)
    assert rival.proposal_id != made.proposal_id
    newer = type("Newer", (Grouped,), {"version": "2"})
    await desk.restart([newer(desk.ledger)])

    await desk.work()

    assert await desk.status(made.proposal_id) is ApprovalStatus.INVALIDATED
    assert await desk.status(rival.proposal_id) is ApprovalStatus.PENDING
