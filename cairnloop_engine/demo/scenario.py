"""The demo scenario as values: people, articles, and conversations told step by step. No IO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cairnloop_engine.conversations.model import State
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.governance.model import ApprovalStatus

Sections = Mapping[str, Mapping[str, JsonValue]]


class StepKind(StrEnum):
    """What happens in one step of a conversation."""

    CUSTOMER = "customer"
    AGENT = "agent"
    NOTE = "note"
    DRAFT = "draft"
    APPROVE = "approve"
    DISCARD = "discard"
    ACTION = "action"
    ASSIGN = "assign"
    RESOLVE = "resolve"
    ARCHIVE = "archive"


# Which steps leave a message, and which of those a customer sees.
WRITES = frozenset({StepKind.CUSTOMER, StepKind.AGENT, StepKind.NOTE, StepKind.APPROVE})
ANSWERS = frozenset({StepKind.AGENT, StepKind.APPROVE})
CLOSES = frozenset({StepKind.RESOLVE, StepKind.ARCHIVE})
NOTE_TOOL = "internal_note"


@dataclass(frozen=True, slots=True)
class Person:
    """A customer, and the sections that the product knows about them."""

    key: str
    ref: str
    name: str
    context: Sections = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RevisionSeed:
    """One version of an article; ``ago`` is when it was saved, before the moment of seeding."""

    content: str
    published: bool
    ago: timedelta


@dataclass(frozen=True, slots=True)
class ArticleSeed:
    key: str
    title: str
    revisions: tuple[RevisionSeed, ...]


class ActionEnd(StrEnum):
    """How far an action comes in the story; nothing may stand in its way but what is told."""

    PENDING = "pending"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    BLOCKED = "blocked"
    EXECUTED = "executed"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def status(self) -> ApprovalStatus | None:
        """Where its approval stands then; a blocked attempt has none."""
        return _STATUSES.get(self)

    @property
    def runs(self) -> bool:
        return self in {ActionEnd.EXECUTED, ActionEnd.FAILED, ActionEnd.UNKNOWN}


_STATUSES = {
    ActionEnd.PENDING: ApprovalStatus.PENDING,
    ActionEnd.REJECTED: ApprovalStatus.REJECTED,
    ActionEnd.DEFERRED: ApprovalStatus.DEFERRED,
    ActionEnd.EXECUTED: ApprovalStatus.EXECUTED,
    ActionEnd.FAILED: ApprovalStatus.EXECUTION_FAILED,
    ActionEnd.UNKNOWN: ApprovalStatus.EXECUTION_UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class ActionSeed:
    """A governed action: the operator proposes it, a colleague decides.

    A note goes into the conversation that the step belongs to. ``reason`` is what the colleague
    writes.
    """

    tool: str
    input: Mapping[str, JsonValue]
    ends: ActionEnd
    reason: str = ""

    def given(self, conversation_id: int) -> JsonObject:
        """The input; tools that are about a conversation are told which."""
        told: JsonObject = dict(self.input)
        if "conversation_id" in told:
            told["conversation_id"] = conversation_id
        return told

    @property
    def writes(self) -> bool:
        """Whether it leaves a message in the conversation."""
        return self.tool == NOTE_TOOL and self.ends is ActionEnd.EXECUTED


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, ``after`` the step before it.

    ``text`` holds what is written, the edit of an approval (empty: as drafted), the reason of a
    discard or the operator of an assignment.
    """

    kind: StepKind
    text: str
    after: timedelta
    cites: tuple[str, ...] = ()
    action: ActionSeed | None = None

    @property
    def writes(self) -> bool:
        """Whether it leaves a message in the conversation."""
        return self.kind in WRITES or (self.action is not None and self.action.writes)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a conversation has come, as its row tells: what a resumed load starts from."""

    revision: int
    messages: int


@dataclass(frozen=True, slots=True)
class ConversationSeed:
    """A conversation whose last step lies ``ends`` before the moment of seeding."""

    key: str
    subject: str | None
    person: Person
    ends: timedelta
    steps: tuple[Step, ...]

    def moments(self, now: datetime) -> tuple[datetime, ...]:
        """When each step happens."""
        at = now - self.ends - sum((step.after for step in self.steps[1:]), timedelta(0))
        found = [at]
        for step in self.steps[1:]:
            at += step.after
            found.append(at)
        return tuple(found)

    def marks(self) -> tuple[Mark, ...]:
        """The conversation's mark before the first step, and after each."""
        mark = Mark(0, 0)
        found = [mark]
        for step in self.steps:
            moved = step.kind in CLOSES or (step.kind in WRITES and step.kind is not StepKind.NOTE)
            mark = Mark(mark.revision + moved, mark.messages + step.writes)
            found.append(mark)
        return tuple(found)

    def next_step(self, mark: Mark) -> int | None:
        """Where to go on from a mark; None when somebody took the conversation elsewhere."""
        marks = self.marks()
        return marks.index(mark) if mark in marks else None

    @property
    def message_count(self) -> int:
        return sum(step.writes for step in self.steps)

    @property
    def actions(self) -> tuple[ActionSeed, ...]:
        """What is proposed in it by people, oldest first."""
        return tuple(step.action for step in self.steps if step.action is not None)

    @property
    def has_pending_draft(self) -> bool:
        """Whether a draft waits when the story ends."""
        waits = False
        for step in self.steps:
            waits = (waits or step.kind is StepKind.DRAFT) and step.kind not in (
                ANSWERS | CLOSES | {StepKind.DISCARD}
            )
        return waits

    @property
    def state(self) -> State:
        """The triage state at the end, by the rules of the engine (spec 06 §3)."""
        kinds = [step.kind for step in self.steps]
        if StepKind.ARCHIVE in kinds:
            return State.ARCHIVED
        if StepKind.RESOLVE in kinds:
            return State.RESOLVED
        if not ANSWERS.intersection(kinds):
            return State.NEW
        public = [kind for kind in kinds if kind in ANSWERS or kind is StepKind.CUSTOMER]
        return State.OPEN if public[-1] is StepKind.CUSTOMER else State.AWAITING_CUSTOMER


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the scenario that is loaded as a whole: its name, articles and conversations."""

    name: str
    articles: tuple[ArticleSeed, ...]
    conversations: tuple[ConversationSeed, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who appears: the operator, a colleague who decides about the operator's actions, the visitor
    of the chat page, and the customers by key."""

    operator: str
    colleague: str
    visitor: Person
    customers: Mapping[str, Person]


def people_of(conversations: Sequence[ConversationSeed]) -> frozenset[str]:
    """The customer references that a list of conversations uses."""
    return frozenset(conversation.person.ref for conversation in conversations)
