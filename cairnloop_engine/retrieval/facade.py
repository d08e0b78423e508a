"""The retrieval slice as an edge sees it: search, evidence for a draft, and care of the index."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.errors import Invalid, Misconfigured, NotFound, Unavailable
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.paging import checked_limit
from cairnloop_engine.core.text import storable
from cairnloop_engine.knowledge import reads as knowledge
from cairnloop_engine.retrieval import index_queries, reads, service, vector_index
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.grounding import assess, carries_reply
from cairnloop_engine.retrieval.health import IndexProblem, IndexStatus, index_status
from cairnloop_engine.retrieval.model import (
    Degraded,
    Evidence,
    Grounding,
    GroundingBundle,
    Hit,
    SearchResult,
    Trace,
)
from cairnloop_engine.retrieval.ports import EmbedderRecord, Vector
from cairnloop_engine.retrieval.reads import Question
from cairnloop_engine.retrieval.serving import Serving

log = logging.getLogger(__name__)

# How many articles one transaction asks to be rebuilt.
REBUILD_BATCH = 200


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many articles were queued to be indexed again."""

    n_queued: int


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """What becomes of the index over a model's vectors."""

    embedder: str
    queued: bool


@dataclass(frozen=True, slots=True)
class _Found:
    hits: tuple[Hit, ...]
    degraded: tuple[Degraded, ...]
    # Of the model whose vectors were compared.
    record: EmbedderRecord
    embed_ms: float = 0.0
    search_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What an edge may ask of the index."""

    db: Database
    embedding: Embedding
    config: RetrievalConfig = field(default_factory=RetrievalConfig)
    serving: Serving = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "serving", Serving(self.embedding))

    async def search(
        self, caller: Caller, query: str, *, limit: int = 8, explain: bool = False
    ) -> SearchResult:
        """The best passages for a question, one for each article, with how sure they make us.

        Without an embedder it searches by words and says so in ``degraded``; when the search
        itself takes too long it finds nothing and says so. ``explain`` adds what it took.

        Raises:
            Unavailable: ``database_unavailable``.
            Invalid: ``limit_invalid``.
        """
        text, shortened = self._question(query)
        found = await self._find(caller, text, checked_limit(limit), shortened)
        return SearchResult(
            query=text,
            items=found.hits,
            grounding=self._assess(found, attempts=0),
            degraded=found.degraded,
            embedder=found.record.model_id,
            trace=self._trace(found) if explain else None,
        )

    async def evidence_for(
        self, caller: Caller, query: str, *, attempts: int = 0, limit: int | None = None
    ) -> GroundingBundle:
        """What the knowledge says about a customer's question, as a draft needs it.

        ``attempts`` counts the clarifying questions already asked since the last real answer.

        Raises:
            Unavailable: ``database_unavailable``.
        """
        text, shortened = self._question(query)
        found = await self._find(
            caller, text, checked_limit(limit or self.config.evidence_limit), shortened
        )
        return GroundingBundle(
            query=text,
            evidence=tuple(
                self._evidence(number, hit, found.record)
                for number, hit in enumerate(found.hits, start=1)
            ),
            grounding=self._assess(found, attempts=attempts),
            attempts=attempts,
            degraded=found.degraded,
            embedder=found.record.model_id,
        )

    async def status(self, caller: Caller) -> IndexStatus:
        """How complete the index is, and what is wrong with it. Tries the embedder."""
        unfit = await self._embedder_problem()
        async with self.db.read(caller) as read:
            found = await index_status(read, self.embedding, calibrated=False)
        return found if unfit is None else replace(found, problems=(unfit, *found.problems))

    async def rebuild(
        self, caller: Caller, *, article_ids: Sequence[ArticleId] | None = None
    ) -> Rebuilt:
        """Index articles again in the background: the given ones, or with None all of them.

        Raises:
            Invalid: ``nothing_selected`` when the given selection is empty.
            NotFound: ``article_not_published``.
        """
        caller.acting()
        if article_ids is not None and not article_ids:
            raise Invalid("nothing_selected", "No article is selected, so nothing was rebuilt.")
        if article_ids is None:
            await self.db.retrying(caller, service.recount)
        known = await self._everything(caller)
        wanted = known if article_ids is None else sorted(set(article_ids))
        missing = set(wanted) - set(known)
        if missing:
            raise NotFound(
                "article_not_published",
                f"Article {min(missing)} is not published, so there is nothing of it to index.",
                article_id=min(missing),
            )
        for start in range(0, len(wanted), REBUILD_BATCH):
            async with self.db.work(caller) as work:
                await service.request_rebuild(work, wanted[start : start + REBUILD_BATCH])
        return Rebuilt(len(wanted))

    async def replay_failed(self, caller: Caller) -> Rebuilt:
        """Try once more to make the vectors that could not be made; nothing else is repeated."""
        async with self.db.work(caller) as work:
            return Rebuilt(await service.request_replay(work))

    async def build_vector_index(self, caller: Caller) -> VectorIndex:
        """Ask for an index over the vectors of the configured embedder, in the background.

        ``queued`` is False when there is one already.
        """
        record = self.embedding.record
        async with self.db.work(caller) as work:
            queued = not await vector_index.exists(work, record.model_id)
            if queued:
                await service.request_vector_index(work, record.model_id)
        return VectorIndex(record.model_id, queued)

    async def _find(self, caller: Caller, text: str, limit: int, shortened: bool) -> _Found:
        degraded = [Degraded.QUERY_SHORTENED] if shortened else []
        if not text:
            return _Found((), tuple(degraded), self.embedding.record)
        embedding = await self.serving.embedding(self.db, caller)
        record = embedding.record
        began = perf_counter()
        vector = await _vector(embedding, text)
        if vector is None:
            degraded.append(Degraded.EMBEDDER_UNAVAILABLE)
        embedded = perf_counter()
        hits: tuple[Hit, ...] = ()
        try:
            async with self.db.read(caller) as read:
                hits = await reads.search(
                    read,
                    Question(text, vector, limit),
                    record=record,
                    config=self.config,
                )
        except Unavailable as error:
            if error.code == "database_unavailable":
                raise
            log.warning("search failed", extra={"code": error.code})
            timed_out = error.code == "database_timeout"
            degraded.append(Degraded.SEARCH_TIMED_OUT if timed_out else Degraded.INDEX_BUSY)
        searched = perf_counter()
        return _Found(
            hits, tuple(degraded), record, (embedded - began) * 1000, (searched - embedded) * 1000
        )

    async def _embedder_problem(self) -> IndexProblem | None:
        try:
            # A passage, because an answer to a question may be a remembered one.
            await self.embedding.passages(["status"])
        except (Unavailable, Misconfigured) as error:
            return IndexProblem(
                error.code, error.message, "Searches find by words only until this is settled."
            )
        return None

    async def _everything(self, caller: Caller) -> list[ArticleId]:
        async with self.db.read(caller) as read:
            wanted = set(await index_queries.indexed_articles(read))
            after = 0
            while page := await knowledge.published_ids(read, after=after, limit=1000):
                wanted.update(page)
                after = page[-1]
        return sorted(wanted)

    def _question(self, query: str) -> tuple[str, bool]:
        text = " ".join(storable(query).split())
        return text[: self.config.max_query_length], len(text) > self.config.max_query_length

    def _assess(self, found: _Found, *, attempts: int) -> Grounding:
        return assess(
            found.hits,
            thresholds=found.record.thresholds,
            degraded=found.degraded,
            attempts=attempts,
            clarification_limit=self.config.clarification_limit,
        )

    def _evidence(self, number: int, hit: Hit, record: EmbedderRecord) -> Evidence:
        return Evidence(
            number=number,
            source_type=hit.source_type,
            trust=hit.trust,
            title=hit.title,
            heading=hit.heading,
            content=hit.content,
            excerpt=hit.excerpt,
            sentences=hit.sentences,
            score=hit.score,
            groundable=carries_reply(hit, record.thresholds),
            why=hit.why,
            citation=hit.citation,
            revision_id=hit.revision_id,
        )

    def _trace(self, found: _Found) -> Trace:
        record = found.record
        return Trace(
            embedder=record.model_id,
            fusion=self.config.fusion.value,
            alpha=record.alpha if self.config.alpha is None else self.config.alpha,
            embed_ms=found.embed_ms,
            search_ms=found.search_ms,
        )


async def _vector(embedding: Embedding, text: str) -> Vector | None:
    try:
        return await embedding.query(text)
    except (Unavailable, Misconfigured) as error:
        log.warning("the query could not be embedded", extra={"code": error.code})
        return None
