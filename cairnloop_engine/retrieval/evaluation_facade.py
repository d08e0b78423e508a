"""Evaluation as an edge sees it: retrieval on a set of questions, and calibration on one's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from time import perf_counter

import numpy as np

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Database, Work
from cairnloop_engine.core.errors import Invalid, Unavailable
from cairnloop_engine.core.ids import ArticleId, CalibrationId, RevisionId
from cairnloop_engine.core.text import storable
from cairnloop_engine.knowledge.chunking import chunk
from cairnloop_engine.knowledge.markdown import parse
from cairnloop_engine.retrieval import (
    calibration_queries,
    calibrations,
    evaluation_queries,
    queries,
    reads,
    texts,
)
from cairnloop_engine.retrieval.calibrating import Labelled, Outcome, calibrate
from cairnloop_engine.retrieval.calibrations import Made
from cairnloop_engine.retrieval.datasets import Dataset, Document, Query
from cairnloop_engine.retrieval.evaluating import (
    Asked,
    Grounded,
    GroundingQuality,
    grounding_quality,
    latency,
    ranking,
)
from cairnloop_engine.retrieval.evaluation_queries import TABLES, VECTORS, Passage
from cairnloop_engine.retrieval.facade import Retrieval
from cairnloop_engine.retrieval.finding import Found
from cairnloop_engine.retrieval.grounding import FEATURES, assess
from cairnloop_engine.retrieval.labels import Resolved, read_labels, resolve
from cairnloop_engine.retrieval.model import FAILED, Degraded, GroundingBundle, Hit, Trust
from cairnloop_engine.retrieval.ports import Vector, Vectors
from cairnloop_engine.retrieval.reads import Question
from cairnloop_engine.retrieval.texts import Entry, word_pieces

# The ranking measures look at ten results.
SHALLOWEST = 10
TEXTS_AT_ONCE = 128
DOCUMENTS_AT_ONCE = 200
# A search that a customer would not get any more must not end the evaluation.
PATIENCE = timedelta(minutes=1)
SMALLEST_RISK, LARGEST_RISK = 0.01, 0.5
# What a calibration may look at: the signals, and the rules that it leaves as they are.
KEPT = (*FEATURES, "off_topic", "tie_margin")

EVALUATOR = Caller.system("evaluation", "evaluation")

# What is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """How well the real retrieval did on a set of questions.

    ``n_unreadable`` documents hold no text and cannot be found; ``n_unknown`` judgements name a
    question or a document that is not in the set.
    """

    embedder: str
    n_documents: int
    n_queries: int
    n_unanswerable: int
    n_unreadable: int
    n_unknown: int
    n_vectors: int
    ranking: Mapping[str, float | None]
    grounding: GroundingQuality
    latency_ms: Mapping[str, float | None]
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What the labels said, and the calibration that was recorded of it."""

    calibration_id: CalibrationId
    model_id: str
    risk: float
    n_unanswerable: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A document, cut as an article would be; ``id`` stands for article and revision."""

    id: int
    document_id: str
    title: str
    body: str
    passages: tuple[Passage, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class _Asking:
    """A question with its vector, before the transaction begins."""

    query: Query
    text: str
    vector: Vector | None
    embed_ms: float


def _silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an edge may ask about the quality of retrieval and grounding."""

    db: Database
    retrieval: Retrieval

    async def score(
        self, dataset: Dataset, *, k: int = SHALLOWEST, progress: Progress = _silent
    ) -> RetrievalReport:
        """Run the real retrieval on somebody else's documents, and leave no trace of them.

        Everything is embedded first. Then temporary copies of the index are filled, searched and
        rolled back in one transaction; nothing of it can be seen by anybody else, and nothing
        stays, also when this process is killed.

        Raises:
            Invalid: ``depth_invalid``, or ``dataset_empty`` when no document holds any text.
            Unavailable: the database or the embedder is away.
            Misconfigured: the embedder is not installed, or ``temporary_tables_forbidden``.
        """
        if not 1 <= k <= 100:
            raise Invalid("depth_invalid", "Results are counted to a depth of 1 to 100.")
        asked: list[Asked] = []
        async with self._loaded(dataset, progress) as (work, prepared, asking):
            names = {one.id: one.document_id for one in prepared}
            for done, one in enumerate(asking, start=1):
                asked.append(await self._asked(work, one, names, depth=max(k, SHALLOWEST)))
                progress("Searching", done, len(asking))
        return RetrievalReport(
            embedder=self.retrieval.embedding.record.model_id,
            n_documents=len(dataset.documents),
            n_queries=len(dataset.queries),
            n_unanswerable=dataset.n_unanswerable,
            n_unreadable=len(dataset.documents) - len(prepared),
            n_unknown=dataset.n_unknown,
            n_vectors=sum(len(one.entries) for one in prepared),
            ranking=ranking(asked, k=k),
            grounding=grounding_quality(asked),
            latency_ms=latency(asked),
            asked=tuple(asked),
        )

    async def grounded(self, dataset: Dataset, *, progress: Progress = _silent) -> Grounded:
        """Search as :meth:`score` does, and bring what drafts would be made from.

        Raises as :meth:`score`.
        """
        depth = self.retrieval.config.evidence_limit
        record = self.retrieval.embedding.record
        bundles: list[GroundingBundle] = []
        async with self._loaded(dataset, progress) as (work, prepared, asking):
            for one in asking:
                hits = await self._hits(work, one, depth=depth)
                bundles.append(self.retrieval.judged(one.text, Found(hits, (), record)))
        return Grounded(tuple(bundles), {one.id: one.document_id for one in prepared})

    async def calibrate(
        self,
        caller: Caller,
        lines: Iterable[str],
        *,
        risk: float = 0.1,
        progress: Progress = _silent,
    ) -> CalibrationReport:
        """Fit grounding to labelled questions, and record what came of it, granted or not.

        ``lines`` are JSON: ``{"query": "...", "article": id, title, source path or null}``. At
        most ``risk`` of the strong answers may be wrong, with nine chances in ten over the choice
        of the labels, and for questions like theirs.

        Raises:
            Forbidden: ``operator_missing``.
            Invalid: ``risk_invalid``, ``labels_invalid``, ``labels_missing``, ``labels_too_many``.
            Unavailable: ``calibration_interrupted`` when a search could not be made; nothing is
                stored then.
        """
        caller.acting()
        if not SMALLEST_RISK <= risk <= LARGEST_RISK:
            raise Invalid(
                "risk_invalid",
                f"The risk is a share between {SMALLEST_RISK:g} and {LARGEST_RISK:g}, such as 0.1.",
                risk=risk,
            )
        labels = read_labels(lines)
        async with self.db.read(caller) as read:
            known = await calibration_queries.known_articles(read)
            # Before the first search: what changes meanwhile counts as changed afterwards.
            revision_ids = await calibration_queries.revision_ids(read)
        labelled, model_id = await self._searched(caller, resolve(labels, known), progress)
        outcome = await asyncio.to_thread(calibrate, labelled, risk=risk)
        made = Made(outcome, risk, model_id, revision_ids)

        async def record(work: Work) -> CalibrationId:
            return await calibrations.record(work, made)

        return CalibrationReport(
            calibration_id=await self.db.retrying(caller, record),
            model_id=made.model_id,
            risk=risk,
            n_unanswerable=sum(not one.answerable for one in labelled),
            outcome=outcome,
        )

    async def withdraw_calibration(self, caller: Caller) -> bool:
        """Go back to the embedder's own thresholds; False when nothing was calibrated.

        Raises:
            Forbidden: ``operator_missing``.
        """
        return await self.db.retrying(caller, calibrations.withdraw)

    async def _searched(
        self, caller: Caller, resolved: Sequence[Resolved], progress: Progress
    ) -> tuple[list[Labelled], str]:
        """Every labelled question after its search, and the one model that all were made with."""
        labelled: list[Labelled] = []
        models: set[str] = set()
        for done, label in enumerate(resolved, start=1):
            found, model_id = await self._labelled(caller, label)
            labelled.append(found)
            models.add(model_id)
            progress("Searching", done, len(resolved))
        if len(models) != 1:
            raise _interrupted("another model took over the index meanwhile")
        return labelled, models.pop()

    async def _labelled(self, caller: Caller, label: Resolved) -> tuple[Labelled, str]:
        """Search for one labelled question as a draft would, and compare."""
        found = await self.retrieval.search(caller, label.query)
        failed = [word for word in found.degraded if word in FAILED]
        if failed or Degraded.EMBEDDER_UNAVAILABLE in found.degraded:
            raise _interrupted("a question could not be searched completely")
        canonical = [hit for hit in found.items if hit.trust is Trust.CANONICAL]
        wanted = label.article_id
        return Labelled(
            signals={name: found.grounding.signals.get(name) for name in KEPT},
            good=wanted is not None and bool(canonical) and canonical[0].article_id == wanted,
            group=label.group,
            answerable=wanted is not None,
        ), found.embedder

    @asynccontextmanager
    async def _loaded(
        self, dataset: Dataset, progress: Progress
    ) -> AsyncIterator[tuple[Work, list[_Prepared], list[_Asking]]]:
        """The set in temporary copies of the index, and its questions with their vectors."""
        prepared = await asyncio.to_thread(_prepared, dataset.documents)
        if not prepared:
            raise Invalid("dataset_empty", "No document of the corpus holds any text.")
        vectors = await self._embedded(prepared, progress)
        asking = await self._asking(dataset.queries, progress)
        async with self.db.scratch(EVALUATOR, TABLES, unindexed=[VECTORS]) as work:
            await self._load(work, prepared, vectors, progress)
            crashpoint("retrieval.evaluation_loaded")
            yield work, prepared, asking

    async def _embedded(
        self, prepared: Sequence[_Prepared], progress: Progress
    ) -> dict[str, Vector]:
        """The vector of each text, made once however often it occurs."""
        wanted = list(dict.fromkeys(entry.text for one in prepared for entry in one.entries))
        vectors: dict[str, Vector] = {}
        for start in range(0, len(wanted), TEXTS_AT_ONCE):
            batch = wanted[start : start + TEXTS_AT_ONCE]
            vectors |= zip(batch, await self.retrieval.embedding.passages(batch), strict=True)
            progress("Embedding documents", len(vectors), len(wanted))
        return vectors

    async def _asking(self, asked: Sequence[Query], progress: Progress) -> list[_Asking]:
        found: list[_Asking] = []
        for query in asked:
            text = " ".join(storable(query.text).split())
            text = text[: self.retrieval.config.max_query_length]
            began = perf_counter()
            vector = await self.retrieval.embedding.query(text) if text else None
            found.append(_Asking(query, text, vector, (perf_counter() - began) * 1000))
            progress("Embedding questions", len(found), len(asked))
        return found

    async def _load(
        self,
        work: Work,
        prepared: Sequence[_Prepared],
        vectors: Mapping[str, Vector],
        progress: Progress,
    ) -> None:
        model_id = self.retrieval.embedding.record.model_id
        corpus_id = await evaluation_queries.begin_loading(work, model_id)
        for start in range(0, len(prepared), DOCUMENTS_AT_ONCE):
            batch = prepared[start : start + DOCUMENTS_AT_ONCE]
            entries = [(await self._write(work, corpus_id, one), one.entries) for one in batch]
            flat = [(doc_id, entry) for doc_id, own in entries for entry in own]
            stacked: Vectors = np.stack([vectors[entry.text] for _, entry in flat])
            await evaluation_queries.put_passages(work, [p for one in batch for p in one.passages])
            await evaluation_queries.put_vectors(work, corpus_id, flat, stacked, model_id=model_id)
            progress("Indexing", start + len(batch), len(prepared))
        await evaluation_queries.end_loading(work, corpus_id, schema=self.db.schema)

    async def _write(self, work: Work, corpus_id: int, one: _Prepared) -> int:
        """The words of one document, by the statements that write an article's."""
        doc_id = await queries.put_document(
            work, corpus_id, ArticleId(one.id), RevisionId(one.id), one.title
        )
        await queries.add_words(
            work,
            corpus_id,
            doc_id,
            language=self.retrieval.config.language,
            title=one.title,
            pieces=word_pieces(one.body),
        )
        return doc_id

    async def _asked(
        self, work: Work, one: _Asking, names: Mapping[int, str], *, depth: int
    ) -> Asked:
        record = self.retrieval.embedding.record
        config = self.retrieval.config
        began = perf_counter()
        hits = await self._hits(work, one, depth=depth)
        took_ms = one.embed_ms + (perf_counter() - began) * 1000
        return Asked(
            query_id=one.query.id,
            relevant=one.query.relevant,
            found=[names[hit.article_id] for hit in hits if hit.article_id is not None],
            scores=[hit.score for hit in hits if hit.article_id is not None],
            grounding=assess(
                hits,
                thresholds=record.thresholds,
                clarification_limit=config.clarification_limit,
            ),
            took_ms=took_ms,
        )

    async def _hits(self, work: Work, one: _Asking, *, depth: int) -> tuple[Hit, ...]:
        if not one.text:
            return ()
        return await reads.search(
            work,
            Question(one.text, one.vector, depth),
            record=self.retrieval.embedding.record,
            config=replace(self.retrieval.config, search_timeout=PATIENCE),
        )


def _prepared(documents: Sequence[Document]) -> list[_Prepared]:
    """The documents cut into passages as articles are; those without any text are left out."""
    numbers = count(1)
    made = (_cut(place, one, numbers) for place, one in enumerate(documents, start=1))
    return [one for one in made if one.passages]


def _cut(place: int, document: Document, numbers: Iterator[int]) -> _Prepared:
    read = parse(document.text, title=document.title)
    passages = tuple(
        Passage(next(numbers), place, one.position, one.heading, one.content) for one in chunk(read)
    )
    entries = texts.to_embed(
        document.title,
        read.text,
        [texts.Passage(one.id, one.position, one.heading, one.content) for one in passages],
    )
    return _Prepared(place, document.id, document.title, read.text, passages, tuple(entries))


def _interrupted(why: str) -> Unavailable:
    return Unavailable(
        "calibration_interrupted",
        f"The calibration was not finished and nothing was stored: {why}.",
    )
