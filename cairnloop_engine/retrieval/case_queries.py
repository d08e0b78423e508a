"""Every SQL statement about resolved cases: what they are made of, and their place in the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert

from cairnloop_engine.conversations.model import Role, Status
from cairnloop_engine.conversations.tables import ConversationRow, MessageRow
from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import CaseId, ConversationId, MessageId
from cairnloop_engine.knowledge.chunking import Chunk
from cairnloop_engine.retrieval.case_texts import CaseText, Spoken
from cairnloop_engine.retrieval.tables import CaseChunkRow, CaseRow, DocumentRow, VectorRow
from cairnloop_engine.retrieval.texts import Passage

# From each end of a thread: the issue stands at the beginning, the resolution at the end.
MOST_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class Lost:
    """A conversation whose case, or whose vectors, nobody seems to be making."""

    workspace: str
    conversation_id: ConversationId


async def spoken(read: Read, conversation_id: ConversationId) -> list[Spoken]:
    """What the customer wrote and what agents really sent, in the order the customer saw it.

    Held and retracted replies have no place in that order; notes and messages of the system are
    no evidence.
    """
    seen = select(
        MessageRow.customer_position, MessageRow.id, MessageRow.role, MessageRow.content
    ).where(
        MessageRow.workspace == read.workspace,
        MessageRow.conversation_id == conversation_id,
        MessageRow.customer_position.is_not(None),
        MessageRow.role.in_((Role.USER, Role.AGENT)),
    )
    place = MessageRow.customer_position
    first = await read.session.execute(seen.order_by(place).limit(MOST_MESSAGES))
    last = await read.session.execute(seen.order_by(place.desc()).limit(MOST_MESSAGES))
    found = {row[0]: Spoken(MessageId(row[1]), row[2], row[3]) for row in (*first, *last)}
    return [found[position] for position in sorted(found)]


async def case_of(read: Read, conversation_id: ConversationId) -> CaseRow | None:
    found = await read.session.scalars(
        select(CaseRow)
        .where(CaseRow.workspace == read.workspace, CaseRow.conversation_id == conversation_id)
        .execution_options(populate_existing=True)
    )
    return found.first()


async def put_case(
    work: Work, conversation_id: ConversationId, told: CaseText, *, resolved_at: datetime
) -> CaseId:
    """Store what a case tells, in the place of what it told before."""
    values = {
        "subject": told.subject,
        "issue_summary": told.issue_summary,
        "resolution_note": told.resolution_note,
        "actions_taken": list(told.actions_taken),
        "message_ids": list(told.message_ids),
        "resolved_at": resolved_at,
        "updated_at": work.now,
    }
    found = await work.session.execute(
        insert(CaseRow)
        .values(
            workspace=work.workspace,
            conversation_id=conversation_id,
            inserted_at=work.now,
            **values,
        )
        .on_conflict_do_update(index_elements=[CaseRow.conversation_id], set_=values)
        .returning(CaseRow.id)
    )
    return CaseId(found.scalar_one())


async def replace_passages(work: Work, case_id: CaseId, chunks: Sequence[Chunk]) -> None:
    """Give a case new passages; their new ids tell them from the ones before."""
    await work.session.execute(delete(CaseChunkRow).where(CaseChunkRow.case_id == case_id))
    await work.session.execute(
        insert(CaseChunkRow),
        [
            {
                "workspace": work.workspace,
                "case_id": case_id,
                "position": one.position,
                "heading": one.heading,
                "content": one.content,
            }
            for one in chunks
        ],
    )


async def passages(read: Read, case_id: CaseId) -> list[Passage]:
    """The passages of a case in reading order."""
    found = await read.session.execute(
        select(CaseChunkRow.id, CaseChunkRow.position, CaseChunkRow.heading, CaseChunkRow.content)
        .where(CaseChunkRow.workspace == read.workspace, CaseChunkRow.case_id == case_id)
        .order_by(CaseChunkRow.position)
    )
    return [Passage(*row) for row in found]


async def delete_case(work: Work, case_id: CaseId) -> None:
    """Forget a case; its passages go with it."""
    await work.session.execute(delete(CaseRow).where(CaseRow.id == case_id))


# Its place in the index


async def lock_document(work: Work, case_id: CaseId) -> DocumentRow | None:
    """The case's place in the index, locked until the transaction ends."""
    found = await work.session.scalars(
        select(DocumentRow)
        .where(DocumentRow.workspace == work.workspace, DocumentRow.case_id == case_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.first()


async def document(read: Read, case_id: CaseId) -> DocumentRow | None:
    found = await read.session.scalars(
        select(DocumentRow).where(
            DocumentRow.workspace == read.workspace, DocumentRow.case_id == case_id
        )
    )
    return found.first()


async def put_document(
    work: Work, corpus_id: int, case_id: CaseId, *, title: str, resolved_at: datetime
) -> int:
    """Give the case its place in the index; its vectors are to be made."""
    values = {
        "resolved_at": resolved_at,
        "title": title,
        "len_title": 0,
        "len_body": 0,
        "vectors_error": None,
        "queued_at": work.now,
        "updated_at": work.now,
    }
    found = await work.session.execute(
        insert(DocumentRow)
        .values(workspace=work.workspace, corpus_id=corpus_id, case_id=case_id, **values)
        .on_conflict_do_update(
            index_elements=[DocumentRow.corpus_id, DocumentRow.case_id], set_=values
        )
        .returning(DocumentRow.id)
    )
    return int(found.scalar_one())


# What is missing


def _resolved() -> ColumnElement[bool]:
    """As :func:`cases.is_evidence`, for the database."""
    put_away = and_(
        ConversationRow.status == Status.ARCHIVED, ConversationRow.resolved_at.is_not(None)
    )
    return or_(ConversationRow.status == Status.RESOLVED, put_away)


async def everything(read: Read) -> list[ConversationId]:
    """Every conversation of the workspace that is, or could be, a resolved case."""
    resolved = select(ConversationRow.id).where(
        ConversationRow.workspace == read.workspace, _resolved(), ConversationRow.has_agent_reply
    )
    indexed = select(CaseRow.conversation_id).where(CaseRow.workspace == read.workspace)
    found = await read.session.scalars(union(resolved, indexed).order_by("id"))
    return [ConversationId(one) for one in found]


async def note_queued(work: Work, conversation_ids: Sequence[ConversationId]) -> None:
    cases = select(CaseRow.id).where(
        CaseRow.workspace == work.workspace, CaseRow.conversation_id.in_(conversation_ids)
    )
    await work.session.execute(
        update(DocumentRow).where(DocumentRow.case_id.in_(cases)).values(queued_at=work.now)
    )


async def claim_pending(
    work: Work, *, model_id: str, queued_before: datetime, failed_before: datetime, limit: int
) -> list[Lost]:
    """Cases without vectors of this model whose job seems lost; marks them as queued.

    One whose vectors could not be made is left alone for longer. Looks at every workspace: the
    sweep serves all of them.
    """
    has_vectors = (
        select(VectorRow.doc_id)
        .where(VectorRow.doc_id == DocumentRow.id, VectorRow.model_id == model_id)
        .exists()
    )
    waiting = (
        select(DocumentRow.id)
        .where(
            DocumentRow.case_id.is_not(None),
            ~has_vectors,
            DocumentRow.queued_at < queued_before,
            or_(DocumentRow.vectors_error.is_(None), DocumentRow.queued_at < failed_before),
        )
        .order_by(DocumentRow.queued_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = await work.session.execute(
        update(DocumentRow)
        .where(DocumentRow.id.in_(waiting), CaseRow.id == DocumentRow.case_id)
        .values(queued_at=work.now)
        .returning(DocumentRow.workspace, CaseRow.conversation_id)
    )
    return [Lost(workspace, ConversationId(one)) for workspace, one in found]


async def claim_failed(work: Work) -> list[ConversationId]:
    """Threads of the workspace whose cases have no vectors; they count as queued again."""
    found = await work.session.execute(
        update(DocumentRow)
        .where(
            DocumentRow.workspace == work.workspace,
            DocumentRow.vectors_error.is_not(None),
            CaseRow.id == DocumentRow.case_id,
        )
        .values(vectors_error=None, queued_at=work.now)
        .returning(CaseRow.conversation_id)
    )
    return sorted(ConversationId(one) for (one,) in found)


async def unindexed(read: Read, *, after: int, resolved_before: datetime, limit: int) -> list[Lost]:
    """Resolved and answered conversations that are no case yet, of every workspace, by id."""
    indexed = select(CaseRow.id).where(CaseRow.conversation_id == ConversationRow.id).exists()
    found = await read.session.execute(
        select(ConversationRow.workspace, ConversationRow.id)
        .where(
            ConversationRow.id > after,
            _resolved(),
            ConversationRow.has_agent_reply,
            ConversationRow.resolved_at < resolved_before,
            ~indexed,
        )
        .order_by(ConversationRow.id)
        .limit(limit)
    )
    return [Lost(workspace, ConversationId(one)) for workspace, one in found]
