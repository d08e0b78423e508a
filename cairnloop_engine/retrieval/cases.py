"""Keeping resolved cases true to the threads they come from. Every function takes a Work.

A case is written and removed under the lock of its conversation, so that a thread which is opened
again is evidence no longer from that very commit on. Locks are taken in one order: conversation,
corpus, document.

An archived thread stays a case when it was resolved before: archiving puts it away from the
inbox and says nothing against how it was solved. Whoever learns that a case must not be evidence
any more calls :func:`remove` in the transaction that records the fact; a bad rating is such a
fact, and the slice that records ratings has to keep :func:`is_evidence` from bringing it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.audit import service as audit
from cairnloop_engine.conversations import queries as threads
from cairnloop_engine.conversations.events import (
    ConversationArchived,
    ConversationReopened,
    ConversationResolved,
    MessageReleased,
)
from cairnloop_engine.conversations.model import Status
from cairnloop_engine.conversations.tables import ConversationRow
from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.errors import NotFound
from cairnloop_engine.core.ids import CaseId, ConversationId
from cairnloop_engine.core.jobs import Job
from cairnloop_engine.retrieval import case_queries, index_queries, queries
from cairnloop_engine.retrieval.case_ports import ActionsTaken
from cairnloop_engine.retrieval.case_texts import CaseText, Spoken
from cairnloop_engine.retrieval.model import SourceType
from cairnloop_engine.retrieval.ports import Vectors
from cairnloop_engine.retrieval.tables import CaseRow
from cairnloop_engine.retrieval.texts import Entry, Passage, word_pieces

INDEX_CASE_TASK = "retrieval.index_case"


@dataclass(frozen=True, slots=True)
class Source:
    """What a case is made from, read at one moment; ``revision`` tells whether it still holds."""

    conversation_id: ConversationId
    revision: int
    resolved_at: datetime | None
    subject: str | None
    spoken: tuple[Spoken, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A case as it stands in the index, with the passages that its vectors are made of."""

    case_id: CaseId
    told: CaseText
    passages: tuple[Passage, ...]


def is_evidence(conversation: ConversationRow) -> bool:
    """Whether a thread may be a resolved case."""
    if conversation.status is Status.ARCHIVED:
        return conversation.resolved_at is not None
    return conversation.status is Status.RESOLVED


async def on_resolved(work: Work, event: ConversationResolved) -> None:
    """Every closing is indexed anew: the thread may tell something else than the last time."""
    await work.enqueue(index_job(work.workspace, event.conversation_id))


async def on_reopened(work: Work, event: ConversationReopened) -> None:
    await remove(work, event.conversation_id)


async def on_archived(work: Work, event: ConversationArchived) -> None:
    """Index again, because an index job that is under way stands down for the new revision."""
    await _index_again(work, event.conversation_id)


async def on_released(work: Work, event: MessageReleased) -> None:
    """A reply that was still on its way when its thread was closed belongs to the case."""
    await _index_again(work, event.conversation_id)


def index_job(workspace: str, conversation_id: ConversationId, *, rebuild: bool = False) -> Job:
    return Job(
        INDEX_CASE_TASK,
        {"workspace": workspace, "conversation_id": conversation_id, "rebuild": rebuild},
    )


async def source(read: Read, conversation_id: ConversationId, actions: ActionsTaken) -> Source:
    """Read what a case is made from; empty for a thread that is none.

    Raises:
        NotFound: ``conversation_not_found``.
    """
    conversation = await threads.conversation(read, conversation_id)
    if conversation is None:
        raise NotFound(
            "conversation_not_found",
            f"There is no conversation {conversation_id} in this workspace.",
            conversation_id=conversation_id,
        )
    fits = is_evidence(conversation)
    return Source(
        conversation_id=conversation_id,
        revision=conversation.revision,
        resolved_at=conversation.resolved_at if fits else None,
        subject=conversation.subject,
        spoken=tuple(await case_queries.spoken(read, conversation_id)) if fits else (),
        actions=tuple(await actions(read, conversation_id)) if fits else (),
    )


async def write(
    work: Work, source: Source, told: CaseText | None, *, language: str, rebuild: bool = False
) -> Stored | None:
    """Make the case findable by its words; None when the thread is no case.

    A case that tells the same as before keeps its passages and vectors. When the thread moved on
    since it was read nothing is touched: that change brought its own job, or took the case away.
    """
    conversation = await threads.lock_conversation(work, source.conversation_id)
    if conversation is None or conversation.revision != source.revision:
        return None
    if told is None or source.resolved_at is None:
        await remove(work, source.conversation_id)
        return None
    before = await case_queries.case_of(work, source.conversation_id)
    same = before is not None and _tells(before, told, source.resolved_at)
    if before is None or rebuild or not same:
        case_id = await case_queries.put_case(
            work, source.conversation_id, told, resolved_at=source.resolved_at
        )
        await _write_words(
            work, case_id, told, resolved_at=source.resolved_at, language=language, anew=not same
        )
    else:
        case_id = CaseId(before.id)
    return Stored(case_id, told, tuple(await case_queries.passages(work, case_id)))


async def remove(work: Work, conversation_id: ConversationId) -> None:
    """Take a case out of the index and forget it; does nothing when there is none."""
    await threads.lock_conversation(work, conversation_id)
    case = await case_queries.case_of(work, conversation_id)
    if case is None:
        return
    case_id = CaseId(case.id)
    corpus_id = await queries.lock_corpus(work, SourceType.RESOLVED_CASE)
    document = await case_queries.lock_document(work, case_id)
    if document is not None:
        await queries.remove_words(work, corpus_id, document.id)
        await queries.delete_document(work, document.id)
    await case_queries.delete_case(work, case_id)


async def record_vectors(
    work: Work,
    stored: Stored,
    *,
    model_id: str,
    entries: Sequence[Entry],
    vectors: Vectors,
) -> bool:
    """Store the vectors of a case; False when it is no longer the one that can be found."""
    document = await case_queries.lock_document(work, stored.case_id)
    if document is None or tuple(await case_queries.passages(work, stored.case_id)) != (
        stored.passages
    ):
        return False
    await queries.delete_vectors(work, document.id, model_id=model_id)
    await queries.put_vectors(work, document, model_id, entries, vectors)
    await index_queries.note_error(work, document.id, None)
    return True


async def record_waiting(work: Work, conversation_id: ConversationId) -> None:
    """Note that the job of a case lives and tries again, so that nobody takes it for lost."""
    await case_queries.note_queued(work, [conversation_id])


async def record_failure(work: Work, case_id: CaseId, code: str) -> None:
    """Remember why a case has no vectors; it stays findable by its words."""
    document = await case_queries.lock_document(work, case_id)
    if document is not None:
        await index_queries.note_error(work, document.id, code)


async def recount(work: Work) -> None:
    """Bring the statistics of the workspace's cases back to what their rows say."""
    await queries.recount(work, await queries.lock_corpus(work, SourceType.RESOLVED_CASE))


async def everything(read: Read) -> list[ConversationId]:
    """Every conversation of the workspace that is, or should be, a resolved case."""
    return await case_queries.everything(read)


async def request_rebuild(work: Work, conversation_ids: Sequence[ConversationId]) -> None:
    """Ask for words and vectors of these cases to be made again, in the background."""
    await case_queries.note_queued(work, conversation_ids)
    await _enqueue(work, conversation_ids)
    await audit.record(
        work,
        "retrieval.rebuild_requested",
        subject=("conversation", conversation_ids[0] if len(conversation_ids) == 1 else 0),
        case_count=len(conversation_ids),
    )


async def request_replay(work: Work) -> int:
    """Ask once more for what could not be made; returns for how many cases.

    Asking takes the failure off each of them, so a second call finds nothing to ask for.
    """
    failed = await case_queries.claim_failed(work)
    if failed:
        await _enqueue(work, failed)
        await audit.record(
            work,
            "retrieval.replay_requested",
            subject=("conversation", failed[0] if len(failed) == 1 else 0),
            case_count=len(failed),
        )
    return len(failed)


async def _enqueue(work: Work, conversation_ids: Sequence[ConversationId]) -> None:
    for conversation_id in conversation_ids:
        await work.enqueue(index_job(work.workspace, conversation_id, rebuild=True))


async def _index_again(work: Work, conversation_id: ConversationId) -> None:
    conversation = await threads.conversation(work, conversation_id)
    if conversation is not None and is_evidence(conversation):
        await work.enqueue(index_job(work.workspace, conversation_id))


async def _write_words(
    work: Work,
    case_id: CaseId,
    told: CaseText,
    *,
    resolved_at: datetime,
    language: str,
    anew: bool,
) -> None:
    """Write its place, postings and statistics; ``anew`` for a case that tells something new."""
    corpus_id = await queries.lock_corpus(work, SourceType.RESOLVED_CASE)
    before = await case_queries.lock_document(work, case_id)
    if before is not None:
        await queries.remove_words(work, corpus_id, before.id)
    doc_id = await case_queries.put_document(
        work, corpus_id, case_id, title=told.subject, resolved_at=resolved_at
    )
    await queries.add_words(
        work,
        corpus_id,
        doc_id,
        language=language,
        title=told.subject,
        pieces=word_pieces(told.body),
    )
    if anew:
        await case_queries.replace_passages(work, case_id, told.passages())
        # The vectors of the older text must not find the new one.
        await queries.delete_vectors(work, doc_id)


def _tells(stored: CaseRow, told: CaseText, resolved_at: datetime) -> bool:
    """Whether the stored case says just this."""
    return (
        stored.resolved_at == resolved_at
        and stored.subject == told.subject
        and stored.issue_summary == told.issue_summary
        and stored.resolution_note == told.resolution_note
        and tuple(stored.actions_taken) == told.actions_taken
        and tuple(stored.message_ids) == told.message_ids
    )
