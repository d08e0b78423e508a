"""States and decisions of conversations and messages. No IO in this module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cairnloop_engine.core.ids import ConversationId, DraftDecisionId, DraftId, MessageId


class Status(StrEnum):
    """What is stored: the lifecycle."""

    OPEN = "open"
    RESOLVED = "resolved"
    ARCHIVED = "archived"


class State(StrEnum):
    """What is derived for triage (spec 06 §3): the lifecycle plus whose turn it is."""

    NEW = "new"
    OPEN = "open"
    AWAITING_CUSTOMER = "awaiting_customer"
    RESOLVED = "resolved"
    ARCHIVED = "archived"


# The states in which a customer waits for us.
WAITING = frozenset({State.NEW, State.OPEN})


class Role(StrEnum):
    """Who speaks in a message."""

    USER = "user"
    AGENT = "agent"
    SYSTEM = "system"
    INTERNAL_NOTE = "internal_note"
    SYSTEM_OUTBOUND = "system_outbound"


# Roles whose messages a customer can see once released.
PUBLIC = frozenset({Role.USER, Role.AGENT, Role.SYSTEM, Role.SYSTEM_OUTBOUND})


class Delivery(StrEnum):
    """How far a message has come on its way to the customer."""

    RECEIVED = "received"
    HELD = "held"
    SENT = "sent"
    RETRACTED = "retracted"
    INTERNAL = "internal"


class Sort(StrEnum):
    """The orders of the inbox."""

    WAITING = "waiting"
    RECENT = "recent"


class Activity(StrEnum):
    """What an operator does in a conversation right now."""

    VIEWING = "viewing"
    REPLYING = "replying"


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that a reply rests on, as shown to the operator when the reply was made."""

    title: str
    source_type: str
    article_id: int | None = None
    chunk_id: int | None = None


@dataclass(frozen=True, slots=True)
class DraftLink:
    """Ties a reply to the draft it came from and to the decision that let it out (P8)."""

    draft_id: DraftId
    decision_id: DraftDecisionId


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a customer's message."""

    conversation_id: ConversationId
    message_id: MessageId
    customer_position: int
    duplicate: bool
    reopened: bool = False
    conversation_created: bool = False


@dataclass(frozen=True, slots=True)
class Replied:
    """What became of a reply: held until ``visible_at``, or already with the customer."""

    conversation_id: ConversationId
    message_id: MessageId
    delivery: Delivery
    visible_at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a lifecycle request; ``changed`` is False when it already was so."""

    conversation_id: ConversationId
    status: Status
    changed: bool


class Arrival(StrEnum):
    """Where a customer's message goes, given the conversation that it names."""

    JOIN = "join"
    REOPEN = "reopen"
    START = "start"


def arrival(
    status: Status, *, resolved_at: datetime | None, now: datetime, reopen_window: timedelta
) -> Arrival:
    """A closed thread reopens within the window; later, or archived, a linked one begins."""
    match status:
        case Status.OPEN:
            return Arrival.JOIN
        case Status.RESOLVED if resolved_at is not None and now - resolved_at <= reopen_window:
            return Arrival.REOPEN
        case _:
            return Arrival.START
