"""What a worker is killed at: the errands, and by which route each leads past a crash point."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.chaos.tools import (
    AFTER_CALL,
    BEFORE_CALL,
    IdempotentRefund,
    KeyedReconcilingRefund,
    PlainRefund,
    Refund,
)
from benchmarks.machine import SCRATCH_HOME
from cairnloop_engine import Actor, Caller, Engine, Settings
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.rescue import PRODUCTION, Windows
from cairnloop_engine.demo.billing import BillingClient
from cairnloop_engine.drafting.ports import SuggestedAction, SuggestionContext
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.governance.ports import DecisionAsked
from cairnloop_engine.wiring import HostParts

MAYA, NOAH = Caller.operator("maya"), Caller.operator("noah")


class Errand(StrEnum):
    """A piece of work that a worker carries out."""

    PLAIN = "plain tool"
    IDEMPOTENT = "idempotent tool"
    RECONCILING = "reconciling tool"
    NOTE = "internal note"
    LATE = "tool, directory away"
    DRAFT = "draft"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Route:
    """One way to die: at which point, at which of its passings, with which errand.

    ``in_window``: the tool may have been called, and nothing of it is recorded.
    """

    point: str
    errand: Errand
    passing: int = 1
    in_window: bool = False

    @property
    def becomes_unknown(self) -> bool:
        """Whether nobody but a person can say what happened."""
        return self.in_window and self.errand is Errand.PLAIN


_TOOLS = (Errand.PLAIN, Errand.IDEMPOTENT, Errand.RECONCILING)
_ACTIONS = (*_TOOLS, Errand.NOTE)
# The first job of an action checks it once more, the second one carries it out.
_ANY_JOB = (
    *((errand, passing) for errand in _ACTIONS for passing in (1, 2)),
    (Errand.DRAFT, 1),
    (Errand.INDEX, 1),
)
_OUTSIDE = tuple((errand, 1) for errand in _TOOLS)

# Each crash point of the product, and who passes it. A point without a line here fails a test.
PASSED_BY: dict[str, tuple[tuple[Errand, int], ...]] = {
    "drafting.after_record": ((Errand.DRAFT, 1),),
    "drafting.before_commit": ((Errand.DRAFT, 1),),
    "drafting.before_propose": ((Errand.DRAFT, 1),),
    "drafting.before_record": ((Errand.DRAFT, 1),),
    "drafting.before_settle_commit": ((Errand.DRAFT, 1),),
    "drafting.proposed": ((Errand.DRAFT, 1),),
    "drafting.settled": ((Errand.DRAFT, 1),),
    "governance.before_claim": _OUTSIDE,
    "governance.before_record": _OUTSIDE,
    "governance.before_record_commit": _OUTSIDE,
    "governance.prepared": _OUTSIDE,
    "governance.recorded": _OUTSIDE,
    "governance.started": _OUTSIDE,
    "governance.within_after_commit": ((Errand.NOTE, 1),),
    "governance.within_before_commit": ((Errand.NOTE, 1),),
    "jobs.after_fetch": _ANY_JOB,
    "jobs.after_finish": _ANY_JOB,
    "jobs.before_finish": _ANY_JOB,
    "jobs.before_give_up": ((Errand.LATE, 1),),
    "jobs.before_run": _ANY_JOB,
    "retrieval.vectors_made": ((Errand.INDEX, 1),),
    BEFORE_CALL: _OUTSIDE,
    AFTER_CALL: _OUTSIDE,
}
# Points that no job of these errands passes, and the test that kills a process at each.
KILLED_ELSEWHERE = {
    "knowledge.before_publish_commit": "tests/crash/test_publishing.py",
    "retrieval.case_before_commit": "tests/crash/test_indexing_cases.py",
    "retrieval.case_read": "tests/crash/test_indexing_cases.py",
    "retrieval.case_written": "tests/crash/test_indexing_cases.py",
    "retrieval.evaluation_loaded": "tests/engine/retrieval/test_evaluation.py",
}
# Between "started" and the record of the outcome.
WINDOW = frozenset(
    {
        "governance.started",
        BEFORE_CALL,
        AFTER_CALL,
        "governance.before_record",
        "governance.before_record_commit",
    }
)

ROUTES = tuple(
    Route(point, errand, passing, in_window=point in WINDOW)
    for point, ways in PASSED_BY.items()
    for errand, passing in ways
)


@dataclass(slots=True)
class Directory:
    """Who holds which right; a directory that can be away."""

    away: bool = field(default=False)

    async def scopes(self, actor: Actor, workspace: str) -> Collection[str]:
        if self.away:
            raise ConnectionError("the directory does not answer")
        return ()

    async def may_decide(self, operator: Actor, asked: DecisionAsked) -> bool:
        return True


class AlwaysRefund:
    """Suggests a refund with every draft, which then waits for a person."""

    async def suggest(self, proposal: Proposal, context: SuggestionContext) -> SuggestedAction:
        order = f"of {context.customer_ref}"
        return SuggestedAction(PlainRefund.name, {"order": order, "amount_cents": 100})


@dataclass(frozen=True, slots=True)
class Desk:
    """An engine with the three refunds, not yet open."""

    engine: Engine
    directory: Directory


def desk(
    url: str,
    sink: str,
    *,
    billing: BillingClient | None = None,
    tools: Sequence[type[Refund]] = (PlainRefund, IdempotentRefund, KeyedReconcilingRefund),
    windows: Windows = PRODUCTION,
) -> Desk:
    """The same desk in the harness and in every child."""
    client, directory = billing or BillingClient(sink, timeout=5.0), Directory()
    host = HostParts(
        identity_provider=directory,
        action_suggester=AlwaysRefund(),
        tools=[tool(client) for tool in tools],
    )
    settings = Settings.load(
        database_url=url, home=SCRATCH_HOME, embedder="hashing", draft_delay=0.0, pool_size=3
    )
    return Desk(Engine(settings, host=host, windows=windows), directory)


async def run_errand(opened: Desk, errand: Errand, number: int) -> None:
    """Put the work before a worker; each errand has a number of its own."""
    await _STARTS[errand](opened, number)
    opened.directory.away = errand is Errand.LATE


async def _refund(opened: Desk, tool: str, number: int) -> None:
    await _approved(opened, tool, {"order": f"T-{number}", "amount_cents": 8200})


async def _plain(opened: Desk, number: int) -> None:
    await _refund(opened, PlainRefund.name, number)


async def _idempotent(opened: Desk, number: int) -> None:
    await _refund(opened, IdempotentRefund.name, number)


async def _reconciling(opened: Desk, number: int) -> None:
    await _refund(opened, KeyedReconcilingRefund.name, number)


async def _note(opened: Desk, number: int) -> None:
    """Into one conversation that was opened before, so that no other job comes along."""
    await _approved(
        opened, "internal_note", {"conversation_id": 1, "content": f"chaos note {number}"}
    )


async def _draft(opened: Desk, number: int) -> None:
    ref = f"chaos-{number}"
    await opened.engine.conversations.ingest(
        Caller.customer(ref), customer_ref=ref, text="How do I rotate my API key?"
    )


async def _index(opened: Desk, number: int) -> None:
    words = f"# Chaos {number}\n\nArticle number {number} says how key {number} is rotated."
    saved = await opened.engine.knowledge.create(MAYA, f"Chaos {number}", words)
    await opened.engine.knowledge.publish(MAYA, saved.article_id)


async def _approved(opened: Desk, tool: str, given: JsonObject) -> None:
    made = await opened.engine.governance.propose(MAYA, tool, given)
    await opened.engine.governance.approve(NOAH, made.proposal_id)


_STARTS: dict[Errand, Callable[[Desk, int], Awaitable[None]]] = {
    Errand.PLAIN: _plain,
    Errand.IDEMPOTENT: _idempotent,
    Errand.RECONCILING: _reconciling,
    Errand.NOTE: _note,
    Errand.LATE: _plain,
    Errand.DRAFT: _draft,
    Errand.INDEX: _index,
}
