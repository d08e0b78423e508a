"""Conversations as front ends see them: frozen views, safe to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cairnloop_engine.conversations import queries
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import (
    Activity,
    Citation,
    Delivery,
    Role,
    Sort,
    State,
    Status,
)
from cairnloop_engine.conversations.ports import Sections
from cairnloop_engine.conversations.queries import InboxPosition
from cairnloop_engine.conversations.tables import ConversationRow, MessageRow
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.errors import Invalid, JsonObject, NotFound
from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId
from cairnloop_engine.core.paging import (
    LARGEST_ID,
    Page,
    checked_limit,
    decode_cursor,
    decode_number,
    encode_cursor,
)
from cairnloop_engine.core.text import has_hidden, humanise, safe

# A presence older than this is somebody who closed the laptop.
PRESENCE_LASTS = timedelta(seconds=45)
MOST_PLAUSIBLE_VALUES = 40


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One conversation in a list. Texts are sanitised; ``waiting_since`` None means our move
    is done."""

    id: ConversationId
    status: Status
    state: State
    subject: str | None
    customer_ref: str | None
    assignee: str | None
    revision: int
    waiting_since: datetime | None
    last_message_at: datetime
    last_excerpt: str
    last_role: Role | None
    message_count: int
    draft_id: DraftId | None
    draft_type: str | None
    held: bool
    resolved_at: datetime | None
    resolved_by: str | None
    previous_id: ConversationId | None
    inserted_at: datetime
    actions_waiting: int = 0

    @property
    def needs(self) -> tuple[str, ...]:
        """What the conversation asks of an operator, most pressing first."""
        asked = {
            "action": self.actions_waiting > 0,
            "draft": self.draft_id is not None,
            "reply": self.waiting_since is not None and self.draft_id is None,
            "held": self.held,
        }
        return tuple(need for need, wanted in asked.items() if wanted)

    def waiting_seconds(self, now: datetime) -> int | None:
        """How long the customer has waited for us, in whole seconds; None when not waiting."""
        if self.waiting_since is None:
            return None
        return max(0, int((now - self.waiting_since).total_seconds()))


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message. ``content`` is as it was written: pass it through ``core.text.safe`` to draw."""

    id: MessageId
    conversation_id: ConversationId
    sequence: int
    customer_position: int | None
    role: Role
    delivery: Delivery
    content: str
    author_kind: str
    author_id: str
    draft_id: DraftId | None
    citations: tuple[Citation, ...]
    hidden_characters: bool
    visible_at: datetime | None
    released_at: datetime | None
    inserted_at: datetime


@dataclass(frozen=True, slots=True)
class PresenceView:
    """An operator who is in a conversation right now."""

    operator: str
    activity: Activity
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation with its latest messages, oldest first; ``older`` leads further back."""

    conversation: InboxRow
    messages: tuple[MessageView, ...]
    presence: tuple[PresenceView, ...]
    older: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is where, for the home screen."""

    new: int
    open: int
    awaiting_customer: int
    resolved: int
    archived: int
    drafts: int
    held: int
    actions: int = 0

    @property
    def waiting(self) -> int:
        """Conversations in which the customer waits for us."""
        return self.new + self.open


@dataclass(frozen=True, slots=True)
class CustomerThread:
    """What a returning customer finds: their conversation and how far it goes."""

    conversation_id: ConversationId
    status: Status
    last_position: int


@dataclass(frozen=True, slots=True)
class ContextView:
    """What the host knows of the customer: ``ready``, ``empty`` or ``unavailable``."""

    state: str
    sections: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()


async def inbox(
    read: Read, wanted: InboxFilter, *, sort: Sort, cursor: str | None, limit: int
) -> Page[InboxRow]:
    """A page of the inbox."""
    after = _position(cursor, sort) if cursor else None
    rows = await queries.inbox(read, wanted, sort=sort, after=after, limit=checked_limit(limit) + 1)
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        last = shown[-1]
        key = last.queue_at if sort is Sort.WAITING else last.last_message_at
        following = encode_cursor([sort.value, key.isoformat(), last.id])
    return Page(tuple(inbox_row(row) for row in shown), following)


async def counts(read: Read) -> Counts:
    """Counted by the database, never by loading rows."""
    by_state = await queries.counts_by_state(read)
    drafts, held, actions = await queries.waiting_counts(read)
    return Counts(
        new=by_state.get(State.NEW, 0),
        open=by_state.get(State.OPEN, 0),
        awaiting_customer=by_state.get(State.AWAITING_CUSTOMER, 0),
        resolved=by_state.get(State.RESOLVED, 0),
        archived=by_state.get(State.ARCHIVED, 0),
        drafts=drafts,
        held=held,
        actions=actions,
    )


async def conversation(read: Read, conversation_id: ConversationId) -> InboxRow:
    """One conversation.

    Raises:
        NotFound: ``conversation_not_found``.
    """
    row = await queries.conversation(read, conversation_id)
    if row is None:
        raise NotFound(
            "conversation_not_found",
            f"There is no conversation {conversation_id} in this workspace.",
            conversation_id=conversation_id,
        )
    return inbox_row(row)


async def thread(
    read: Read, conversation_id: ConversationId, *, before: str | None, limit: int
) -> Thread:
    """A conversation with a page of its messages.

    Raises:
        NotFound: ``conversation_not_found``.
    """
    head = await conversation(read, conversation_id)
    first = decode_number(before) if before else None
    rows = await queries.messages(
        read, conversation_id, before=first, limit=checked_limit(limit) + 1
    )
    shown = rows[-limit:]
    older = encode_cursor([shown[0].sequence]) if len(rows) > limit else None
    others = await queries.present(read, conversation_id, since=read.now - PRESENCE_LASTS)
    return Thread(
        conversation=head,
        messages=tuple(message_view(row) for row in shown),
        presence=tuple(
            PresenceView(safe(other.operator, limit=80), other.activity, other.seen_at)
            for other in others
        ),
        older=older,
    )


async def customer_thread(read: Read, customer_ref: str) -> CustomerThread | None:
    """The conversation that a returning customer continues; None when there is none to show."""
    row = await queries.newest_of_customer(read, customer_ref)
    if row is None or row.status is Status.ARCHIVED:
        return None
    return CustomerThread(ConversationId(row.id), row.status, row.last_customer_position)


async def visible_messages(
    read: Read,
    conversation_id: ConversationId,
    *,
    customer_ref: str,
    after: int,
    limit: int,
) -> tuple[CustomerThread, tuple[MessageView, ...]]:
    """What this customer may see of this conversation past a position.

    Raises:
        NotFound: ``conversation_not_found``, also for another customer's.
    """
    row = await queries.conversation(read, conversation_id)
    if row is None or row.customer_ref != customer_ref:
        raise NotFound("conversation_not_found", "There is no such conversation.")
    found = await queries.visible_messages(
        read, conversation_id, after=after, limit=checked_limit(limit)
    )
    head = CustomerThread(ConversationId(row.id), row.status, row.last_customer_position)
    return head, tuple(message_view(message) for message in found)


def inbox_row(row: ConversationRow) -> InboxRow:
    return InboxRow(
        id=ConversationId(row.id),
        status=row.status,
        state=row.state,
        subject=None if row.subject is None else safe(row.subject, limit=200),
        customer_ref=None if row.customer_ref is None else safe(row.customer_ref, limit=120),
        assignee=None if row.assignee is None else safe(row.assignee, limit=80),
        revision=row.revision,
        waiting_since=row.waiting_since,
        last_message_at=row.last_message_at,
        last_excerpt=safe(row.last_excerpt),
        last_role=row.last_public_role,
        message_count=row.message_count,
        draft_id=None if row.draft_id is None else DraftId(row.draft_id),
        draft_type=row.draft_type,
        held=row.held_count > 0,
        resolved_at=row.resolved_at,
        resolved_by=None if row.resolved_by is None else safe(row.resolved_by, limit=80),
        previous_id=None if row.previous_id is None else ConversationId(row.previous_id),
        inserted_at=row.inserted_at,
        actions_waiting=row.actions_waiting,
    )


def message_view(row: MessageRow) -> MessageView:
    return MessageView(
        id=MessageId(row.id),
        conversation_id=ConversationId(row.conversation_id),
        sequence=row.sequence,
        customer_position=row.customer_position,
        role=row.role,
        delivery=row.delivery,
        content=row.content,
        author_kind=row.author_kind,
        author_id=safe(row.author_id, limit=120),
        draft_id=None if row.draft_id is None else DraftId(row.draft_id),
        citations=tuple(_citation(stored) for stored in row.citations),
        hidden_characters=has_hidden(row.content),
        visible_at=row.visible_at,
        released_at=row.released_at,
        inserted_at=row.inserted_at,
    )


def context_view(sections: Sections) -> ContextView:
    """What a provider answered, as label and value rows; shapes beyond that are masked."""
    if not sections:
        return ContextView("empty")
    shown = [
        (humanise(safe(str(title), limit=80)), _fact_rows(facts))
        for title, facts in sorted(sections.items())
    ]
    return ContextView("ready", tuple(shown))


def _fact_rows(facts: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(facts, Mapping):
        return (("", _fact(facts)),)
    return tuple(
        (humanise(safe(str(label), limit=80)), _fact(value))
        for label, value in sorted(facts.items())[:MOST_PLAUSIBLE_VALUES]
    )


def _fact(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return safe(str(value), limit=400)
        case Sequence() if all(isinstance(one, str | int | float | bool) for one in value):
            return safe(", ".join(str(one) for one in value), limit=400)
        case _:
            return "Unsupported value"


def _citation(stored: JsonObject) -> Citation:
    article_id, chunk_id = stored.get("article_id"), stored.get("chunk_id")
    return Citation(
        title=safe(str(stored.get("title", "")), limit=200),
        source_type=safe(str(stored.get("source_type", "")), limit=40),
        article_id=article_id if isinstance(article_id, int) else None,
        chunk_id=chunk_id if isinstance(chunk_id, int) else None,
    )


def _position(cursor: str, sort: Sort) -> InboxPosition:
    order, key, row_id = decode_cursor(cursor, length=3)
    refused = Invalid("cursor_invalid", "This page cursor belongs to another list; start again.")
    if order != sort.value or not isinstance(key, str) or not isinstance(row_id, int):
        raise refused
    if not 0 <= row_id <= LARGEST_ID:
        raise refused
    try:
        return InboxPosition(datetime.fromisoformat(key), row_id)
    except ValueError as error:
        raise refused from error
