"""The SQL statements of calibrations, and of the knowledge that they were measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text, update

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.ids import ArticleId, CalibrationId
from cairnloop_engine.retrieval.labels import Known
from cairnloop_engine.retrieval.model import SourceType
from cairnloop_engine.retrieval.tables import CalibrationRow, CorpusRow, DocumentRow


@dataclass(frozen=True, slots=True)
class Stored:
    """A calibration as it is stored, without the long list of what it was measured on.

    ``corpus`` holds the statistics of today's knowledge; while they stay the same, hardly
    anything changed.
    """

    id: CalibrationId
    model_id: str
    threshold: float | None
    risk: float
    numbers: Mapping[str, float]
    n_labels: int
    auroc: float | None
    coverage: float
    made_at: datetime
    made_by: str
    corpus: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many articles there were, there are, and are the same in both."""

    then: int
    now: int
    same: int


async def latest(read: Read, *, model_id: str | None) -> Stored | None:
    """The calibration that was not followed by another: of this model, or of any with None."""
    row, corpus = CalibrationRow, CorpusRow
    query = (
        select(
            row.id,
            row.model_id,
            row.threshold,
            row.risk,
            row.weights,
            row.n_labels,
            row.auroc,
            row.coverage,
            row.made_at,
            row.made_by,
            corpus.n_docs,
            corpus.sum_title,
            corpus.sum_body,
        )
        .outerjoin(
            corpus,
            (corpus.workspace == row.workspace) & (corpus.source_type == SourceType.KNOWLEDGE_BASE),
        )
        .where(row.workspace == read.workspace, row.superseded_at.is_(None))
        .order_by(row.made_at.desc(), row.id.desc())
        .limit(1)
    )
    if model_id is not None:
        query = query.where(row.model_id == model_id)
    found = (await read.session.execute(query)).first()
    if found is None:
        return None
    numbers = {k: float(v) for k, v in found.weights.items() if isinstance(v, int | float)}
    return Stored(
        CalibrationId(found.id),
        found.model_id,
        found.threshold,
        found.risk,
        numbers,
        found.n_labels,
        found.auroc,
        found.coverage,
        found.made_at,
        found.made_by,
        (found.n_docs or 0, found.sum_title or 0, found.sum_body or 0),
    )


async def overlap(read: Read, calibration_id: CalibrationId) -> Overlap:
    """How much of the knowledge of a calibration is still what can be found."""
    q = read.qualified
    found = await read.session.execute(
        text(
            f"""
            WITH before AS MATERIALIZED (
              SELECT unnest(revision_ids) AS revision_id FROM {q("grounding_calibrations")}
              WHERE id = :id AND workspace = :workspace
            ), today AS MATERIALIZED (
              SELECT revision_id FROM {q("search_docs")}
              WHERE workspace = :workspace AND revision_id IS NOT NULL
            )
            SELECT (SELECT count(*) FROM before), (SELECT count(*) FROM today),
              (SELECT count(*) FROM before JOIN today USING (revision_id))
            """  # noqa: S608 - our own names
        ),
        {"id": calibration_id, "workspace": read.workspace},
    )
    return Overlap(*found.one())


async def revision_ids(read: Read) -> list[int]:
    """The revision of every article that can be found, in order."""
    found = await read.session.scalars(
        select(DocumentRow.revision_id)
        .where(DocumentRow.workspace == read.workspace, DocumentRow.revision_id.is_not(None))
        .order_by(DocumentRow.revision_id)
    )
    return [revision_id for revision_id in found if revision_id is not None]


async def known_articles(read: Read) -> Sequence[Known]:
    """The published articles by their names."""
    found = await read.session.execute(
        text(
            "SELECT id, title, source_path"  # noqa: S608 - our own name
            f" FROM {read.qualified('articles')}"
            " WHERE workspace = :workspace AND status = 'published' ORDER BY id"
        ),
        {"workspace": read.workspace},
    )
    return [Known(ArticleId(row.id), row.title, row.source_path) for row in found]


async def supersede(work: Work, *, model_id: str | None) -> list[CalibrationId]:
    """End the calibration of this model that stands, or of all with None; returns which."""
    ending = (
        update(CalibrationRow)
        .where(CalibrationRow.workspace == work.workspace, CalibrationRow.superseded_at.is_(None))
        .values(superseded_at=work.now)
        .returning(CalibrationRow.id)
    )
    if model_id is not None:
        ending = ending.where(CalibrationRow.model_id == model_id)
    found = await work.session.scalars(ending)
    return [CalibrationId(ended) for ended in sorted(found)]


async def add(work: Work, values: Mapping[str, Any]) -> CalibrationId:
    """Record a calibration; the one before must have been superseded."""
    found = await work.session.execute(
        insert(CalibrationRow)
        .values(workspace=work.workspace, made_at=work.now, made_by=work.actor.id, **values)
        .returning(CalibrationRow.id)
    )
    return CalibrationId(found.scalar_one())
