"""The retrieval slice as an edge sees it: search, evidence for a draft, and care of the index."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Read
from cairnloop_engine.core.errors import Invalid, Misconfigured, NotFound, Unavailable
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.paging import checked_limit
from cairnloop_engine.core.text import storable
from cairnloop_engine.knowledge import reads as knowledge
from cairnloop_engine.retrieval import (
    calibrations,
    cases,
    index_queries,
    service,
    telemetry,
    vector_index,
)
from cairnloop_engine.retrieval.calibrations import CalibrationView, Drifts, Standing
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.finding import Finder, Found
from cairnloop_engine.retrieval.gap_model import Surface
from cairnloop_engine.retrieval.grounding import assess, carries_reply
from cairnloop_engine.retrieval.health import (
    IndexProblem,
    IndexStatus,
    calibration_problems,
    index_status,
)
from cairnloop_engine.retrieval.languages import language_problems
from cairnloop_engine.retrieval.model import (
    Degraded,
    Evidence,
    Grounding,
    GroundingBundle,
    Hit,
    SearchResult,
    Trace,
    Trust,
)
from cairnloop_engine.retrieval.ports import EmbedderRecord, Reranker
from cairnloop_engine.retrieval.serving import Serving

log = logging.getLogger(__name__)

# How many articles one transaction asks to be rebuilt.
REBUILD_BATCH = 200


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many articles, and how many resolved cases, were queued to be indexed again."""

    n_queued: int
    n_cases: int = 0


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """What becomes of the index over a model's vectors."""

    embedder: str
    queued: bool


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What an edge may ask of the index."""

    db: Database
    embedding: Embedding
    config: RetrievalConfig = field(default_factory=RetrievalConfig)
    drifts: Drifts = field(default_factory=Drifts)
    reranker: Reranker | None = None
    serving: Serving = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "serving", Serving(self.embedding))

    async def search(
        self,
        caller: Caller,
        query: str,
        *,
        limit: int = 8,
        explain: bool = False,
        surface: Surface = Surface.UNSPECIFIED,
    ) -> SearchResult:
        """The best passages for a question, one for each article, with how sure they make us.

        Behind at most ``limit`` articles stand a few resolved cases. Without an embedder it
        searches by words and says so in ``degraded``; when the search itself takes too long it
        finds nothing and says so. ``explain`` adds what it took, ``surface`` is for monitoring.

        Raises:
            Unavailable: ``database_unavailable``.
            Invalid: ``limit_invalid``.
        """
        found = await self._find(caller, query, checked_limit(limit), surface)
        return SearchResult(
            query=self._question(query)[0],
            items=found.hits,
            grounding=self._assess(found, attempts=0),
            degraded=found.degraded,
            embedder=found.record.model_id,
            trace=self._trace(found) if explain else None,
            read_as=found.read_as,
        )

    async def evidence_for(
        self,
        caller: Caller,
        query: str,
        *,
        attempts: int = 0,
        limit: int | None = None,
        surface: Surface = Surface.DRAFT_GENERATION,
    ) -> GroundingBundle:
        """What the knowledge says about a customer's question, as a draft needs it.

        ``attempts`` counts the clarifying questions already asked since the last real answer.
        Whatever else goes wrong is an escalation that says so, never an error.

        Raises:
            Unavailable: ``database_unavailable``.
        """
        most = checked_limit(limit or self.config.evidence_limit)
        began = perf_counter()
        try:
            found = await self._find(caller, query, most, surface)
        except Unavailable:
            raise
        # A draft that says what it lacks is worth more than a job that fails five times.
        except Exception:
            log.exception("a search for a draft broke")
            found = Found((), (Degraded.SEARCH_FAILED,), self.embedding.record)
        bundle = self.judged(query, found, attempts=attempts)
        telemetry.grounded(
            surface,
            found.hits,
            bundle.grounding,
            groundable=any(one.groundable for one in bundle.evidence),
            milliseconds=_since(began),
        )
        return bundle

    def judged(self, query: str, found: Found, *, attempts: int = 0) -> GroundingBundle:
        """What a search found, numbered and graded as it would ground a draft."""
        grounding = self._assess(found, attempts=attempts)
        evidence = tuple(
            self._evidence(number, hit, grounding, found.record)
            for number, hit in enumerate(found.hits, start=1)
        )
        return GroundingBundle(
            query=self._question(query)[0],
            evidence=evidence,
            grounding=grounding,
            attempts=attempts,
            degraded=found.degraded,
            embedder=found.record.model_id,
        )

    async def calibration(self, caller: Caller) -> CalibrationView:
        """Whether one's own labelled questions decide what is strong, and since when."""
        answering = await self.serving.embedding(self.db, caller)
        async with self.db.read(caller) as read:
            return await self._calibration(read, answering.record)

    async def status(self, caller: Caller) -> IndexStatus:
        """How complete the index is, and what is wrong with it. Tries the embedder."""
        unfit = await self._embedder_problem()
        async with self.db.read(caller) as read:
            calibration = await self._calibration(read, self.embedding.record)
            calibrated = calibration.standing is Standing.GRANTED
            found = await index_status(read, self.embedding, calibrated=calibrated)
            misread = await language_problems(read, self.config.language)
        first = () if unfit is None else (unfit,)
        expired = calibration_problems(calibration)
        return replace(found, problems=(*first, *found.problems, *misread, *expired))

    async def rebuild(
        self, caller: Caller, *, article_ids: Sequence[ArticleId] | None = None
    ) -> Rebuilt:
        """Index again in the background: the given articles, or with None all and every case.

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
        return Rebuilt(len(wanted), await self._rebuild_cases(caller) if article_ids is None else 0)

    async def replay_failed(self, caller: Caller) -> Rebuilt:
        """Try once more to make the vectors that could not be made; nothing else is repeated."""
        async with self.db.work(caller) as work:
            return Rebuilt(await service.request_replay(work), await cases.request_replay(work))

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

    async def _find(self, caller: Caller, query: str, limit: int, surface: Surface) -> Found:
        text, shortened = self._question(query)
        began = perf_counter()
        finder = Finder(self.db, self.config, self.drifts, self.reranker)
        try:
            found = Found((), (), self.embedding.record)
            if text:
                embedding = await self.serving.embedding(self.db, caller)
                found = await finder.find(caller, embedding, text, limit)
        except Exception:
            telemetry.searched(surface, (), (Degraded.SEARCH_FAILED,), milliseconds=_since(began))
            raise
        telemetry.searched(surface, found.hits, found.degraded, milliseconds=_since(began))
        if shortened:
            return replace(found, degraded=(Degraded.QUERY_SHORTENED, *found.degraded))
        return found

    async def _calibration(self, read: Read, record: EmbedderRecord) -> CalibrationView:
        return await calibrations.standing(
            read,
            self.drifts,
            model_id=record.model_id,
            max_drift=self.config.calibration_max_drift,
        )

    async def _embedder_problem(self) -> IndexProblem | None:
        try:
            await self.embedding.probe()
        except (Unavailable, Misconfigured) as error:
            return IndexProblem(
                error.code, error.message, "Searches find by words only until this is settled."
            )
        return None

    async def _rebuild_cases(self, caller: Caller) -> int:
        async with self.db.read(caller) as read:
            wanted = await cases.everything(read)
        if wanted:
            await self.db.retrying(caller, cases.recount)
        for start in range(0, len(wanted), REBUILD_BATCH):
            async with self.db.work(caller) as work:
                await cases.request_rebuild(work, wanted[start : start + REBUILD_BATCH])
        return len(wanted)

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

    def _assess(self, found: Found, *, attempts: int) -> Grounding:
        return assess(
            found.hits,
            thresholds=found.record.thresholds,
            calibration=found.calibration,
            degraded=found.degraded,
            attempts=attempts,
            clarification_limit=self.config.clarification_limit,
        )

    def _evidence(
        self, number: int, hit: Hit, grounding: Grounding, record: EmbedderRecord
    ) -> Evidence:
        # What makes the first article strong was calibrated; what else may be quoted was not.
        first = number == 1 and hit.trust is Trust.CANONICAL
        judged = first and grounding.calibrated and grounding.may_reply
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
            groundable=judged or carries_reply(hit, record.thresholds),
            why=hit.why,
            citation=hit.citation,
            revision_id=hit.revision_id,
        )

    def _trace(self, found: Found) -> Trace:
        record = found.record
        return Trace(
            embedder=record.model_id,
            fusion=self.config.fusion.value,
            alpha=record.alpha if self.config.alpha is None else self.config.alpha,
            embed_ms=found.embed_ms,
            search_ms=found.search_ms,
            read_ms=found.read_ms,
            cases_ms=found.cases_ms,
            rerank_ms=found.rerank_ms,
            language=self.config.language,
            identifiers=found.identifiers,
            left_out=found.left_out,
        )


def _since(began: float) -> float:
    """Milliseconds since a moment of the performance counter."""
    return (perf_counter() - began) * 1000
