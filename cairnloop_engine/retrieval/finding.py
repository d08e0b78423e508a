"""One search from question to hits: both corpora, what failed of it, and the reranker."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from time import perf_counter

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import Database, Read
from cairnloop_engine.core.errors import CairnloopError, Misconfigured, Unavailable
from cairnloop_engine.retrieval import calibrations, reads
from cairnloop_engine.retrieval.calibrations import Drifts
from cairnloop_engine.retrieval.config import RetrievalConfig
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.grounding import Calibration
from cairnloop_engine.retrieval.model import Degraded, Hit, ReadAs, SourceType
from cairnloop_engine.retrieval.ports import EmbedderRecord, Reranker, Vector
from cairnloop_engine.retrieval.reads import Question, Searched
from cairnloop_engine.retrieval.reranking import reranked

log = logging.getLogger(__name__)

# What resolved cases get at least, however long the articles took.
LEAST_FOR_CASES = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and how: ``record`` is of the model whose vectors were compared.

    ``search_ms`` is everything in the database; reading the question (``read_ms``) and the cases
    (``cases_ms``) are parts of it.
    """

    hits: tuple[Hit, ...]
    degraded: tuple[Degraded, ...]
    record: EmbedderRecord
    embed_ms: float = 0.0
    search_ms: float = 0.0
    calibration: Calibration | None = None
    read_ms: float = 0.0
    cases_ms: float = 0.0
    rerank_ms: float = 0.0
    read_as: tuple[ReadAs, ...] = ()
    identifiers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _Kept:
    """What is known so far; a part that fails later takes nothing of it away."""

    articles: Searched | None = None
    calibration: Calibration | None = None
    judged: bool = False
    cases: Searched | None = None
    cases_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Finder:
    """Searches the articles and the resolved cases of a workspace."""

    db: Database
    config: RetrievalConfig
    drifts: Drifts
    reranker: Reranker | None = None

    async def find(self, caller: Caller, embedding: Embedding, text: str, limit: int) -> Found:
        """The best articles, then the best cases, and what had to be done without.

        Raises:
            Unavailable: ``database_unavailable``.
            Misconfigured: ``schema_missing`` when nothing at all could be searched.
        """
        degraded: list[Degraded] = []
        began = perf_counter()
        vector = await _vector(embedding, text)
        if vector is None:
            degraded.append(Degraded.EMBEDDER_UNAVAILABLE)
        embedded = perf_counter()
        kept = _Kept()
        question = Question(text, vector, limit)
        degraded += await self._search(caller, question, embedding.record, kept)
        searched = perf_counter()
        articles, cases = kept.articles or reads.EMPTY, kept.cases or reads.EMPTY
        hits = articles.hits
        if self.reranker is not None and len(hits) > 1:
            hits = await self._reranked(self.reranker, text, hits, degraded)
        return Found(
            hits + cases.hits,
            tuple(degraded),
            embedding.record,
            embed_ms=(embedded - began) * 1000,
            search_ms=(searched - embedded) * 1000,
            calibration=kept.calibration,
            read_ms=articles.read_ms + cases.read_ms,
            cases_ms=kept.cases_ms,
            rerank_ms=(perf_counter() - searched) * 1000,
            read_as=tuple(dict.fromkeys(articles.terms.read_as + cases.terms.read_as)),
            identifiers=tuple(dict.fromkeys(articles.terms.identifiers + cases.terms.identifiers)),
            left_out=articles.terms.left_out,
        )

    async def _search(
        self, caller: Caller, question: Question, record: EmbedderRecord, kept: _Kept
    ) -> list[Degraded]:
        began = perf_counter()
        try:
            await self._both(caller, question, record, kept)
        except (Unavailable, Misconfigured) as error:
            if kept.judged:
                log.warning("the cases were not searched", extra={"code": error.code})
                return [Degraded.CASES_UNAVAILABLE]
            if error.code == "database_unavailable":
                raise
            log.warning("the articles were not searched", extra={"code": error.code})
            lacking = [_lack(error)]
            if not await self._cases_alone(caller, question, record, kept, began):
                lacking.append(Degraded.CASES_UNAVAILABLE)
                if isinstance(error, Misconfigured):
                    raise
            return lacking
        return []

    async def _both(
        self, caller: Caller, question: Question, record: EmbedderRecord, kept: _Kept
    ) -> None:
        began = perf_counter()
        async with self.db.read(caller) as read:
            kept.articles = await reads.searched(
                read,
                question,
                record=record,
                config=self.config,
                source_type=SourceType.KNOWLEDGE_BASE,
            )
            kept.calibration = await calibrations.in_force(
                read,
                self.drifts,
                model_id=record.model_id,
                max_drift=self.config.calibration_max_drift,
            )
            kept.judged = True
            if kept.articles.has_others:
                await self._cases(read, question, record, kept, began)

    async def _cases_alone(
        self,
        caller: Caller,
        question: Question,
        record: EmbedderRecord,
        kept: _Kept,
        began: float,
    ) -> bool:
        """The cases in a transaction of their own, after the articles ended theirs."""
        try:
            async with self.db.read(caller) as read:
                await self._cases(read, question, record, kept, began)
        except (Unavailable, Misconfigured) as error:
            log.warning("the cases were not searched", extra={"code": error.code})
            return False
        return True

    async def _cases(
        self, read: Read, question: Question, record: EmbedderRecord, kept: _Kept, began: float
    ) -> None:
        started = perf_counter()
        left = self.config.search_timeout - timedelta(seconds=started - began)
        kept.cases = await reads.searched(
            read,
            replace(question, limit=min(question.limit, self.config.case_limit)),
            record=record,
            config=replace(self.config, search_timeout=max(left, LEAST_FOR_CASES)),
            source_type=SourceType.RESOLVED_CASE,
        )
        kept.cases_ms = (perf_counter() - started) * 1000

    async def _reranked(
        self, reranker: Reranker, text: str, hits: tuple[Hit, ...], degraded: list[Degraded]
    ) -> tuple[Hit, ...]:
        limit_s = self.config.rerank_timeout.total_seconds()
        ordered = await reranked(reranker, text, hits, limit_s=limit_s)
        if ordered is None:
            degraded.append(Degraded.RERANKER_UNAVAILABLE)
            return hits
        return ordered


async def _vector(embedding: Embedding, text: str) -> Vector | None:
    try:
        return await embedding.query(text)
    except (Unavailable, Misconfigured) as error:
        log.warning("the query could not be embedded", extra={"code": error.code})
        return None


def _lack(error: CairnloopError) -> Degraded:
    match error.code:
        case "database_timeout":
            return Degraded.SEARCH_TIMED_OUT
        case "schema_missing":
            return Degraded.SEARCH_FAILED
        case _:
            return Degraded.INDEX_BUSY
