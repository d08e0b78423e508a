"""Every SQL statement of the drafting slice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import aliased, defer

from cairnloop_engine.conversations.model import Delivery, Role, Status
from cairnloop_engine.conversations.tables import ConversationRow, MessageRow, ResolutionRow
from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId
from cairnloop_engine.drafting.model import ACTIONABLE, DraftStatus, ProposalType, ThreadState
from cairnloop_engine.drafting.tables import DraftActionRecord, DraftRecord
from cairnloop_engine.governance.tables import ProposalRow


@dataclass(frozen=True, slots=True)
class Question:
    """The customer's newest message: what a draft is about."""

    message_id: MessageId
    sequence: int


async def conversation_of(read: Read, draft_id: DraftId) -> ConversationId | None:
    """Where a draft belongs, without locking or loading it."""
    found = await read.session.scalar(
        select(DraftRecord.conversation_id).where(
            DraftRecord.workspace == read.workspace, DraftRecord.id == draft_id
        )
    )
    return None if found is None else ConversationId(found)


async def lock_draft(work: Work, draft_id: DraftId) -> DraftRecord | None:
    """A draft, locked until the transaction ends; the caller already holds its conversation."""
    found = await work.session.scalars(
        select(DraftRecord)
        .where(DraftRecord.workspace == work.workspace, DraftRecord.id == draft_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.first()


async def lock_waiting(work: Work, conversation_id: ConversationId) -> DraftRecord | None:
    """The draft that waits in a conversation, locked; the caller holds the conversation."""
    found = await work.session.scalars(
        select(DraftRecord)
        .where(
            DraftRecord.workspace == work.workspace,
            DraftRecord.conversation_id == conversation_id,
            DraftRecord.status.in_(ACTIONABLE),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.first()


async def suggested_action(read: Read, draft_id: DraftId) -> DraftActionRecord | None:
    """What a draft suggests to do; None when it suggests nothing."""
    found = await read.session.scalars(
        select(DraftActionRecord).where(
            DraftActionRecord.workspace == read.workspace, DraftActionRecord.draft_id == draft_id
        )
    )
    return found.first()


async def lock_suggested_action(work: Work, draft_id: DraftId) -> DraftActionRecord | None:
    """The same, locked until the transaction ends."""
    found = await work.session.scalars(
        select(DraftActionRecord)
        .where(
            DraftActionRecord.workspace == work.workspace, DraftActionRecord.draft_id == draft_id
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.first()


async def thread_state(read: Read, conversation: ConversationRow) -> ThreadState:
    """What decisions must know of a conversation; to write on it, the caller holds the row."""
    replies = await read.session.execute(
        select(
            func.max(MessageRow.sequence).filter(MessageRow.delivery == Delivery.SENT),
            func.max(MessageRow.sequence).filter(MessageRow.delivery == Delivery.HELD),
            func.max(MessageRow.visible_at).filter(MessageRow.delivery == Delivery.HELD),
        ).where(
            MessageRow.workspace == read.workspace,
            MessageRow.conversation_id == conversation.id,
            MessageRow.role == Role.AGENT,
        )
    )
    sent, held, until = replies.one()
    return ThreadState(
        status=conversation.status,
        last_customer_sequence=conversation.last_customer_sequence,
        held_replies=conversation.held_count,
        last_reply_sequence=sent or 0,
        held_sequence=held or 0,
        held_until=until,
    )


async def newest_question(read: Read, conversation_id: ConversationId) -> Question | None:
    rows = await read.session.execute(
        select(MessageRow.id, MessageRow.sequence)
        .where(
            MessageRow.workspace == read.workspace,
            MessageRow.conversation_id == conversation_id,
            MessageRow.role == Role.USER,
        )
        .order_by(MessageRow.sequence.desc())
        .limit(1)
    )
    row = rows.first()
    return None if row is None else Question(MessageId(row[0]), row[1])


async def last_attempt(read: Read, conversation_id: ConversationId, about: MessageId) -> int:
    """How many drafts were made for one customer message; attempts are numbered without gaps."""
    found = await read.session.scalar(
        select(func.max(DraftRecord.attempt)).where(
            DraftRecord.workspace == read.workspace,
            DraftRecord.conversation_id == conversation_id,
            DraftRecord.source_message_id == about,
        )
    )
    return found or 0


async def clarifications_sent(read: Read, conversation_id: ConversationId) -> int:
    """Questions that the customer really got since the last answer or closing.

    A reply that an operator wrote, or a draft that answered, starts the count again.
    """
    here = and_(
        MessageRow.workspace == read.workspace,
        MessageRow.conversation_id == conversation_id,
        MessageRow.role == Role.AGENT,
        MessageRow.delivery == Delivery.SENT,
    )
    other = aliased(DraftRecord)
    last_answer = (
        select(func.max(MessageRow.sequence))
        .outerjoin(other, other.id == MessageRow.draft_id)
        .where(here, or_(other.id.is_(None), other.proposal_type != ProposalType.CLARIFICATION))
        .scalar_subquery()
    )
    last_closing = (
        select(func.max(ResolutionRow.resolved_at))
        .where(
            ResolutionRow.workspace == read.workspace,
            ResolutionRow.conversation_id == conversation_id,
        )
        .scalar_subquery()
    )
    question = aliased(MessageRow)
    found = await read.session.scalar(
        select(func.count())
        .select_from(question)
        .join(DraftRecord, DraftRecord.id == question.draft_id)
        .where(
            question.workspace == read.workspace,
            question.conversation_id == conversation_id,
            question.delivery == Delivery.SENT,
            DraftRecord.proposal_type == ProposalType.CLARIFICATION,
            question.sequence > func.coalesce(last_answer, 0),
            or_(last_closing.is_(None), question.released_at > last_closing),
        )
    )
    return found or 0


async def sequence_of(read: Read, message_id: MessageId) -> int | None:
    """A message's place in the order of its thread."""
    return await read.session.scalar(
        select(MessageRow.sequence).where(
            MessageRow.workspace == read.workspace, MessageRow.id == message_id
        )
    )


@dataclass(frozen=True, slots=True)
class DraftInThread:
    """A draft beside what its conversation has become since."""

    draft: DraftRecord
    subject: str | None
    customer_ref: str | None
    status: Status
    revision: int
    last_customer_sequence: int
    held_replies: int
    delivery: Delivery | None
    visible_at: datetime | None
    action: DraftActionRecord | None

    @property
    def stale(self) -> bool:
        """Whether the customer has written since the draft was made."""
        return self.last_customer_sequence > self.draft.source_sequence


_Found = Select[
    DraftRecord, ConversationRow, Delivery | None, datetime | None, DraftActionRecord | None
]


def _drafts(read: Read) -> _Found:
    return (
        select(
            DraftRecord,
            ConversationRow,
            MessageRow.delivery,
            MessageRow.visible_at,
            DraftActionRecord,
        )
        .join(ConversationRow, ConversationRow.id == DraftRecord.conversation_id)
        .outerjoin(MessageRow, MessageRow.id == DraftRecord.sent_message_id)
        .outerjoin(DraftActionRecord, DraftActionRecord.draft_id == DraftRecord.id)
        .where(DraftRecord.workspace == read.workspace)
    )


async def _in_thread(read: Read, statement: _Found) -> list[DraftInThread]:
    rows = await read.session.execute(statement)
    return [
        DraftInThread(
            draft=draft,
            subject=conversation.subject,
            customer_ref=conversation.customer_ref,
            status=conversation.status,
            revision=conversation.revision,
            last_customer_sequence=conversation.last_customer_sequence,
            held_replies=conversation.held_count,
            delivery=delivery,
            visible_at=visible_at,
            action=action,
        )
        for draft, conversation, delivery, visible_at, action in rows
    ]


async def drafts(
    read: Read, *, statuses: frozenset[DraftStatus], before: int | None, limit: int
) -> list[DraftInThread]:
    """A page of drafts, newest first; no statuses means all of them.

    The evidence stays in the database: a list does not show it, and it is most of the row.
    """
    statement = _drafts(read).options(defer(DraftRecord.evidence_snapshot, raiseload=True))
    if statuses:
        statement = statement.where(DraftRecord.status.in_(statuses))
    if before is not None:
        statement = statement.where(DraftRecord.id < before)
    return await _in_thread(read, statement.order_by(DraftRecord.id.desc()).limit(limit))


async def actions_of_workspace(read: Read) -> int:
    """How many actions were ever proposed in this workspace."""
    found = await read.session.scalar(
        select(func.count()).select_from(ProposalRow).where(ProposalRow.workspace == read.workspace)
    )
    return found or 0


async def newest(read: Read, *, limit: int) -> list[DraftRecord]:
    """The last drafts with their evidence, newest first."""
    found = await read.session.scalars(
        select(DraftRecord)
        .where(DraftRecord.workspace == read.workspace)
        .order_by(DraftRecord.id.desc())
        .limit(limit)
    )
    return list(found)


async def draft(read: Read, draft_id: DraftId) -> DraftInThread | None:
    found = await _in_thread(read, _drafts(read).where(DraftRecord.id == draft_id))
    return found[0] if found else None


async def waiting(read: Read, conversation_id: ConversationId) -> DraftInThread | None:
    """The draft that waits in a conversation."""
    found = await _in_thread(
        read,
        _drafts(read).where(
            DraftRecord.conversation_id == conversation_id, DraftRecord.status.in_(ACTIONABLE)
        ),
    )
    return found[0] if found else None
