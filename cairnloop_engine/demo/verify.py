"""Compares what is in the database with what the scenario says, and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import WAITING, Role
from cairnloop_engine.conversations.reads import InboxRow, MessageView
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import safe, storable
from cairnloop_engine.demo.articles import shown_title
from cairnloop_engine.demo.context import DemoContextProvider
from cairnloop_engine.demo.files import HOSTILE, cast
from cairnloop_engine.demo.scenario import (
    ActionEnd,
    ActionSeed,
    ArticleSeed,
    ConversationSeed,
    Part,
    RevisionSeed,
    Step,
    StepKind,
)
from cairnloop_engine.demo.seeding import operator_of, was_loaded
from cairnloop_engine.engine import Engine
from cairnloop_engine.governance.model import Origin, ProposalStatus
from cairnloop_engine.governance.views import ActionRow
from cairnloop_engine.knowledge.model import RevisionState
from cairnloop_engine.settings import Settings

# As the list of conversations shows it.
SUBJECT_SHOWN = 200

_ROLES = {
    StepKind.CUSTOMER: Role.USER,
    StepKind.AGENT: Role.AGENT,
    StepKind.APPROVE: Role.AGENT,
    StepKind.NOTE: Role.INTERNAL_NOTE,
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the scenario promises, and whether it is so."""

    name: str
    ok: bool
    detail: str


async def verify(settings: Settings, parts: Sequence[Part]) -> list[Check]:
    """Check every part; raises what the engine raises when the database is away."""
    checks = [await _identities()]
    async with Engine(settings) as engine:
        for part in parts:
            checks += await check_part(engine, part)
    return checks


async def check_part(engine: Engine, part: Part) -> list[Check]:
    """Every check of one part."""
    caller = operator_of(part, engine.settings)
    loaded = await was_loaded(engine, caller, part)
    checks = [Check(f"{part.name}: loaded to its end", loaded, _said(loaded))]
    checks += [await _article(engine, caller, seed) for seed in part.articles]
    if part.name != HOSTILE:
        checks += [
            await _not_found_again(engine, caller, seed, old)
            for seed in part.articles
            for old in _replaced(seed)
        ]
    checks += [await _conversation(engine, caller, seed) for seed in part.conversations]
    checks += [await _actions(engine, caller, seed) for seed in part.conversations if seed.actions]
    return checks


async def _identities() -> Check:
    provider = DemoContextProvider()
    known = [person for person in cast().customers.values() if person.context]
    told = [len(await provider.context(person.ref, actor=None)) for person in known]
    nobody = await provider.context("nobody-in-particular", actor=None)
    ok = told == [3] * 5 and not nobody
    return Check("context of five identities", ok, f"{len(told)} known, sections {told}")


async def _article(engine: Engine, caller: Caller, seed: ArticleSeed) -> Check:
    name = f"article “{shown_title(seed.title)}”"
    article_id = await _article_id(engine, caller, seed.title)
    if article_id is None:
        return Check(name, False, "missing")
    article = await engine.knowledge.article(caller, article_id)
    states = [revision.state.value for revision in reversed(article.revisions)]
    wanted = _wanted_states(seed)
    indexed = article.indexed is not False
    detail = f"revisions {', '.join(states)}" + ("" if indexed else "; not indexed yet")
    return Check(name, states == wanted and indexed, detail)


async def _article_id(engine: Engine, caller: Caller, title: str) -> ArticleId | None:
    cursor: str | None = None
    while True:
        page = await engine.knowledge.articles(caller, cursor=cursor, limit=100)
        for row in page.items:
            if row.title == shown_title(title):
                return row.id
        cursor = page.next
        if cursor is None:
            return None


def _wanted_states(seed: ArticleSeed) -> list[str]:
    published = [number for number, r in enumerate(seed.revisions) if r.published]
    current = max(published, default=-1)
    return [
        RevisionState.DRAFT.value
        if not revision.published
        else (RevisionState.PUBLISHED if number == current else RevisionState.ARCHIVED).value
        for number, revision in enumerate(seed.revisions)
    ]


def _replaced(seed: ArticleSeed) -> list[RevisionSeed]:
    published = [revision for revision in seed.revisions if revision.published]
    return published[:-1]


async def _not_found_again(
    engine: Engine, caller: Caller, seed: ArticleSeed, old: RevisionSeed
) -> Check:
    """Text that only a replaced revision holds must not come back from a search."""
    current = next(r for r in reversed(seed.revisions) if r.published)
    kept = " ".join(current.content.split())
    gone = [line for line in _sentences(old.content) if line not in kept]
    name = f"replaced revision of “{seed.title}” is not found"
    for line in gone:
        result = await engine.retrieval.search(caller, line)
        if any(line in " ".join(hit.content.split()) for hit in result.items):
            return Check(name, False, f"found: {line[:60]}")
    return Check(name, bool(gone), f"searched for {len(gone)} of its sentences")


def _sentences(content: str) -> list[str]:
    """The plain sentences of a revision; what carries markup reads otherwise in the index."""
    joined = " ".join(line for line in content.splitlines() if line and line[0].isalpha())
    return [f"{part}." for part in joined.rstrip(".").split(". ") if "*" not in part]


async def _conversation(engine: Engine, caller: Caller, seed: ConversationSeed) -> Check:
    name = f"conversation {seed.key}"
    row = await find(engine, caller, seed)
    if row is None:
        return Check(name, False, "missing")
    thread = await engine.conversations.thread(caller, row.id)
    wrong = _differences(seed, row, thread.messages)
    detail = "; ".join(wrong) or f"{row.state.value}, {row.message_count} messages"
    return Check(name, not wrong, detail)


def _differences(
    seed: ConversationSeed, row: InboxRow, messages: Sequence[MessageView]
) -> list[str]:
    wrong = []
    if row.state is not seed.state:
        wrong.append(f"state {row.state.value} instead of {seed.state.value}")
    roles = [_role(step).value for step in seed.steps if step.writes]
    found = [message.role.value for message in messages]
    if found != roles:
        wrong.append(f"messages {', '.join(found)} instead of {', '.join(roles)}")
    times = [message.inserted_at for message in messages]
    if any(later <= earlier for earlier, later in pairwise(times)):
        wrong.append("messages share a moment")
    if seed.has_pending_draft and row.draft_id is None:
        wrong.append("no draft waits")
    # Whoever still waits may have been given one meanwhile.
    if row.draft_id is not None and seed.state not in WAITING:
        wrong.append("a draft waits")
    return wrong


def _role(step: Step) -> Role:
    """Only a note is ever written by an action."""
    return _ROLES.get(step.kind, Role.INTERNAL_NOTE)


async def _actions(engine: Engine, caller: Caller, seed: ConversationSeed) -> Check:
    name = f"actions of conversation {seed.key}"
    conversation = await find(engine, caller, seed)
    if conversation is None:
        return Check(name, False, "missing")
    page = await engine.governance.actions(caller, conversation_id=conversation.id, limit=100)
    left = [row for row in reversed(page.items) if row.origin is Origin.OPERATOR]
    wrong = []
    for action in seed.actions:
        found = next((row for row in left if _is(action, row)), None)
        if found is None:
            wrong.append(f"no {action.tool} that is {action.ends.value}")
        else:
            left.remove(found)
    return Check(name, not wrong, "; ".join(wrong) or f"{len(seed.actions)} as told")


def _is(action: ActionSeed, row: ActionRow) -> bool:
    """Whether a row is what became of an action of the story."""
    if row.tool != action.tool:
        return False
    match action.ends:
        case ActionEnd.BLOCKED:
            return row.status is not ProposalStatus.PROPOSED
        case ActionEnd.PENDING:
            # Whoever waited may have been decided about meanwhile.
            return row.approval_status is not None
        case ActionEnd.REJECTED | ActionEnd.DEFERRED if not row.reason:
            return False
    return row.approval_status is action.ends.status


async def find(engine: Engine, caller: Caller, seed: ConversationSeed) -> InboxRow | None:
    """The conversation of a seed, by customer and subject."""
    subject = _shown_subject(seed)
    async for row in _of_customer(engine, caller, seed.person.ref):
        if row.subject == subject:
            return row
    return None


def _shown_subject(seed: ConversationSeed) -> str | None:
    if seed.subject is None:
        return None
    return safe(storable(seed.subject.strip()), limit=SUBJECT_SHOWN)


async def _of_customer(engine: Engine, caller: Caller, ref: str) -> AsyncIterator[InboxRow]:
    cursor: str | None = None
    while True:
        page = await engine.conversations.inbox(
            caller, filter=InboxFilter(customer_ref=ref), cursor=cursor, limit=100
        )
        for row in page.items:
            yield row
        cursor = page.next
        if cursor is None:
            return


def _said(loaded: bool) -> str:
    return "yes" if loaded else "no: run `cairnloop seed`"
