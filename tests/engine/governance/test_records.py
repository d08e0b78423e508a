"""The rows of governed actions: what the database itself refuses, and all or nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.governance.facade import Governance
from cairnloop_engine.governance.model import (
    ApprovalMode,
    ApprovalStatus,
    ProposalStatus,
    ResultState,
    RiskTier,
)
from cairnloop_engine.wiring import HostParts
from tests.engine.governance.desk import MAYA, NOAH, Desk
from tests.engine.governance.tools import ALL, Ledger
from tests.postgres import TestCluster

SECRET = "canary-5d41402abc4b2a76"


@pytest.mark.requirement("02-governance:42")
@pytest.mark.requirement("02-governance:51")
@pytest.mark.requirement("02-governance:55")
def test_the_stored_words_are_these() -> None:
    assert [one.value for one in ProposalStatus] == [
        "proposed",
        "needs_input",
        "scope_invalid",
        "policy_denied",
    ]
    assert {"pending", "executed", "execution_failed", "execution_unknown"} <= set(ApprovalStatus)
    assert {one.value for one in ResultState} >= {"not_executed", "succeeded", "failed", "unknown"}
    assert len(RiskTier) == 4
    assert len(ApprovalMode) == 3


@pytest.mark.requirement("02-governance:42")
@pytest.mark.requirement("02-governance:43")
@pytest.mark.parametrize(
    "assignment",
    [
        "status = 'perhaps'",
        "risk_tier = 'extreme'",
        "approval_mode = 'perhaps'",
        "origin = 'rumour'",
        "result_state = 'maybe'",
        "tool_ref = NULL",
        "idempotency_key = NULL",
        "actor_id = NULL",
        "actor_id = '  '",
        "workspace = NULL",
        "digest = NULL",
        "attempts = -1",
        "targets = '{}'",
        "status = 'needs_input'",
    ],
)
async def test_a_proposal_that_cannot_be_true_is_refused_by_the_database(
    desk: Desk, assignment: str
) -> None:
    await desk.propose()

    with pytest.raises(IntegrityError):
        await desk.sql(f"UPDATE cairnloop.tool_proposals SET {assignment}")


@pytest.mark.requirement("02-governance:51")
@pytest.mark.requirement("02-governance:52")
@pytest.mark.parametrize(
    "assignment",
    [
        "status = 'perhaps'",
        "status = 'approved'",
        "status = 'executed'",
        "status = 'rejected'",
        "proposal_id = NULL",
        "proposal_id = 4711",
        "decided_by = 'somebody'",
        "number = 0",
        "status = 'rejected', last_decision = 'rejected', decided_by = 'x',"
        " decided_by_kind = 'operator', decided_at = now()",
        "status = 'deferred', last_decision = 'deferred', reason = ' ', decided_by = 'x',"
        " decided_by_kind = 'operator', decided_at = now()",
        "status = 'execution_pending', last_decision = 'rejected', decided_by = 'x',"
        " decided_by_kind = 'operator', decided_at = now()",
        "call = '[]'",
    ],
)
async def test_an_approval_that_cannot_be_true_is_refused_by_the_database(
    desk: Desk, assignment: str
) -> None:
    await desk.propose()

    with pytest.raises(IntegrityError):
        await desk.sql(f"UPDATE cairnloop.tool_approvals SET {assignment}")


_COPY = (
    "INSERT INTO cairnloop.tool_approvals (workspace, proposal_id, number, status, call, digest,"
    " changes, expires_at, reconcile_tries, created_at, updated_at)"
    " SELECT workspace, proposal_id, number + 1, :status, call, digest, changes, expires_at, 0,"
    " created_at, updated_at FROM cairnloop.tool_approvals LIMIT 1"
)


@pytest.mark.requirement("02-governance:56")
@pytest.mark.requirement("02-governance:57")
async def test_one_proposal_has_one_active_approval_and_any_number_of_ended_ones(
    desk: Desk,
) -> None:
    await desk.propose()

    with pytest.raises(IntegrityError, match="uq_tool_approvals_active"):
        await desk.sql(_COPY, status="pending")
    assert await desk.rows("SELECT count(*) FROM cairnloop.tool_approvals") == [(1,)]
    await desk.sql(_COPY, status="expired")
    assert await desk.rows("SELECT count(*) FROM cairnloop.tool_approvals") == [(2,)]


@pytest.mark.requirement("02-governance:50")
async def test_nothing_that_was_decided_can_be_edited_or_deleted_through_the_engine(
    desk: Desk,
) -> None:
    public = {name for name in vars(Governance) if not name.startswith("_")}
    assert not [name for name in public if name.startswith(("update", "delete", "edit", "set_"))]
    await desk.approved()

    for table in ("tool_proposals", "audit_events"):
        with pytest.raises(Exception, match=r"foreign key|append-only|insert-only|refuse"):
            await desk.sql(f"DELETE FROM cairnloop.{table}")
    with pytest.raises(Exception, match=r".+"):
        await desk.sql("UPDATE cairnloop.audit_events SET action = 'governance.rejected'")


class Died(BaseException):
    """No code of ours or of a tool's catches the death of its process."""


@contextmanager
def failing_at(desk: Desk, number: int) -> Iterator[list[int]]:
    """The statement of this number fails, as it does when the process dies before it."""
    seen = [0]
    engine = desk.engine.db.engine.sync_engine

    def count(*_: object) -> None:
        seen[0] += 1
        if seen[0] == number:
            raise Died

    event.listen(engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", count)


async def everything(desk: Desk) -> list[list[tuple[object, ...]]]:
    """Every row that a transition may write."""
    return [
        await desk.rows(f"SELECT * FROM {table} ORDER BY 1")
        for table in (
            "cairnloop.tool_proposals",
            "cairnloop.tool_approvals",
            "cairnloop.tool_executions",
            "cairnloop.audit_events",
            "cairnloop.conversations",
            "cairnloop.messages",
            "public.procrastinate_jobs",
        )
    ]


STEPS: dict[str, Callable[[Desk, ProposalId, int], Awaitable[Any]]] = {
    "propose": lambda desk, *_: desk.propose("credit", conversation_id=1),  # type: ignore[arg-type]
    "approve": lambda desk, action, _: desk.engine.governance.approve(NOAH, action),
    "reject": lambda desk, action, _: desk.engine.governance.reject(NOAH, action, reason="No."),
    "resume": lambda desk, action, approval: desk.run_job("resume", action, approval),
    "execute": lambda desk, action, approval: desk.run_job("execute", action, approval),
}
BEFORE = {"resume": ["approve"], "execute": ["approve", "resume"]}


@pytest.mark.requirement("02-governance:B1")
@pytest.mark.parametrize("step", STEPS)
async def test_a_transition_that_is_cut_off_anywhere_leaves_nothing_at_all(
    desk: Desk, step: str
) -> None:
    conversation_id = await desk.conversation()
    given = {"conversation_id": conversation_id, "content": "Hello"}
    made = await desk.propose("internal_note", given, conversation_id=conversation_id)
    assert made.approval_id is not None
    for earlier in BEFORE.get(step, []):
        await STEPS[earlier](desk, made.proposal_id, made.approval_id)
    before = await everything(desk)

    cut = 0
    while True:
        cut += 1
        with failing_at(desk, cut) as seen:
            try:
                await STEPS[step](desk, made.proposal_id, made.approval_id)
            except Died:
                pass
        if seen[0] < cut:
            break
        assert await everything(desk) == before, f"cut off before statement {cut}"
    assert cut > 8
    assert await everything(desk) != before


@pytest.mark.requirement("02-governance:B17")
async def test_a_secret_in_an_input_is_nowhere_but_in_the_input(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    given = {"order": "A-17", "amount": "82.00", "card_token": SECRET}
    action_id = await desk.approved(given=given)
    await desk.sql(
        "UPDATE cairnloop.tool_proposals SET input_snapshot ="
        " jsonb_set(input_snapshot, '{card_token}', to_jsonb(CAST(:other AS text)))",
        other=f"{SECRET}-changed",
    )
    await desk.work()
    await desk.engine.governance.approve(NOAH, action_id)
    await desk.work()
    assert await desk.status(action_id) is ApprovalStatus.EXECUTED
    view = await desk.view(action_id)
    assert any(one.field == "input.card_token" for one in view.approvals[-1].changes)

    listed = await desk.engine.governance.actions(MAYA)
    trail = await desk.rows("SELECT facts::text, personal::text FROM cairnloop.audit_events")
    queue = await desk.rows("SELECT args::text FROM public.procrastinate_jobs")
    shown = [view, listed, trail, queue]
    assert SECRET not in str(shown)
    # The database's own driver may not log values either.
    assert SECRET not in "\n".join(
        record.getMessage() + str(record.__dict__)
        for record in caplog.records
        if record.name.startswith("cairnloop")
    )


@pytest.mark.requirement("02-governance:41")
async def test_every_row_is_in_the_configured_schema_and_the_queue_is_not(
    cluster: TestCluster, home: Path, ledger: Ledger
) -> None:
    url = cluster.create("own_schema_of_actions")
    settings = Settings.load(
        database_url=url, home=home, schema_prefix="desk", operator_scopes=["billing"]
    )
    try:
        async with Engine(settings, host=HostParts(tools=[t(ledger) for t in ALL])) as engine:
            await engine.migrate()
            made = await engine.governance.propose(
                MAYA, "refund", {"order": "A-17", "amount": "82.00"}
            )
            await engine.governance.approve(NOAH, made.proposal_id)
            await engine.run_worker(queues=["effects"], drain=True)

            view = await engine.governance.action(MAYA, made.proposal_id)
            assert view.row.approval_status is ApprovalStatus.EXECUTED
            desk = Desk(engine, None, ledger, None)  # type: ignore[arg-type]
            assert await desk.rows("SELECT count(*) FROM desk.tool_executions") == [(1,)]
            assert await desk.rows(
                "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'cairnloop'"
            ) == [(0,)]
    finally:
        cluster.drop("own_schema_of_actions")


WRITES: dict[str, Callable[[Governance, Caller, ProposalId], Awaitable[Any]]] = {
    "propose": lambda g, c, _: g.propose(c, "refund", {"order": "A", "amount": "1"}),
    "amend": lambda g, c, a: g.amend(c, a, {"order": "A", "amount": "1"}),
    "approve": lambda g, c, a: g.approve(c, a),
    "approve_many": lambda g, c, a: g.approve_many(c, [(a, "x")]),
    "reject": lambda g, c, a: g.reject(c, a, reason="No."),
    "defer": lambda g, c, a: g.defer(c, a, reason="No."),
    "ask_back": lambda g, c, a: g.ask_back(c, a, question="Why?"),
    "answer": lambda g, c, a: g.answer(c, a, answer="So."),
    "reopen": lambda g, c, a: g.reopen(c, a),
    "settle": lambda g, c, a: g.settle(c, a, outcome="failed", note="No."),
}
READS: dict[str, Callable[[Governance, Caller, ProposalId], Awaitable[Any]]] = {
    "tools": lambda g, c, _: g.tools(c),
    "actions": lambda g, c, _: g.actions(c),
    "queue": lambda g, c, _: g.queue(c),
    "action": lambda g, c, a: g.action(c, a),
    "counts": lambda g, c, _: g.counts(c),
    "approver_load": lambda g, c, _: g.approver_load(c),
    "cards": lambda g, c, _: g.cards(c, 1),  # type: ignore[arg-type]
}
NOBODY = [None, "", "  ", "\u200b"]


def test_the_sweeps_know_every_method_of_the_facade() -> None:
    public = {name for name, value in vars(Governance).items() if callable(value)}

    assert {name for name in public if not name.startswith("_")} == set(WRITES) | set(READS)


@pytest.mark.requirement("02-governance:B18")
@pytest.mark.parametrize("name", NOBODY)
@pytest.mark.parametrize("method", WRITES)
async def test_nobody_changes_anything_and_the_database_is_not_even_asked(
    desk: Desk, method: str, name: str | None
) -> None:
    made = await desk.propose()
    not_theirs = "actor_cannot_propose" if method == "propose" else "operator_required"
    for caller, code in (
        (Caller.operator(name), "operator_missing"),
        (Caller.customer("cust-1"), not_theirs),
    ):
        with failing_at(desk, 0) as statements, pytest.raises(Exception, match=r".") as refused:
            await WRITES[method](desk.engine.governance, caller, made.proposal_id)
        assert getattr(refused.value, "code", refused.value) == code
        assert statements == [0]


@pytest.mark.parametrize("method", sorted(set(WRITES) - {"propose"} | {"action"}))
@pytest.mark.parametrize("status", ["pending", "returned", "execution_unknown"])
async def test_another_workspace_s_action_is_not_there(
    desk: Desk, method: str, status: str
) -> None:
    made = await desk.propose()
    if status == "returned":
        await desk.engine.governance.ask_back(NOAH, made.proposal_id, question="Why?")
    if status == "execution_unknown":
        desk.ledger.fail(TimeoutError())
        await desk.engine.governance.approve(NOAH, made.proposal_id)
        await desk.work()
    assert await desk.status(made.proposal_id) is ApprovalStatus(status)
    before = await everything(desk)
    stranger = Caller.operator("noah", "elsewhere")

    call = {**WRITES, **READS}[method]
    for action_id in (made.proposal_id, ProposalId(4711), ProposalId(10**30), ProposalId(-1)):
        with pytest.raises(Exception, match="no action") as refused:
            await call(desk.engine.governance, stranger, action_id)
        assert getattr(refused.value, "code", refused.value) == "action_not_found"
    assert await everything(desk) == before


@pytest.mark.parametrize("method", sorted(set(READS) - {"action", "tools"}))
async def test_lists_and_counts_of_another_workspace_are_empty(desk: Desk, method: str) -> None:
    await desk.propose()
    stranger = Caller.operator("noah", "elsewhere")

    found = await READS[method](desk.engine.governance, stranger, ProposalId(1))

    assert not getattr(found, "items", None)
    assert getattr(found, "pending", 0) == 0


async def test_pages_of_actions_show_each_once_and_end(desk: Desk) -> None:
    for number in range(7):
        await desk.propose(given={"order": f"A-{number}", "amount": "1"})
    governance = desk.engine.governance
    for listing in (governance.actions, governance.queue):
        seen: list[int] = []
        cursor = None
        while True:
            page = await listing(MAYA, cursor=cursor, limit=3)
            seen += [row.id for row in page.items]
            cursor = page.next
            if cursor is None:
                break
        assert sorted(seen) == list(range(1, 8))
    for word, count in (("waiting", 7), ("blocked", 0), ("executed", 0), ("unknown", 0)):
        assert len((await governance.actions(MAYA, status=word)).items) == count
    for wrong in ({"status": "perhaps"}, {"cursor": "rubbish"}, {"limit": 0}, {"limit": 10**9}):
        with pytest.raises(Exception, match=r".") as refused:
            await governance.actions(MAYA, **wrong)  # type: ignore[arg-type]
        assert getattr(refused.value, "code", "") in {
            "status_unknown",
            "cursor_invalid",
            "limit_invalid",
        }
