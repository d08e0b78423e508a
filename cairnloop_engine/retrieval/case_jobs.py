"""Making resolved cases in the background: read, redact, write the words, then the vectors.

The job can die after any line. What it has written by then is whole, and running it again changes
nothing that was done; old vectors stay until new ones are there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from cairnloop_engine.conversations.events import (
    ConversationArchived,
    ConversationReopened,
    ConversationResolved,
    MessageReleased,
)
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Database, EventHandler, Work
from cairnloop_engine.core.errors import Misconfigured, Unavailable
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.jobs import JobContext, Queues, Sweep, TaskSpec
from cairnloop_engine.retrieval import case_queries, cases, index_queries
from cairnloop_engine.retrieval.case_ports import ActionsTaken
from cairnloop_engine.retrieval.case_texts import tell
from cairnloop_engine.retrieval.cases import Stored
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.texts import to_embed

INDEXER = "indexer"

# A job that has not delivered after this long is taken for lost and asked for again.
LOST_AFTER = timedelta(minutes=10)
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
        if stored is None or not embedding.usable:
            return
        if not rebuild and await _is_done(db, caller, embedding, stored):
            return
        await _make_vectors(db, caller, embedding, stored)

    return [
        TaskSpec(
            cases.INDEX_CASE_TASK,
            Queues.INDEXING,
            index_case,
            hard_cap=config.passage_embedding_timeout + timedelta(minutes=1),
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


async def _is_done(db: Database, caller: Caller, embedding: Embedding, stored: Stored) -> bool:
    async with db.read(caller) as read:
        document = await case_queries.document(read, stored.case_id)
        return document is None or await index_queries.has_vectors(
            read, document.id, model_id=embedding.record.model_id
        )


async def _make_vectors(db: Database, caller: Caller, embedding: Embedding, stored: Stored) -> None:
    """Embed with no transaction open, then record, if the case is still the same."""
    entries = to_embed(stored.told.subject, stored.told.body, stored.passages)
    try:
        vectors = await embedding.passages([entry.text for entry in entries])
    except (Misconfigured, Unavailable) as error:
        code = error.code

        async def note(work: Work) -> None:
            await cases.record_failure(work, stored.case_id, code)

        await db.retrying(caller, note)
        if isinstance(error, Misconfigured):
            # It is written down, and trying again cannot mend it.
            return
        raise
    crashpoint("retrieval.case_vectors_made")

    async def record(work: Work) -> bool:
        return await cases.record_vectors(
            work,
            stored,
            model_id=embedding.record.model_id,
            entries=entries,
            vectors=vectors,
        )

    await db.retrying(caller, record)
