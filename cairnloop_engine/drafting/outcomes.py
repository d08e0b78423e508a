"""What becomes of drafts: dropped, made pointless, or given back; nothing here can be sent."""

from __future__ import annotations

from cairnloop_engine.audit import service as audit
from cairnloop_engine.conversations import queries as threads
from cairnloop_engine.conversations.marks import mark_draft
from cairnloop_engine.conversations.tables import ConversationRow
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Conflict, NotFound
from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId
from cairnloop_engine.core.text import storable
from cairnloop_engine.drafting import queries
from cairnloop_engine.drafting.events import DraftDiscarded, DraftReturned
from cairnloop_engine.drafting.model import (
    Decision,
    Denied,
    DiscardReason,
    DraftStatus,
    after,
    after_retraction,
    answers,
)
from cairnloop_engine.drafting.tables import DraftDecisionRecord, DraftRecord


async def locked_conversation(work: Work, conversation_id: ConversationId) -> ConversationRow:
    """The conversation, locked; the first lock of every change to a draft.

    Raises:
        NotFound: ``conversation_not_found``, also for another workspace's.
    """
    row = await threads.lock_conversation(work, conversation_id)
    if row is None:
        raise NotFound(
            "conversation_not_found",
            f"There is no conversation {conversation_id} in this workspace.",
            conversation_id=conversation_id,
        )
    return row


async def locked_draft(work: Work, draft_id: DraftId) -> tuple[ConversationRow, DraftRecord]:
    """A draft and its conversation, locked in this order.

    Raises:
        NotFound: ``draft_not_found``, also for another workspace's.
    """
    missing = NotFound(
        "draft_not_found", f"There is no draft {draft_id} in this workspace.", draft_id=draft_id
    )
    conversation_id = await queries.conversation_of(work, draft_id)
    if conversation_id is None:
        raise missing
    conversation = await locked_conversation(work, conversation_id)
    record = await queries.lock_draft(work, draft_id)
    if record is None:
        raise missing
    return conversation, record


async def discard(
    work: Work,
    draft: DraftRecord,
    reason: DiscardReason,
    *,
    note: str | None = None,
    shown: bool = True,
) -> None:
    """Drop a draft that still waits. The caller holds conversation and draft, in this order.

    ``shown`` False leaves the conversation's mark alone: another draft is about to replace it.
    """
    superseded = reason is DiscardReason.SUPERSEDED
    decision = Decision.SUPERSEDED if superseded else Decision.DISCARDED
    status = moved(draft, decision)
    draft.status = status
    draft.discard_reason = reason
    draft.discard_note = None if note is None else storable(note)
    decided(work, draft)
    await decide(work, draft, decision, reason=reason.value)
    if shown:
        await mark_draft(work, ConversationId(draft.conversation_id), draft_id=None)
    await audit.record(
        work,
        "drafting.discarded",
        subject=("draft", draft.id),
        conversation_id=draft.conversation_id,
        personal={"note": note},
        reason=reason.value,
    )
    work.changed("draft", draft.id)
    work.changed("conversation", draft.conversation_id)
    await work.emit(
        DraftDiscarded(ConversationId(draft.conversation_id), DraftId(draft.id), reason)
    )


async def discard_waiting(
    work: Work, conversation_id: ConversationId, reason: DiscardReason
) -> None:
    """Drop whatever waits in a conversation that the caller holds."""
    waiting = await queries.lock_waiting(work, conversation_id)
    if waiting is not None:
        await discard(work, waiting, reason)


async def answered(
    work: Work, conversation_id: ConversationId, message_id: MessageId, by: DraftId | None
) -> None:
    """A reply reached the customer: drop the draft that it makes pointless.

    A draft about something that the customer wrote after the reply was written stays.
    """
    waiting = await queries.lock_waiting(work, conversation_id)
    if waiting is None or waiting.id == by:
        return
    reply_sequence = await queries.sequence_of(work, message_id)
    if reply_sequence is not None and answers(
        reply_sequence=reply_sequence, source_sequence=waiting.source_sequence
    ):
        await discard(work, waiting, DiscardReason.ANSWERED_BY_OPERATOR)


async def give_back(
    work: Work, conversation_id: ConversationId, draft_id: DraftId, message_id: MessageId
) -> None:
    """A draft's reply was taken back in time: let the draft wait again, at the same revision."""
    conversation = await locked_conversation(work, conversation_id)
    draft = await queries.lock_draft(work, draft_id)
    if draft is None or draft.sent_message_id != message_id:
        return
    waiting = await queries.lock_waiting(work, conversation_id)
    state = await queries.thread_state(work, conversation)
    gone = after_retraction(state, another_waits=waiting is not None)

    await decide(work, draft, Decision.RETRACTED)
    _returned(work, draft, gone)
    await work.session.flush()
    if gone is None:
        await mark_draft(
            work, conversation_id, draft_id=draft_id, draft_type=draft.proposal_type.value
        )
    else:
        superseded = gone is DiscardReason.SUPERSEDED
        decision = Decision.SUPERSEDED if superseded else Decision.DISCARDED
        await decide(work, draft, decision, reason=gone.value)
    await audit.record(
        work,
        "drafting.retracted",
        subject=("draft", draft.id),
        conversation_id=conversation_id,
        message_id=message_id,
        status=draft.status.value,
        reason=None if gone is None else gone.value,
    )
    work.changed("draft", draft.id)
    work.changed("conversation", conversation_id)
    if gone is None:
        await work.emit(DraftReturned(conversation_id, draft_id))
    else:
        await work.emit(DraftDiscarded(conversation_id, draft_id, gone))


def moved(draft: DraftRecord, decision: Decision) -> DraftStatus:
    """Where a decision takes a draft.

    Raises:
        Conflict: ``draft_already_decided``, saying by whom and when.
    """
    outcome = after(draft.status, decision)
    if isinstance(outcome, Denied):
        raise already_decided(draft)
    return outcome


def already_decided(draft: DraftRecord) -> Conflict:
    """The refusal for a draft that is decided, with who did it and when."""
    when = None if draft.decided_at is None else draft.decided_at.isoformat()
    return Conflict(
        "draft_already_decided",
        f"This draft was already {draft.status.value} by {draft.decided_by or 'somebody'}."
        " Nothing was sent now.",
        draft_id=draft.id,
        status=draft.status.value,
        decided_by=draft.decided_by,
        decided_at=when,
        reason=None if draft.discard_reason is None else draft.discard_reason.value,
    )


def decided(work: Work, draft: DraftRecord) -> None:
    """Note who decided about a draft, and when."""
    draft.decided_by_kind = work.actor.kind.value
    draft.decided_by = work.actor.id
    draft.decided_at = work.now
    draft.updated_at = work.now
    draft.version += 1


async def decide(
    work: Work,
    draft: DraftRecord,
    decision: Decision,
    *,
    reason: str | None = None,
    digest: str | None = None,
) -> DraftDecisionRecord:
    """Append one decision about a draft in the name of the acting person or policy."""
    row = DraftDecisionRecord(
        workspace=work.workspace,
        draft_id=draft.id,
        decision=decision,
        actor_kind=work.actor.kind.value,
        actor_id=work.actor.id,
        decided_at=work.now,
        policy=draft.policy,
        reason=reason,
        draft_version=draft.version,
        content_digest=digest,
    )
    work.session.add(row)
    await work.session.flush()
    return row


def _returned(work: Work, draft: DraftRecord, gone: DiscardReason | None) -> None:
    """Undo the approval on the row; its decision stays in the list of decisions."""
    draft.sent_message_id = None
    draft.final_content = None
    draft.edited_by = None
    if gone is None:
        draft.status = moved(draft, Decision.RETRACTED)
        draft.decided_by_kind = draft.decided_by = draft.decided_at = None
        draft.updated_at = work.now
        draft.version += 1
        return
    draft.status = DraftStatus.DISCARDED
    draft.discard_reason = gone
    decided(work, draft)
