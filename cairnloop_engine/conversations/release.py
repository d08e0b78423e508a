"""Replies on their way to the customer: held, released or taken back.

The send window is a state on the row. A reply becomes visible in exactly one transaction,
under the lock of its conversation, whoever gets there first: the job, the sweep, or nobody
because the operator retracted it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from cairnloop_engine.audit import service as audit
from cairnloop_engine.conversations import queries
from cairnloop_engine.conversations.events import MessageReleased, MessageRetracted
from cairnloop_engine.conversations.model import (
    Citation,
    Delivery,
    DraftLink,
    Replied,
    Role,
    Status,
)
from cairnloop_engine.conversations.tables import ConversationRow, MessageRow
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Conflict, Invalid, JsonObject, NotFound
from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId
from cairnloop_engine.core.jobs import Job
from cairnloop_engine.core.text import is_blank, safe, storable

RELEASE_TASK = "conversations.release"
EXCERPT_LENGTH = 160
LONGEST_HOLD_S = 24 * 3600.0


def checked_content(content: str, *, max_length: int) -> str:
    """A message body as it can be stored.

    Raises:
        Invalid: ``message_blank`` or ``message_too_long``.
    """
    if is_blank(content):
        raise Invalid("message_blank", "The message holds nothing visible; write something first.")
    if len(content) > max_length:
        raise Invalid(
            "message_too_long",
            f"The message has {len(content)} characters; the limit is {max_length}. Shorten it.",
            length=len(content),
            limit=max_length,
        )
    return storable(content)


async def locked(work: Work, conversation_id: ConversationId) -> ConversationRow:
    """The conversation, locked.

    Raises:
        NotFound: ``conversation_not_found``, also for another workspace's.
    """
    row = await queries.lock_conversation(work, conversation_id)
    if row is None:
        raise NotFound(
            "conversation_not_found",
            f"There is no conversation {conversation_id} in this workspace.",
            conversation_id=conversation_id,
        )
    return row


async def post_reply(
    work: Work,
    conversation_id: ConversationId,
    content: str,
    *,
    hold: timedelta,
    max_length: int,
    draft: DraftLink | None = None,
    citations: Sequence[Citation] = (),
    expected_revision: int | None = None,
) -> Replied:
    """Store an agent's reply, held for ``hold``; a hold of zero releases it at once.

    Raises:
        NotFound, Invalid, Conflict: as the checks below.
    """
    body = checked_content(content, max_length=max_length)
    _check_hold(hold)
    conversation = await locked(work, conversation_id)
    _check_open(conversation, expected_revision)

    message = _written(work, conversation, body, role=Role.AGENT, delivery=Delivery.HELD)
    message.visible_at = work.now + hold
    message.citations = [asdict(citation) for citation in citations]
    if draft is not None:
        message.draft_id, message.draft_decision_id = draft.draft_id, draft.decision_id
    conversation.held_count += 1
    conversation.updated_at = work.now
    await work.session.flush()
    await audit.record(
        work,
        "conversations.replied",
        subject=("message", message.id),
        conversation_id=conversation.id,
        hold_seconds=hold.total_seconds(),
        draft_id=message.draft_id,
        citations=len(citations),
    )
    work.changed("conversation", conversation.id)

    if hold > timedelta(0):
        await work.enqueue(_release_job(work, message))
    else:
        await _make_visible(work, conversation, message)
    return Replied(
        ConversationId(conversation.id),
        MessageId(message.id),
        message.delivery,
        message.visible_at or work.now,
    )


async def post_note(
    work: Work,
    conversation_id: ConversationId,
    content: str,
    *,
    max_length: int,
    run_key: str | None = None,
) -> MessageId:
    """Store an internal note; it has no way to the customer.

    ``run_key`` is that of the governed action behind it: one key makes one note.

    Raises:
        NotFound: ``conversation_not_found``.
        Invalid: ``message_blank`` or ``message_too_long``.
    """
    body = checked_content(content, max_length=max_length)
    conversation = await locked(work, conversation_id)
    if run_key is not None:
        written = await queries.message_of_run(work, run_key)
        if written is not None:
            return written
    message = _written(
        work, conversation, body, role=Role.INTERNAL_NOTE, delivery=Delivery.INTERNAL
    )
    if run_key is not None:
        message.run_key = run_key
        message.facts = {"source": "cairnloop_governed_action"}
    conversation.updated_at = work.now
    await work.session.flush()
    await audit.record(
        work,
        "conversations.noted",
        subject=("message", message.id),
        conversation_id=conversation.id,
    )
    work.changed("conversation", conversation.id)
    return MessageId(message.id)


async def release(work: Work, message_id: MessageId) -> bool:
    """Let a held message out if its moment has come; False when there is nothing to do."""
    conversation, message = await _locked_message(work, message_id)
    if message.delivery is not Delivery.HELD:
        return False
    if message.visible_at is not None and message.visible_at > work.now:
        await work.enqueue(_release_job(work, message))
        return False
    await _make_visible(work, conversation, message)
    return True


async def retract(work: Work, message_id: MessageId) -> MessageId:
    """Take a held reply back; the customer never sees it.

    Raises:
        NotFound: ``message_not_found``.
        Conflict: ``already_released`` or ``already_retracted``.
        Invalid: ``not_held`` for a message that never was on its way.
    """
    conversation, message = await _locked_message(work, message_id)
    match message.delivery:
        case Delivery.SENT:
            raise Conflict(
                "already_released",
                "This reply has already reached the customer and cannot be taken back.",
                message_id=message_id,
            )
        case Delivery.RETRACTED:
            raise Conflict(
                "already_retracted", "This reply was already taken back.", message_id=message_id
            )
        case Delivery.RECEIVED | Delivery.INTERNAL:
            raise Invalid(
                "not_held", "Only a reply on its way can be taken back.", message_id=message_id
            )
        case Delivery.HELD:
            pass
    message.delivery = Delivery.RETRACTED
    conversation.held_count -= 1
    conversation.updated_at = work.now
    await work.session.flush()
    await audit.record(
        work,
        "conversations.retracted",
        subject=("message", message.id),
        conversation_id=conversation.id,
        draft_id=message.draft_id,
    )
    work.changed("conversation", conversation.id)
    await work.emit(
        MessageRetracted(ConversationId(conversation.id), MessageId(message.id), _draft_of(message))
    )
    return MessageId(message.id)


def excerpt(content: str) -> str:
    """The line of a message that a list shows."""
    return safe(content, limit=EXCERPT_LENGTH)


def _check_hold(hold: timedelta) -> None:
    """Refuses ``hold_invalid``."""
    if not 0 <= hold.total_seconds() <= LONGEST_HOLD_S:
        raise Invalid("hold_invalid", "A hold lies between 0 and 86400 seconds.")


def _check_open(conversation: ConversationRow, expected_revision: int | None) -> None:
    """Refuses ``conversation_resolved``, ``conversation_archived`` and ``thread_changed``."""
    if conversation.status is Status.RESOLVED:
        raise Conflict(
            "conversation_resolved",
            "This conversation is resolved. Reopen it before you reply.",
            conversation_id=conversation.id,
        )
    if conversation.status is Status.ARCHIVED:
        raise Conflict(
            "conversation_archived",
            "This conversation is archived. Reopen it before you reply.",
            conversation_id=conversation.id,
        )
    if expected_revision is not None and expected_revision != conversation.revision:
        raise Conflict(
            "thread_changed",
            "Something arrived since you last looked. Read it, then send again.",
            conversation_id=conversation.id,
            revision=conversation.revision,
        )


def _written(
    work: Work, conversation: ConversationRow, body: str, *, role: Role, delivery: Delivery
) -> MessageRow:
    """A new message of ours at the end of the thread. The caller holds the lock."""
    conversation.last_sequence += 1
    conversation.message_count += 1
    message = MessageRow(
        workspace=work.workspace,
        conversation_id=conversation.id,
        sequence=conversation.last_sequence,
        role=role,
        delivery=delivery,
        content=body,
        author_kind=work.actor.kind.value,
        author_id=work.actor.id,
        citations=[],
        facts={},
        inserted_at=work.now,
    )
    work.session.add(message)
    return message


def _release_job(work: Work, message: MessageRow) -> Job:
    args: JsonObject = {"workspace": work.workspace, "message_id": message.id}
    return Job(RELEASE_TASK, args, at=message.visible_at)


def _draft_of(message: MessageRow) -> DraftId | None:
    return None if message.draft_id is None else DraftId(message.draft_id)


async def _locked_message(work: Work, message_id: MessageId) -> tuple[ConversationRow, MessageRow]:
    missing = NotFound(
        "message_not_found",
        f"There is no message {message_id} in this workspace.",
        message_id=message_id,
    )
    conversation_id = await queries.conversation_of(work, message_id)
    if conversation_id is None:
        raise missing
    conversation = await locked(work, conversation_id)
    message = await queries.lock_message(work, message_id)
    if message is None:
        raise missing
    return conversation, message


async def _make_visible(work: Work, conversation: ConversationRow, message: MessageRow) -> None:
    """Give a held message its place in the customer's order. The caller holds the lock."""
    conversation.last_customer_position += 1
    message.customer_position = conversation.last_customer_position
    message.delivery = Delivery.SENT
    message.released_at = work.now

    conversation.held_count -= 1
    conversation.revision += 1
    conversation.has_agent_reply = True
    conversation.last_message_at = work.now
    conversation.updated_at = work.now
    # A customer who wrote while the reply was held has not been answered by it.
    if message.sequence > conversation.last_customer_sequence:
        conversation.last_public_role = message.role
        conversation.last_excerpt = excerpt(message.content)
        conversation.waiting_since = None
    await work.session.flush()
    await audit.record(
        work,
        "conversations.released",
        subject=("message", message.id),
        conversation_id=conversation.id,
        position=message.customer_position,
    )
    work.changed("conversation", conversation.id)
    await work.emit(
        MessageReleased(
            ConversationId(conversation.id),
            MessageId(message.id),
            message.role,
            _draft_of(message),
        )
    )
