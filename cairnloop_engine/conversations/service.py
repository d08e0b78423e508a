"""Customers' messages and the lifecycle of a conversation. Every function takes a Work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from cairnloop_engine.audit import service as audit
from cairnloop_engine.conversations import queries
from cairnloop_engine.conversations.events import (
    ConversationArchived,
    ConversationReopened,
    ConversationResolved,
    CustomerMessageReceived,
)
from cairnloop_engine.conversations.model import (
    Activity,
    Arrival,
    Delivery,
    Ingested,
    Moved,
    Role,
    Status,
    arrival,
)
from cairnloop_engine.conversations.release import checked_content, excerpt, locked
from cairnloop_engine.conversations.tables import ConversationRow, MessageRow, ResolutionRow
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Blocked, Conflict, Invalid, NotFound
from cairnloop_engine.core.ids import ConversationId, MessageId
from cairnloop_engine.core.text import is_blank, storable

SUBJECT_LENGTH = 300
REFERENCE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class CustomerMessage:
    """What a customer sent, by whatever channel.

    ``client_id`` is the sender's own name for the message: sending it again is answered with
    the first result. ``start_new`` asks for a conversation of its own.
    """

    customer_ref: str
    text: str
    conversation_id: ConversationId | None = None
    subject: str | None = None
    client_id: str | None = None
    start_new: bool = False


async def ingest(
    work: Work, message: CustomerMessage, *, max_length: int, reopen_window: timedelta
) -> Ingested:
    """Record a customer's message, in the conversation where it belongs.

    Raises:
        Invalid: ``message_blank``, ``message_too_long``, ``customer_ref_invalid``,
            ``client_id_invalid`` or ``subject_too_long``.
        NotFound: ``conversation_not_found``, also for another customer's.
        Conflict: ``client_id_reused`` when the same client id comes with other text.
    """
    _check_envelope(message)
    body = checked_content(message.text, max_length=max_length)
    await queries.lock_customer(work, message.customer_ref)
    repeated = await _repeated(work, message, body)
    if repeated is not None:
        return repeated

    conversation, how = await _place(work, message, reopen_window=reopen_window)
    if how is Arrival.REOPEN:
        await _reopen(work, conversation)
        # What was resolved unanswered was settled; the wait begins with the new message.
        conversation.waiting_since = None
    row = await _append(work, conversation, message, body)
    await audit.record(
        work,
        "conversations.message_received",
        subject=("message", row.id),
        conversation_id=conversation.id,
        created=how is Arrival.START,
        reopened=how is Arrival.REOPEN,
    )
    work.changed("conversation", conversation.id)
    await work.emit(
        CustomerMessageReceived(
            ConversationId(conversation.id), MessageId(row.id), conversation.revision
        )
    )
    return Ingested(
        conversation_id=ConversationId(conversation.id),
        message_id=MessageId(row.id),
        customer_position=row.customer_position or 0,
        duplicate=False,
        reopened=how is Arrival.REOPEN,
        conversation_created=how is Arrival.START,
    )


async def resolve(work: Work, conversation_id: ConversationId, *, force: bool = False) -> Moved:
    """Close a conversation in the name of the acting operator; closing again changes nothing.

    Raises:
        NotFound: ``conversation_not_found``.
        Conflict: ``conversation_archived``.
        Blocked: ``reply_on_its_way`` or ``pending_draft`` unless forced.
    """
    conversation = await locked(work, conversation_id)
    if conversation.status is Status.RESOLVED:
        return Moved(conversation_id, Status.RESOLVED, changed=False)
    if conversation.status is Status.ARCHIVED:
        raise Conflict(
            "conversation_archived",
            "This conversation is archived; reopen it first.",
            conversation_id=conversation_id,
        )
    if not force:
        _check_nothing_waits(conversation)
    conversation.status = Status.RESOLVED
    conversation.resolved_at = work.now
    conversation.resolved_by = work.actor.id
    conversation.waiting_since = None
    _moved(work, conversation)
    work.session.add(
        ResolutionRow(
            workspace=work.workspace,
            conversation_id=conversation.id,
            resolved_at=work.now,
            resolved_by=work.actor.id,
        )
    )
    await work.session.flush()
    await _tell(work, conversation, "conversations.resolved", forced=force)
    await work.emit(ConversationResolved(conversation_id))
    return Moved(conversation_id, Status.RESOLVED, changed=True)


async def reopen(work: Work, conversation_id: ConversationId) -> Moved:
    """Open a resolved or archived conversation again; an open one stays as it is.

    Raises:
        NotFound: ``conversation_not_found``.
    """
    conversation = await locked(work, conversation_id)
    if conversation.status is Status.OPEN:
        return Moved(conversation_id, Status.OPEN, changed=False)
    await _reopen(work, conversation)
    return Moved(conversation_id, Status.OPEN, changed=True)


async def archive(work: Work, conversation_id: ConversationId) -> Moved:
    """Put a conversation away; it stays readable and can be reopened.

    Raises:
        NotFound: ``conversation_not_found``.
        Blocked: ``reply_on_its_way``.
    """
    conversation = await locked(work, conversation_id)
    if conversation.status is Status.ARCHIVED:
        return Moved(conversation_id, Status.ARCHIVED, changed=False)
    if conversation.held_count:
        raise _reply_on_its_way(conversation)
    conversation.status = Status.ARCHIVED
    conversation.waiting_since = None
    _moved(work, conversation)
    await work.session.flush()
    await _tell(work, conversation, "conversations.archived")
    await work.emit(ConversationArchived(conversation_id))
    return Moved(conversation_id, Status.ARCHIVED, changed=True)


async def assign(work: Work, conversation_id: ConversationId, operator: str | None) -> Moved:
    """Give a conversation to an operator, or to nobody with None.

    Raises:
        NotFound: ``conversation_not_found``.
        Invalid: ``operator_invalid``.
    """
    if operator is not None and (is_blank(operator) or len(operator) > REFERENCE_LENGTH):
        raise Invalid("operator_invalid", "Name an operator of 1 to 200 visible characters.")
    conversation = await locked(work, conversation_id)
    wanted = None if operator is None else storable(operator.strip())
    if conversation.assignee == wanted:
        return Moved(conversation_id, conversation.status, changed=False)
    conversation.assignee = wanted
    conversation.updated_at = work.now
    await work.session.flush()
    await _tell(work, conversation, "conversations.assigned", {"to": wanted})
    return Moved(conversation_id, conversation.status, changed=True)


async def attend(work: Work, conversation_id: ConversationId, activity: Activity | None) -> None:
    """Note that the acting operator views, writes in, or (None) left a conversation."""
    if await queries.conversation(work, conversation_id) is None:
        return
    if activity is None:
        await queries.forget_operator(work, conversation_id, operator=work.actor.id)
        work.changed("presence", conversation_id)
        return
    news = await queries.see_operator(
        work, conversation_id, operator=work.actor.id, activity=activity
    )
    if news:
        work.changed("presence", conversation_id)


def _check_envelope(message: CustomerMessage) -> None:
    if is_blank(message.customer_ref) or len(message.customer_ref) > REFERENCE_LENGTH:
        raise Invalid(
            "customer_ref_invalid", "A customer reference has 1 to 200 visible characters."
        )
    if message.customer_ref != storable(message.customer_ref):
        raise Invalid(
            "customer_ref_invalid", "A customer reference must not hold NUL or broken characters."
        )
    client_id = message.client_id
    if client_id is not None and (is_blank(client_id) or len(client_id) > REFERENCE_LENGTH):
        raise Invalid("client_id_invalid", "A client id has 1 to 200 visible characters.")
    if client_id is not None and client_id != storable(client_id):
        raise Invalid("client_id_invalid", "A client id must not hold NUL or broken characters.")
    if message.subject is not None and len(message.subject) > SUBJECT_LENGTH:
        raise Invalid(
            "subject_too_long",
            f"A subject has at most {SUBJECT_LENGTH} characters.",
            limit=SUBJECT_LENGTH,
        )


async def _repeated(work: Work, message: CustomerMessage, body: str) -> Ingested | None:
    if message.client_id is None:
        return None
    row = await queries.message_by_client_id(work, message.customer_ref, message.client_id)
    if row is None:
        return None
    if row.content != body:
        raise Conflict(
            "client_id_reused",
            "This client id already belongs to another message; use a new one.",
            message_id=row.id,
        )
    return Ingested(
        conversation_id=ConversationId(row.conversation_id),
        message_id=MessageId(row.id),
        customer_position=row.customer_position or 0,
        duplicate=True,
    )


async def _place(
    work: Work, message: CustomerMessage, *, reopen_window: timedelta
) -> tuple[ConversationRow, Arrival]:
    """The conversation that the message goes to, locked or new."""
    earlier: ConversationRow | None = None
    if message.conversation_id is not None:
        earlier = await locked(work, message.conversation_id)
        if earlier.customer_ref != message.customer_ref:
            raise NotFound(
                "conversation_not_found",
                f"There is no conversation {message.conversation_id} in this workspace.",
                conversation_id=message.conversation_id,
            )
    elif not message.start_new:
        newest = await queries.newest_of_customer(work, message.customer_ref)
        earlier = None if newest is None else await locked(work, ConversationId(newest.id))
    if earlier is None:
        return _started(work, message, previous=None), Arrival.START
    how = arrival(
        earlier.status,
        resolved_at=earlier.resolved_at,
        now=work.now,
        reopen_window=reopen_window,
    )
    if how is Arrival.START:
        return _started(work, message, previous=earlier), how
    return earlier, how


def _started(
    work: Work, message: CustomerMessage, *, previous: ConversationRow | None
) -> ConversationRow:
    subject = message.subject
    if subject is None and previous is not None:
        subject = previous.subject
    row = ConversationRow(
        workspace=work.workspace,
        status=Status.OPEN,
        subject=None if subject is None or is_blank(subject) else storable(subject.strip()),
        customer_ref=message.customer_ref,
        revision=0,
        message_count=0,
        held_count=0,
        last_sequence=0,
        last_customer_position=0,
        last_customer_sequence=0,
        has_agent_reply=False,
        last_excerpt="",
        last_message_at=work.now,
        previous_id=None if previous is None else previous.id,
        inserted_at=work.now,
        updated_at=work.now,
    )
    work.session.add(row)
    return row


async def _append(
    work: Work, conversation: ConversationRow, message: CustomerMessage, body: str
) -> MessageRow:
    conversation.last_sequence += 1
    conversation.last_customer_position += 1
    conversation.message_count += 1
    conversation.revision += 1
    conversation.last_customer_sequence = conversation.last_sequence
    conversation.last_public_role = Role.USER
    conversation.last_excerpt = excerpt(body)
    conversation.last_message_at = work.now
    conversation.waiting_since = conversation.waiting_since or work.now
    conversation.updated_at = work.now
    await work.session.flush()
    row = MessageRow(
        workspace=work.workspace,
        conversation_id=conversation.id,
        sequence=conversation.last_sequence,
        customer_position=conversation.last_customer_position,
        role=Role.USER,
        delivery=Delivery.RECEIVED,
        content=body,
        author_kind="customer",
        author_id=message.customer_ref,
        customer_ref=message.customer_ref,
        client_message_id=message.client_id,
        citations=[],
        facts={},
        inserted_at=work.now,
    )
    work.session.add(row)
    await work.session.flush()
    return row


def _check_nothing_waits(conversation: ConversationRow) -> None:
    if conversation.held_count:
        raise _reply_on_its_way(conversation)
    if conversation.draft_id is not None:
        raise Blocked(
            "pending_draft",
            "A draft still waits for a decision. Decide it, or resolve with --force to discard it.",
            conversation_id=conversation.id,
            draft_id=conversation.draft_id,
        )


def _reply_on_its_way(conversation: ConversationRow) -> Blocked:
    return Blocked(
        "reply_on_its_way",
        "A reply is still on its way to the customer. Wait until it is sent, or retract it.",
        conversation_id=conversation.id,
    )


async def _reopen(work: Work, conversation: ConversationRow) -> None:
    conversation.status = Status.OPEN
    conversation.resolved_at = None
    conversation.resolved_by = None
    resolution = await queries.current_resolution(work, ConversationId(conversation.id))
    if resolution is not None:
        resolution.reopened_at = work.now
        resolution.reopened_by = work.actor.id
    if conversation.last_public_role is Role.USER:
        conversation.waiting_since = conversation.last_message_at
    _moved(work, conversation)
    await work.session.flush()
    await _tell(work, conversation, "conversations.reopened")
    await work.emit(ConversationReopened(ConversationId(conversation.id)))


def _moved(work: Work, conversation: ConversationRow) -> None:
    conversation.revision += 1
    conversation.updated_at = work.now


async def _tell(
    work: Work,
    conversation: ConversationRow,
    action: str,
    personal: Mapping[str, str | None] | None = None,
    **facts: bool,
) -> None:
    await audit.record(
        work,
        action,
        subject=("conversation", conversation.id),
        conversation_id=conversation.id,
        personal=personal,
        **facts,
    )
    work.changed("conversation", conversation.id)
