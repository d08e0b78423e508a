"""Two connections at one action, both orders: one winner, one event, the loser hears of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from cairnloop_engine import CairnloopError
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.governance import approvals
from cairnloop_engine.governance.model import ApprovalStatus
from tests.conftest import IN_CI
from tests.engine.governance.conftest import desk, ledger, rights
from tests.engine.governance.desk import MAYA, NOAH, Desk

__all__ = ["desk", "ledger", "rights"]

ROUNDS = 200
# In CI all of them are played (1 to 35 s a contest, measured on two cores of an idle machine);
# elsewhere, and on a machine that is much slower, fewer, and never none of either order.
LONGEST_S = 90.0 if IN_CI else 5.0
FEWEST_ROUNDS = 10

Act = Callable[[Desk, ProposalId, int], Awaitable[object]]


@dataclass(frozen=True)
class Contest:
    """Two acts that exclude each other, what comes before them, and the events they may leave."""

    one: Act
    other: Act
    refusals: frozenset[str]
    events: frozenset[str]
    prepare: Callable[[Desk, int], Awaitable[tuple[ProposalId, int]]]


async def fresh(desk: Desk, round_: int) -> tuple[ProposalId, int]:
    made = await desk.propose(given={"order": f"R-{round_}", "amount": "82.00"})
    assert made.approval_id is not None
    return made.proposal_id, made.approval_id


async def overdue(desk: Desk, round_: int) -> tuple[ProposalId, int]:
    """Past its deadline for one clock and not yet for the other: only rows are looked at."""
    found = await fresh(desk, round_)
    await desk.sql(
        "UPDATE cairnloop.tool_approvals SET expires_at = :at WHERE id = :id",
        at=desk.clock.now() - timedelta(seconds=1),
        id=found[1],
    )
    return found


async def returned(desk: Desk, round_: int) -> tuple[ProposalId, int]:
    found = await fresh(desk, round_)
    await desk.engine.governance.ask_back(NOAH, found[0], question="Why?")
    return found


async def runnable(desk: Desk, round_: int) -> tuple[ProposalId, int]:
    found = await fresh(desk, round_)
    await desk.engine.governance.approve(NOAH, found[0])
    await desk.run_job("resume", *found)
    return found


async def approved(desk: Desk, round_: int) -> tuple[ProposalId, int]:
    found = await fresh(desk, round_)
    await desk.engine.governance.approve(NOAH, found[0])
    return found


async def unknown(desk: Desk, round_: int) -> tuple[ProposalId, int]:
    desk.ledger.fail(TimeoutError())
    found = await runnable(desk, round_)
    for _ in range(2):
        await desk.run_job("execute", *found)
    assert await desk.status(found[0]) is ApprovalStatus.EXECUTION_UNKNOWN
    return found


async def approve(desk: Desk, action: ProposalId, _: int) -> object:
    return await desk.engine.governance.approve(NOAH, action)


async def reject(desk: Desk, action: ProposalId, _: int) -> object:
    return await desk.engine.governance.reject(MAYA, action, reason="No.")


async def defer(desk: Desk, action: ProposalId, _: int) -> object:
    return await desk.engine.governance.defer(MAYA, action, reason="Later.")


async def ask_back(desk: Desk, action: ProposalId, _: int) -> object:
    return await desk.engine.governance.ask_back(MAYA, action, question="Why?")


async def amend(desk: Desk, action: ProposalId, _: int) -> object:
    given = {"order": f"other-{action}", "amount": "1.00"}
    return await desk.engine.governance.amend(MAYA, action, given)


async def expire(desk: Desk, action: ProposalId, _: int) -> object:
    async def ended(work: Any) -> bool:
        return await approvals.expire(work, action)

    if not await desk.engine.db.retrying(MAYA, ended):
        raise CairnloopError("nothing_to_expire", "Somebody was faster.")
    return True


async def reopen(desk: Desk, action: ProposalId, _: int) -> object:
    return await desk.engine.governance.reopen(MAYA, action)


async def answer(desk: Desk, action: ProposalId, _: int) -> object:
    return await desk.engine.governance.answer(MAYA, action, answer="So.")


async def confirm(desk: Desk, action: ProposalId, _: int) -> object:
    return await desk.engine.governance.settle(MAYA, action, outcome="confirmed", note="Seen.")


async def deny(desk: Desk, action: ProposalId, _: int) -> object:
    return await desk.engine.governance.settle(NOAH, action, outcome="failed", note="Not seen.")


TAKEN = frozenset({"already_decided"})
DECIDED = frozenset({"approved", "rejected", "deferred", "returned", "superseded", "expired"})
CONTESTS = {
    "approve ∥ reject": Contest(approve, reject, TAKEN, DECIDED, fresh),
    "approve ∥ approve": Contest(approve, approve, TAKEN, DECIDED, fresh),
    "approve ∥ defer": Contest(approve, defer, TAKEN, DECIDED, fresh),
    "reject ∥ ask back": Contest(reject, ask_back, TAKEN, DECIDED, fresh),
    "amend ∥ approve": Contest(amend, approve, TAKEN, DECIDED, fresh),
    "expire ∥ reject": Contest(
        expire, reject, TAKEN | {"nothing_to_expire", "approval_expired"}, DECIDED, overdue
    ),
    "expire ∥ approve": Contest(
        expire, approve, TAKEN | {"nothing_to_expire", "approval_expired"}, DECIDED, overdue
    ),
    "reopen ∥ reopen": Contest(
        reopen, reopen, frozenset({"not_reopenable"}), frozenset({"reopened"}), returned
    ),
    "reopen ∥ answer": Contest(
        reopen, answer, frozenset({"not_reopenable"}), frozenset({"reopened", "answered"}), returned
    ),
    "settle ∥ settle": Contest(
        confirm, deny, frozenset({"not_unknown"}), frozenset({"settled"}), unknown
    ),
}


async def outcome(act: Awaitable[object]) -> str:
    try:
        await act
    except CairnloopError as refusal:
        return refusal.code
    return "won"


async def rounds(play: Callable[[int], Awaitable[None]]) -> int:
    """Play until all rounds are played or the time is over; at least a few of each order."""
    began = time.monotonic()
    for round_ in range(ROUNDS):
        await play(round_)
        if round_ + 1 >= FEWEST_ROUNDS and time.monotonic() - began > LONGEST_S:
            return round_ + 1
    return ROUNDS


@pytest.mark.slow
@pytest.mark.requirement("02-governance:B7")
@pytest.mark.requirement("02-governance:68")
@pytest.mark.parametrize("name", CONTESTS)
async def test_a_contested_transition_has_one_winner_and_one_event(desk: Desk, name: str) -> None:
    contest = CONTESTS[name]

    async def play(round_: int) -> None:
        action, approval = await contest.prepare(desk, round_)
        before = await desk.trail(action)
        acts = [contest.one(desk, action, approval), contest.other(desk, action, approval)]
        results = await asyncio.gather(*(outcome(a) for a in (acts if round_ % 2 else acts[::-1])))

        losers = [code for code in results if code != "won"]
        assert len(losers) == 1 or "approval_expired" in losers, results
        assert set(losers) <= contest.refusals, results
        after = (await desk.trail(action))[len(before) :]
        assert len([event for event in after if event in contest.events]) == 1, after

    assert await rounds(play) >= FEWEST_ROUNDS


@pytest.mark.slow
async def test_equal_wishes_at_once_are_one_proposal(desk: Desk) -> None:
    async def play(round_: int) -> None:
        given = {"order": f"R-{round_}", "amount": "1.00"}
        tool, callers = ("grouped", (MAYA, NOAH)) if round_ % 2 else ("refund", (MAYA, MAYA))
        made = await asyncio.gather(*(desk.propose(tool, given, caller=one) for one in callers))

        assert len({one.proposal_id for one in made}) == 1
        assert sorted(one.duplicate for one in made) == [False, True]
        trail = await desk.trail(made[0].proposal_id)
        assert trail.count("proposed") == trail.count("approval_requested") == 1

    assert await rounds(play) >= FEWEST_ROUNDS


@pytest.mark.slow
async def test_a_wish_and_a_reopening_of_the_same_leave_one_of_them_waiting(desk: Desk) -> None:
    async def play(round_: int) -> None:
        given = {"order": f"R-{round_}", "amount": "1.00"}
        first = await desk.propose("grouped", given)
        await desk.sql(
            "UPDATE cairnloop.tool_approvals SET expires_at = now() - interval '9 days'"
            " WHERE status = 'pending'"
        )
        await desk.sweep()
        acts: list[Awaitable[object]] = [
            desk.engine.governance.reopen(MAYA, first.proposal_id),
            desk.propose("grouped", given, caller=NOAH),
        ]
        results = await asyncio.gather(*(outcome(a) for a in (acts if round_ % 2 else acts[::-1])))

        assert set(results) <= {"won", "already_proposed"}
        live = await desk.rows("SELECT count(*) FROM cairnloop.tool_proposals WHERE live")
        assert live == [(1,)], results
        await desk.sql("UPDATE cairnloop.tool_approvals SET expires_at = now() - interval '1 day'")
        await desk.sweep()

    assert await rounds(play) >= FEWEST_ROUNDS


@pytest.mark.slow
@pytest.mark.requirement("02-governance:B6")
async def test_two_runs_of_one_action_make_one_call(desk: Desk) -> None:
    async def play(round_: int) -> None:
        found = await runnable(desk, round_)
        await asyncio.gather(*(desk.run_job("execute", *found, job_id=job) for job in (1, 2)))

        assert len(desk.ledger.calls) == round_ + 1
        assert (await desk.trail(found[0])).count("execution_succeeded") == 1

    assert await rounds(play) >= FEWEST_ROUNDS


@pytest.mark.slow
async def test_two_checks_of_one_action_queue_one_run(desk: Desk) -> None:
    async def play(round_: int) -> None:
        found = await approved(desk, round_)
        await asyncio.gather(*(desk.run_job("resume", *found, job_id=job) for job in (1, 2)))

        assert (await desk.trail(found[0])).count("revalidation_passed") == 1
        assert (
            await desk.rows(
                "SELECT count(*) FROM public.procrastinate_jobs"
                " WHERE task_name = 'governance.execute'"
                " AND args ->> 'approval_id' = :id",
                id=str(found[1]),
            )
        ) == [(1,)]

    assert await rounds(play) >= FEWEST_ROUNDS


@pytest.mark.slow
async def test_two_sweeps_do_each_thing_once(desk: Desk) -> None:
    async def play(round_: int) -> None:
        late, _ = await overdue(desk, round_)
        lost = await approved(desk, round_ + ROUNDS)
        await desk.sql("DELETE FROM public.procrastinate_jobs")
        desk.clock.advance(timedelta(seconds=6))
        await asyncio.gather(desk.sweep(), desk.sweep())

        assert (await desk.trail(late)).count("expired") == 1
        assert await desk.rows("SELECT count(*) FROM public.procrastinate_jobs") == [(1,)]
        await desk.run_job("resume", *lost)
        await desk.sql(
            "UPDATE cairnloop.tool_approvals SET status = 'executed' WHERE id = :id", id=lost[1]
        )

    assert await rounds(play) >= FEWEST_ROUNDS


async def test_twenty_approvals_and_runs_at_once_have_one_effect(desk: Desk) -> None:
    found = await fresh(desk, 0)
    results = await asyncio.gather(*(outcome(approve(desk, *found)) for _ in range(20)))
    await asyncio.gather(*(desk.run_job("resume", *found, job_id=job) for job in range(20)))
    await asyncio.gather(*(desk.run_job("execute", *found, job_id=job) for job in range(20)))

    assert results.count("won") == 1
    assert set(results) <= {"won", "already_decided", "database_busy"}
    assert len(desk.ledger.calls) == 1


async def test_a_storm_in_one_conversation_meets_no_deadlock(desk: Desk) -> None:
    conversation_id = await desk.conversation()
    engine = desk.engine
    ((before,),) = await desk.rows(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )

    async def action(number: int) -> None:
        given = {"conversation_id": conversation_id, "content": f"Note {number}"}
        made = await engine.governance.propose(
            MAYA, "internal_note", given, conversation_id=conversation_id
        )
        assert made.approval_id is not None
        await outcome(approve(desk, made.proposal_id, 0))
        await desk.run_job("resume", made.proposal_id, made.approval_id)
        await desk.run_job("execute", made.proposal_id, made.approval_id)

    async def talk(number: int) -> None:
        await engine.conversations.note(MAYA, conversation_id, f"Aside {number}")
        await outcome(engine.conversations.reply(NOAH, conversation_id, f"Hi {number}", hold=0))
        await desk.conversation(f"And {number}?")

    await asyncio.gather(*(act(number) for number in range(8) for act in (action, talk)))

    ((after,),) = await desk.rows(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert after == before
    done = await engine.governance.actions(MAYA, status="executed")
    assert len(done.items) == 8
