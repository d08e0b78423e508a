"""Keeping the search index true to what is published. Every function takes a Work."""

from __future__ import annotations

from collections.abc import Sequence

from cairnloop_engine.audit import service as audit
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.ids import ArticleId, RevisionId
from cairnloop_engine.core.jobs import Job
from cairnloop_engine.knowledge import service as knowledge
from cairnloop_engine.knowledge.events import ArticleArchived, ArticlePublished
from cairnloop_engine.retrieval import index_queries, queries
from cairnloop_engine.retrieval.model import SourceType
from cairnloop_engine.retrieval.ports import Vectors
from cairnloop_engine.retrieval.texts import Entry, word_pieces

INDEX_TASK = "retrieval.index_article"
VECTOR_INDEX_TASK = "retrieval.build_vector_index"


async def on_article_published(work: Work, event: ArticlePublished, *, language: str) -> None:
    """Make an article findable by its words at once; its vectors follow in a job."""
    doc_id = await write_words(
        work,
        event.article_id,
        event.revision_id,
        title=event.title,
        body=event.body,
        language=language,
    )
    # The vectors of the older text must not find the new one.
    await queries.delete_vectors(work, doc_id)
    await work.enqueue(index_job(work.workspace, event.article_id))


async def on_article_archived(work: Work, event: ArticleArchived) -> None:
    """Make sure that an article is never found again."""
    await remove(work, event.article_id)


def index_job(workspace: str, article_id: ArticleId, *, rebuild: bool = False) -> Job:
    return Job(INDEX_TASK, {"workspace": workspace, "article_id": article_id, "rebuild": rebuild})


async def write_words(
    work: Work,
    article_id: ArticleId,
    revision_id: RevisionId,
    *,
    title: str,
    body: str,
    language: str,
) -> int:
    """Write an article's place in the index, its postings and statistics; returns its id there."""
    corpus_id = await queries.lock_corpus(work, SourceType.KNOWLEDGE_BASE)
    before = await queries.lock_document(work, article_id)
    if before is not None:
        await queries.remove_words(work, corpus_id, before.id)
    doc_id = await queries.put_document(work, corpus_id, article_id, revision_id, title)
    await queries.add_words(
        work, corpus_id, doc_id, language=language, title=title, pieces=word_pieces(body)
    )
    return doc_id


async def remove(work: Work, article_id: ArticleId) -> None:
    """Take an article out of the index, with its words, statistics and vectors."""
    corpus_id = await queries.lock_corpus(work, SourceType.KNOWLEDGE_BASE)
    before = await queries.lock_document(work, article_id)
    if before is None:
        return
    await queries.remove_words(work, corpus_id, before.id)
    await queries.delete_document(work, before.id)


async def record_vectors(
    work: Work,
    article_id: ArticleId,
    revision_id: RevisionId,
    *,
    model_id: str,
    entries: Sequence[Entry],
    vectors: Vectors,
) -> bool:
    """Store the vectors of one revision; False when it is no longer the one that can be found."""
    document = await queries.lock_document(work, article_id)
    if document is None or document.revision_id != revision_id:
        return False
    await queries.delete_vectors(work, document.id, model_id=model_id)
    await queries.put_vectors(work, document, model_id, entries, vectors)
    await index_queries.note_error(work, document.id, None)
    await knowledge.mark_indexed(work, article_id, revision_id)
    return True


async def record_waiting(work: Work, article_id: ArticleId) -> None:
    """Note that the job of an article lives and tries again, so that nobody takes it for lost."""
    await index_queries.note_queued(work, [article_id])


async def record_failure(work: Work, article_id: ArticleId, code: str) -> None:
    """Remember why an article has no vectors; it stays findable by its words."""
    document = await queries.lock_document(work, article_id)
    if document is not None:
        await index_queries.note_error(work, document.id, code)
        work.changed("article", article_id)


async def recount(work: Work) -> None:
    """Bring the statistics of the workspace back to what its rows say."""
    await queries.recount(work, await queries.lock_corpus(work, SourceType.KNOWLEDGE_BASE))


async def request_rebuild(work: Work, article_ids: Sequence[ArticleId]) -> None:
    """Ask for words and vectors of these articles to be made again, in the background."""
    await index_queries.note_queued(work, article_ids)
    await _enqueue(work, article_ids)
    await audit.record(
        work,
        "retrieval.rebuild_requested",
        subject=("article", article_ids[0] if len(article_ids) == 1 else 0),
        article_count=len(article_ids),
    )


async def request_replay(work: Work) -> int:
    """Ask once more for what could not be made; returns for how many articles.

    Asking takes the failure off each of them, so a second call finds nothing to ask for.
    """
    failed = await index_queries.claim_failed(work)
    if failed:
        await _enqueue(work, failed)
        await audit.record(
            work,
            "retrieval.replay_requested",
            subject=("article", failed[0] if len(failed) == 1 else 0),
            article_count=len(failed),
        )
    return len(failed)


async def request_vector_index(work: Work, model_id: str) -> None:
    """Ask for the index over the vectors of a model, in the background."""
    await work.enqueue(Job(VECTOR_INDEX_TASK, {"workspace": work.workspace}))
    await audit.record(
        work, "retrieval.vector_index_requested", subject=("workspace", 0), model=model_id
    )


async def _enqueue(work: Work, article_ids: Sequence[ArticleId]) -> None:
    for article_id in article_ids:
        await work.enqueue(index_job(work.workspace, article_id, rebuild=True))
