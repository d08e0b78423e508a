"""The slice's work in the background: making vectors, and finding what still lacks them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.errors import Misconfigured, Unavailable
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.jobs import JobContext, Queues, Sweep, TaskSpec
from cairnloop_engine.knowledge import reads as knowledge
from cairnloop_engine.knowledge.events import ArticleArchived, ArticlePublished
from cairnloop_engine.knowledge.markdown import parse
from cairnloop_engine.knowledge.reads import PublishedText
from cairnloop_engine.retrieval import index_queries, queries, service
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.texts import Entry, Passage, to_embed

INDEXER = "indexer"

# A job that has not delivered after this long is taken for lost and asked for again.
LOST_AFTER = timedelta(minutes=10)
SWEEP_EVERY = timedelta(minutes=1)
SWEEP_SIZE = 200

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
        rebuild = job.args.get("rebuild") is True
        source = await _source(db, caller, article_id)
        if source is None:
            await db.retrying(caller, lambda work: service.remove(work, article_id))
            return
        # A thread, because a long article takes seconds to read.
        body = await asyncio.to_thread(_body, source)
        if rebuild:
            await _rewrite_words(db, caller, source, body, config.language)
        elif await _is_done(db, caller, source, embedding.record.model_id):
            return
        await _make_vectors(db, caller, embedding, source, body)

    return [
        TaskSpec(
            service.INDEX_TASK,
            Queues.INDEXING,
            index_article,
            hard_cap=config.passage_embedding_timeout + timedelta(minutes=1),
        )
    ]


def sweeps(db: Database, embedding: Embedding) -> list[Sweep]:
    async def index_what_is_missing() -> None:
        """Ask again for vectors whose job was lost, gave up, or was of another model."""
        async with db.work(Caller.system(INDEXER)) as work:
            pending = await index_queries.claim_pending(
                work,
                model_id=embedding.record.model_id,
                queued_before=work.now - LOST_AFTER,
                limit=SWEEP_SIZE,
            )
            for lost in pending:
                await work.enqueue(service.index_job(lost.workspace, lost.article_id))

    return [Sweep("index what is missing", SWEEP_EVERY, index_what_is_missing)]


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


async def _is_done(db: Database, caller: Caller, source: PublishedText, model_id: str) -> bool:
    async with db.read(caller) as read:
        document = await queries.document(read, source.article_id)
        return document is None or await index_queries.has_vectors(
            read, document.id, model_id=model_id
        )


async def _make_vectors(
    db: Database, caller: Caller, embedding: Embedding, source: PublishedText, body: str
) -> None:
    """Read, embed with no transaction open, record: old vectors stay until new ones are there."""
    entries = _entries(source, body)
    try:
        vectors = await embedding.passages([entry.text for entry in entries])
    except (Misconfigured, Unavailable) as error:
        code = error.code

        async def note(work: Work) -> None:
            await service.record_failure(work, source.article_id, code)

        await db.retrying(caller, note)
        raise
    crashpoint("retrieval.vectors_made")

    async def record(work: Work) -> bool:
        return await service.record_vectors(
            work,
            source.article_id,
            source.revision_id,
            model_id=embedding.record.model_id,
            entries=entries,
            vectors=vectors,
        )

    await db.retrying(caller, record)


def _entries(source: PublishedText, body: str) -> list[Entry]:
    passages = [Passage(c.id, c.position, c.heading, c.content) for c in source.chunks]
    return to_embed(source.title, body, passages)
