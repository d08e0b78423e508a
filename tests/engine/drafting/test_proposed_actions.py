"""Actions that drafts suggest: proposed through governance, once, and never more than that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ConversationId, DraftId
from cairnloop_engine.core.jobs import Job
from cairnloop_engine.drafting import suggestions
from cairnloop_engine.drafting.model import PolicyVerdict, SuggestionState
from cairnloop_engine.drafting.ports import (
    CustomerTurn,
    PolicyContext,
    SuggestedAction,
    SuggestionContext,
)
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.drafting.reads import DraftView
from cairnloop_engine.governance.model import ApprovalStatus, Origin, ProposalStatus
from cairnloop_engine.wiring import HostParts
from tests.engine.drafting.builders import proposal
from tests.engine.drafting.desk import open_desk
from tests.engine.governance.tools import ALL, Ledger
from tests.fakes import FixedClock
from tools.sources import ROOT

MAYA = Caller.operator("maya")
ACME = Caller.customer("acme")
REFUND: JsonObject = {"order": "A-17", "amount": "82.00"}


@dataclass
class Told:
    """Suggests what a test tells it to, and remembers what it was shown."""

    answer: Any = None
    shown: list[SuggestionContext] = field(default_factory=list)

    async def suggest(
        self, proposal: Proposal, context: SuggestionContext
    ) -> SuggestedAction | None:
        self.shown.append(context)
        answer: SuggestedAction | None = self.answer
        return answer


@dataclass
class Office:
    """A desk whose drafts may suggest actions, with a worker that a test steps."""

    engine: Engine
    ledger: Ledger
    suggester: Told

    async def asks(self, words: str = "Please refund order A-17.") -> ConversationId:
        """A customer writes, and every job that follows from it runs."""
        made = await self.engine.conversations.ingest(ACME, customer_ref="acme", text=words)
        await self.work()
        return made.conversation_id

    async def work(self) -> None:
        await self.engine.run_worker(queues=["drafting"], drain=True)

    async def draft(self, conversation_id: ConversationId) -> DraftView:
        found = await self.engine.drafting.pending_for(MAYA, conversation_id)
        assert found is not None
        return found

    async def count(self, table: str) -> int:
        async with self.engine.db.read(MAYA) as read:
            statement = text(f"SELECT count(*) FROM {read.qualified(table)}")
            return int(await read.session.scalar(statement) or 0)

    async def propose_again(self, draft_id: DraftId, *, times: int = 1) -> None:
        """What a redriven job does, and what a rescued one does beside its first run."""
        async with self.engine.db.work(Caller.system("test")) as work:
            for _ in range(times):
                told: JsonObject = {"workspace": "default", "draft_id": draft_id}
                await work.enqueue(Job(suggestions.PROPOSE_TASK, told))
        await self.work()

    async def forget_the_outcome(self) -> None:
        """As if every run had died between proposing and writing that down."""
        async with self.engine.db.work(Caller.system("test")) as work:
            table = work.qualified("draft_actions")
            change = "SET state = 'waiting', settled_at = NULL, proposal_id = NULL"
            await work.session.execute(text(f"UPDATE {table} {change}"))


@asynccontextmanager
async def office(
    settings: Settings, clock: FixedClock, answer: object, **changes: object
) -> AsyncIterator[Office]:
    ledger, suggester = Ledger(), Told(answer)
    wanted: dict[str, object] = {"automation_scopes": ("billing",), "embedder": "hashing"}
    told = settings.with_changes(draft_delay=0.0, **(wanted | changes))
    host = HostParts(action_suggester=suggester, tools=[tool(ledger) for tool in ALL])
    async with Engine(told, clock=clock, host=host) as engine:
        yield Office(engine, ledger, suggester)


async def test_a_suggestion_waits_as_an_action_that_the_drafting_flow_proposed(
    settings: Settings, clock: FixedClock
) -> None:
    async with office(settings, clock, SuggestedAction("refund", REFUND)) as desk:
        conversation_id = await desk.asks()
        draft = await desk.draft(conversation_id)
        assert draft.action_id is not None
        action = await desk.engine.governance.action(MAYA, draft.action_id)
        row = await desk.engine.conversations.conversation(MAYA, conversation_id)

    assert draft.suggested is not None
    assert (draft.suggested.tool, draft.suggested.state) == ("refund", SuggestionState.PROPOSED)
    assert action.row.approval_status is ApprovalStatus.PENDING
    assert action.row.origin is Origin.AI
    assert (action.row.proposed_by_kind, action.row.proposed_by) == ("system", "drafting")
    assert action.row.conversation_id == conversation_id
    assert "action" in row.needs
    assert desk.ledger.calls == []


async def test_the_suggester_sees_whose_words_they_are(
    settings: Settings, clock: FixedClock
) -> None:
    async with office(settings, clock, None) as desk:
        conversation_id = await desk.asks("Please refund order A-17.")
        draft = await desk.draft(conversation_id)

    (shown,) = desk.suggester.shown
    assert shown.customer_ref == "acme"
    assert shown.conversation_id == conversation_id
    assert list(shown.turn.messages) == ["Please refund order A-17."]
    assert draft.suggested is None


async def test_a_suggestion_without_the_right_is_a_blocked_row(
    settings: Settings, clock: FixedClock
) -> None:
    """The operators' rights are theirs; the drafting flow has its own, or none."""
    suggestion = SuggestedAction("refund", REFUND)
    rights: dict[str, object] = {"automation_scopes": (), "operator_scopes": ("billing",)}
    async with office(settings, clock, suggestion, **rights) as desk:
        draft = await desk.draft(await desk.asks())
        assert draft.action_id is not None
        action = await desk.engine.governance.action(MAYA, draft.action_id)

    assert draft.suggested is not None
    assert draft.suggested.state is SuggestionState.BLOCKED
    assert draft.suggested.code == "missing_scopes"
    assert action.row.status is ProposalStatus.SCOPE_INVALID
    assert action.row.approval_status is None


async def test_a_tool_that_does_not_exist_leaves_the_draft_and_says_why(
    settings: Settings, clock: FixedClock
) -> None:
    async with office(settings, clock, SuggestedAction("wire_money", {})) as desk:
        draft = await desk.draft(await desk.asks())
        proposals = await desk.count("tool_proposals")

    assert draft.suggested is not None
    assert draft.suggested.state is SuggestionState.REFUSED
    assert (draft.suggested.code, draft.action_id, proposals) == ("tool_unknown", None, 0)


async def test_the_same_draft_never_proposes_twice(settings: Settings, clock: FixedClock) -> None:
    async with office(settings, clock, SuggestedAction("refund", REFUND)) as desk:
        draft = await desk.draft(await desk.asks())
        await desk.propose_again(draft.id)
        settled = await desk.engine.audit.events(
            MAYA, filter=AuditFilter(action="drafting.action_settled")
        )
        proposals = await desk.count("tool_proposals")

    assert proposals == 1
    assert len(settled.items) == 1


async def test_two_runs_of_the_same_job_at_the_same_moment_make_one_action(
    settings: Settings, clock: FixedClock
) -> None:
    async with office(settings, clock, SuggestedAction("refund", REFUND)) as desk:
        conversation_id = await desk.asks()
        before = await desk.draft(conversation_id)
        for _ in range(5):
            await desk.forget_the_outcome()
            await desk.propose_again(before.id, times=3)
        after = await desk.draft(conversation_id)
        proposals = await desk.count("tool_proposals")

    assert after.suggested == before.suggested
    assert proposals == 1


async def test_a_second_draft_about_the_same_order_meets_the_first_ones_action(
    settings: Settings, clock: FixedClock
) -> None:
    async with office(settings, clock, SuggestedAction("grouped", REFUND)) as desk:
        conversation_id = await desk.asks()
        first = await desk.draft(conversation_id)
        await desk.asks("Did you get that? Order A-17, please.")
        second = await desk.draft(conversation_id)
        proposals = await desk.count("tool_proposals")

    assert first.id != second.id
    assert first.action_id == second.action_id
    assert proposals == 1


async def test_characters_that_no_database_keeps_do_not_cost_the_draft(
    settings: Settings, clock: FixedClock
) -> None:
    odd: JsonObject = {"order": "A-\x0017", "amount": "82.00"}
    async with office(settings, clock, SuggestedAction("refund", odd)) as desk:
        draft = await desk.draft(await desk.asks())

    assert draft.suggested is not None
    assert draft.suggested.state is SuggestionState.PROPOSED


async def test_a_policy_that_denies_the_draft_denies_its_suggestion(
    engine: Engine, clock: FixedClock
) -> None:
    class Deny:
        async def decide(self, proposal: Proposal, context: PolicyContext) -> PolicyVerdict:
            return PolicyVerdict.DENY

    suggester = Told(SuggestedAction("refund", REFUND))
    desk = open_desk(engine, clock, policy=Deny(), suggester=suggester)
    await desk.customer_writes()
    clock.advance(desk.drafting.config.draft_delay)
    await desk.run_due()

    assert await desk.audited() == ["drafting.denied"]
    assert suggester.shown == []


async def test_deciding_about_the_draft_decides_nothing_about_the_action(
    settings: Settings, clock: FixedClock
) -> None:
    async with office(settings, clock, SuggestedAction("refund", REFUND)) as desk:
        draft = await desk.draft(await desk.asks())
        await desk.engine.drafting.discard(MAYA, draft.id)
        assert draft.action_id is not None
        action = await desk.engine.governance.action(MAYA, draft.action_id)

    assert action.row.approval_status is ApprovalStatus.PENDING


async def raises() -> SuggestedAction:
    raise RuntimeError("the rules are away")


async def never() -> SuggestedAction:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


def answers(value: object) -> Callable[[], Awaitable[Any]]:
    async def answer() -> Any:
        return value

    return answer


def nested(depth: int) -> JsonObject:
    inner: JsonObject = {}
    for _ in range(depth):
        inner = {"deeper": inner}
    return inner


@pytest.mark.parametrize(
    "answer",
    [
        raises,
        never,
        answers("refund"),
        answers(SuggestedAction("", {})),
        answers(SuggestedAction("a" * 65, {})),
        answers(SuggestedAction("refund", [])),  # type: ignore[arg-type]
        answers(SuggestedAction("refund", {"when": timedelta(1)})),  # type: ignore[dict-item]
        answers(SuggestedAction("refund", {"amount": float("nan")})),
        answers(SuggestedAction("refund", {"note": "x" * 70_000})),
        answers(SuggestedAction("refund", nested(30))),
    ],
    ids=[
        "raises",
        "never answers",
        "words",
        "no tool",
        "endless name",
        "no object",
        "no JSON",
        "not a number",
        "too large",
        "too deep",
    ],
)
async def test_what_is_no_suggestion_counts_as_none(answer: Callable[[], Awaitable[Any]]) -> None:
    class Odd:
        async def suggest(
            self, proposal: Proposal, context: SuggestionContext
        ) -> SuggestedAction | None:
            made: SuggestedAction | None = await answer()
            return made

    context = SuggestionContext("default", ConversationId(1), "acme", CustomerTurn(None, ["Hello"]))

    found = await suggestions.suggested(
        Odd(), proposal(), context, within=timedelta(milliseconds=50)
    )

    assert found is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "Please refund order A-17, I paid $82.00.",
            SuggestedAction("refund", {"order": "A-17", "amount": "82.00"}),
        ),
        ("Please refund my order.", None),
        ("Order A-17 for $82.00 has arrived, thank you!", None),
    ],
)
async def test_the_suggester_of_the_guide_suggests_what_the_guide_says(
    said: str, expected: SuggestedAction | None
) -> None:
    guide = (ROOT / "docs" / "actions.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```py\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/actions.md", "exec"), names)
    context = SuggestionContext("default", ConversationId(1), "acme", CustomerTurn(None, [said]))

    assert await names["Suggestions"]().suggest(proposal(), context) == expected
