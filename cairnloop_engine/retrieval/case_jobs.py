"""Making resolved cases in the background: read, redact, write the words, then the vectors.

The job can die after any line. What it has written by then is whole, and running it again changes
nothing that was done; old vectors stay until new ones are there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cairnloop_engine.conversations.events import (
    ConversationArchived,
    ConversationReopened,
    ConversationResolved,
    MessageReleased,
)
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Database, EventHandler, Read, Work
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.jobs import JobContext, Queues, Sweep, TaskSpec
from cairnloop_engine.retrieval import case_queries, cases
from cairnloop_engine.retrieval.case_ports import ActionsTaken
from cairnloop_engine.retrieval.case_texts import tell
from cairnloop_engine.retrieval.cases import Stored
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.indexing import Indexing
from cairnloop_engine.retrieval.ports import Vectors
from cairnloop_engine.retrieval.tables import DocumentRow
from cairnloop_engine.retrieval.texts import Entry, to_embed

INDEXER = "indexer"

# A job that has not delivered after this long is taken for lost and asked for again.
LOST_AFTER = timedelta(minutes=10)
# What could not be made is tried again by itself only so often; `replay-failed` asks at once.
FAILED_AGAIN_AFTER = timedelta(hours=1)
SWEEP_EVERY = timedelta(minutes=1)
SWEEP_SIZE = 200


def handlers() -> dict[type, Sequence[EventHandler]]:
    """What runs inside the transactions of the conversations."""

    async def resolved(work: Work, event: object) -> None:
        assert isinstance(event, ConversationResolved)
        await cases.on_resolved(work, event)

    async def reopened(work: Work, event: object) -> None:
        assert isinstance(event, ConversationReopened)
        await cases.on_reopened(work, event)

    async def archived(work: Work, event: object) -> None:
        assert isinstance(event, ConversationArchived)
        await cases.on_archived(work, event)

    async def released(work: Work, event: object) -> None:
        assert isinstance(event, MessageReleased)
        await cases.on_released(work, event)

    return {
        ConversationResolved: [resolved],
        ConversationReopened: [reopened],
        ConversationArchived: [archived],
        MessageReleased: [released],
    }


def tasks(
    db: Database, embedding: Embedding, config: RetrievalConfig, *, actions: ActionsTaken
) -> list[TaskSpec]:
    async def index_case(job: JobContext) -> None:
        caller = Caller.system(INDEXER, job.workspace)
        rebuild = job.args.get("rebuild") is True
        async with db.read(caller) as read:
            source = await cases.source(
                read, ConversationId(job.integer("conversation_id")), actions
            )
        # A thread, because redacting long letters takes a while.
        told = await asyncio.to_thread(tell, source.subject, source.spoken, source.actions)
        crashpoint("retrieval.case_read")

        async def write(work: Work) -> Stored | None:
            stored = await cases.write(
                work, source, told, language=config.language, rebuild=rebuild
            )
            crashpoint("retrieval.case_before_commit")
            return stored

        stored = await db.retrying(caller, write)
        crashpoint("retrieval.case_written")
        if stored is None:
            return
        entries = to_embed(stored.told.subject, stored.told.body, stored.passages)
        place = _Case(source.conversation_id, stored)
        await Indexing(db, caller, place, entries, job.attempt).run(embedding, again=rebuild)

    return [
        TaskSpec(
            cases.INDEX_CASE_TASK,
            Queues.INDEXING,
            index_case,
            # Two models at most, while one replaces the other.
            hard_cap=2 * config.passage_embedding_timeout + timedelta(minutes=1),
        )
    ]


def sweeps(db: Database, embedding: Embedding) -> list[Sweep]:
    async def embed_what_is_missing() -> None:
        """Ask again for vectors whose job was lost, gave up, or was of another model."""
        if not embedding.usable:
            return
        async with db.work(Caller.system(INDEXER)) as work:
            pending = await case_queries.claim_pending(
                work,
                model_id=embedding.record.model_id,
                queued_before=work.now - LOST_AFTER,
                failed_before=work.now - FAILED_AGAIN_AFTER,
                limit=SWEEP_SIZE,
            )
            for lost in pending:
                await work.enqueue(cases.index_job(lost.workspace, lost.conversation_id))

    walk = _Walk(db)
    return [
        Sweep("embed cases that lack vectors", SWEEP_EVERY, embed_what_is_missing),
        Sweep("index earlier cases", SWEEP_EVERY, walk.on),
    ]


class _Walk:
    """Once in the life of a worker past every resolved thread that is no case yet.

    Finds what was resolved before there were cases, and what lost its job. Going round again and
    again would ask for ever for one that cannot be indexed.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._after: int | None = 0

    async def on(self) -> None:
        """Ask for the next of them, by id."""
        if self._after is None:
            return
        async with self._db.work(Caller.system(INDEXER)) as work:
            found = await case_queries.unindexed(
                work,
                after=self._after,
                resolved_before=work.now - LOST_AFTER,
                limit=SWEEP_SIZE,
            )
            for lost in found:
                await work.enqueue(cases.index_job(lost.workspace, lost.conversation_id))
        self._after = found[-1].conversation_id if len(found) == SWEEP_SIZE else None


@dataclass(frozen=True, slots=True)
class _Case:
    """Where the vectors of one case belong."""

    conversation_id: ConversationId
    stored: Stored

    async def document(self, read: Read) -> DocumentRow | None:
        return await case_queries.document(read, self.stored.case_id)

    async def record(
        self, work: Work, *, model_id: str, entries: Sequence[Entry], vectors: Vectors
    ) -> bool:
        return await cases.record_vectors(
            work, self.stored, model_id=model_id, entries=entries, vectors=vectors
        )

    async def fail(self, work: Work, code: str) -> None:
        await cases.record_failure(work, self.stored.case_id, code)

    async def wait(self, work: Work) -> None:
        await cases.record_waiting(work, self.conversation_id)
