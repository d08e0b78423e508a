"""The slice's work in the background: making vectors, and finding what still lacks them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Read, Work
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.jobs import JobContext, Queues, Sweep, TaskSpec
from cairnloop_engine.knowledge import reads as knowledge
from cairnloop_engine.knowledge.events import ArticleArchived, ArticlePublished
from cairnloop_engine.knowledge.markdown import parse
from cairnloop_engine.knowledge.reads import PublishedText
from cairnloop_engine.retrieval import index_queries, queries, service, vector_index
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.indexing import Indexing, take_over
from cairnloop_engine.retrieval.ports import Vectors
from cairnloop_engine.retrieval.tables import DocumentRow
from cairnloop_engine.retrieval.texts import Entry, Passage, to_embed

INDEXER = "indexer"

# A job that has not delivered after this long is taken for lost and asked for again.
LOST_AFTER = timedelta(minutes=10)
# What could not be made is tried again by itself only so often; `replay-failed` asks at once.
FAILED_AGAIN_AFTER = timedelta(hours=1)
SWEEP_EVERY = timedelta(minutes=1)
SWEEP_SIZE = 1_000

# Vectors of a replaced model stay this long: a process that has not been restarted with the new
# settings yet still answers by them.
REPLACED_STAY = timedelta(days=1)
PRUNE_EVERY = timedelta(minutes=10)
PRUNE_SIZE = 10_000

# A million vectors take minutes.
LONGEST_INDEX_BUILD = timedelta(hours=1)

Handler = Callable[[Work, object], Awaitable[None]]


def handlers(config: RetrievalConfig) -> dict[type, Handler]:
    """What runs inside the transactions of the knowledge slice."""

    async def published(work: Work, event: object) -> None:
        assert isinstance(event, ArticlePublished)
        await service.on_article_published(work, event, language=config.language)

    async def archived(work: Work, event: object) -> None:
        assert isinstance(event, ArticleArchived)
        await service.on_article_archived(work, event)

    return {ArticlePublished: published, ArticleArchived: archived}


def tasks(db: Database, embedding: Embedding, config: RetrievalConfig) -> list[TaskSpec]:
    async def index_article(job: JobContext) -> None:
        caller = Caller.system(INDEXER, job.workspace)
        article_id = ArticleId(job.integer("article_id"))
        source = await _source(db, caller, article_id)
        if source is None:
            await db.retrying(caller, lambda work: service.remove(work, article_id))
            return
        # A thread, because a long article takes seconds to read.
        body = await asyncio.to_thread(_body, source)
        rebuild = job.args.get("rebuild") is True
        if rebuild:
            await _rewrite_words(db, caller, source, body, config.language)
        indexing = Indexing(db, caller, _Article(source), _entries(source, body), job.attempt)
        await indexing.run(embedding, again=rebuild)

    async def build_vector_index(job: JobContext) -> None:
        await vector_index.create(db, embedding.record)

    return [
        TaskSpec(
            service.INDEX_TASK,
            Queues.INDEXING,
            index_article,
            # Two models at most, while one replaces the other.
            hard_cap=2 * config.passage_embedding_timeout + timedelta(minutes=1),
        ),
        TaskSpec(
            service.VECTOR_INDEX_TASK,
            Queues.INDEXING,
            build_vector_index,
            hard_cap=LONGEST_INDEX_BUILD,
            retries=1,
        ),
    ]


def sweeps(db: Database, embedding: Embedding) -> list[Sweep]:
    """What looks after the index without being asked; nothing where no embedder is set up."""
    if not embedding.usable:
        return []
    model_id = embedding.record.model_id
    taken_over: set[str] = set()

    async def index_what_is_missing() -> None:
        """Ask again for vectors whose job was lost, gave up, or was of another model."""
        async with db.work(Caller.system(INDEXER)) as work:
            pending = await index_queries.claim_pending(
                work,
                model_id=model_id,
                queued_before=work.now - LOST_AFTER,
                failed_before=work.now - FAILED_AGAIN_AFTER,
                limit=SWEEP_SIZE,
            )
            for lost in pending:
                await work.enqueue(service.index_job(lost.workspace, lost.article_id))

    async def let_the_model_answer() -> None:
        """Where the last vector's job could not, as when the last article was archived.

        Once for each workspace: processes with different settings shall not take turns.
        """
        async with db.read(Caller.system(INDEXER)) as read:
            waiting = await index_queries.workspaces_served_otherwise(read, model_id)
        for workspace in sorted(set(waiting) - taken_over):
            if await take_over(db, Caller.system(INDEXER, workspace), model_id):
                taken_over.add(workspace)

    async def prune_replaced() -> None:
        async with db.work(Caller.system(INDEXER)) as work:
            await index_queries.prune_models(
                work, kept=model_id, queued_before=work.now - REPLACED_STAY, limit=PRUNE_SIZE
            )

    return [
        Sweep("index what is missing", SWEEP_EVERY, index_what_is_missing),
        Sweep("let the new model answer", SWEEP_EVERY, let_the_model_answer),
        Sweep("prune replaced vectors", PRUNE_EVERY, prune_replaced),
    ]


async def _source(db: Database, caller: Caller, article_id: ArticleId) -> PublishedText | None:
    async with db.read(caller) as read:
        return await knowledge.published_text(read, article_id)


def _body(source: PublishedText) -> str:
    return parse(source.content, title=source.title).text


async def _rewrite_words(
    db: Database, caller: Caller, source: PublishedText, body: str, language: str
) -> None:
    async def run(work: Work) -> None:
        current = await knowledge.published_text(work, source.article_id)
        # Published again meanwhile: that publication wrote the words of the newer text.
        if current is not None and current.revision_id == source.revision_id:
            await service.write_words(
                work,
                source.article_id,
                source.revision_id,
                title=source.title,
                body=body,
                language=language,
            )

    await db.retrying(caller, run)


@dataclass(frozen=True, slots=True)
class _Article:
    """Where the vectors of one published text belong."""

    source: PublishedText

    async def document(self, read: Read) -> DocumentRow | None:
        return await queries.document(read, self.source.article_id)

    async def record(
        self, work: Work, *, model_id: str, entries: Sequence[Entry], vectors: Vectors
    ) -> bool:
        return await service.record_vectors(
            work,
            self.source.article_id,
            self.source.revision_id,
            model_id=model_id,
            entries=entries,
            vectors=vectors,
        )

    async def fail(self, work: Work, code: str) -> None:
        await service.record_failure(work, self.source.article_id, code)

    async def wait(self, work: Work) -> None:
        await service.record_waiting(work, self.source.article_id)


def _entries(source: PublishedText, body: str) -> list[Entry]:
    passages = [Passage(c.id, c.position, c.heading, c.content) for c in source.chunks]
    return to_embed(source.title, body, passages)
