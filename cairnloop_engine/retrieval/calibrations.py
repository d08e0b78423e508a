"""Calibrations of a workspace: which one is in force, and recording a new one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum

from cairnloop_engine.audit import service as audit
from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.ids import CalibrationId
from cairnloop_engine.core.text import safe
from cairnloop_engine.retrieval import calibration_queries, queries
from cairnloop_engine.retrieval.calibrating import Outcome
from cairnloop_engine.retrieval.calibration_queries import Stored
from cairnloop_engine.retrieval.grounding import Calibration
from cairnloop_engine.retrieval.model import SourceType

MOST_REMEMBERED = 64


class Standing(StrEnum):
    """What calibration means for today's searches."""

    NONE = "none"
    GRANTED = "granted"
    REFUSED = "refused"
    EXPIRED = "expired"
    OTHER_MODEL = "other_model"


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """The calibration that stands, and how much of its knowledge changed since (0 to 1)."""

    standing: Standing
    made_at: datetime | None = None
    made_by: str = ""
    n_labels: int = 0
    risk: float | None = None
    threshold: float | None = None
    auroc: float | None = None
    coverage: float | None = None
    drift: float | None = None
    max_drift: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A calibration that is to be recorded, with the knowledge that its labels were asked about."""

    outcome: Outcome
    risk: float
    model_id: str
    revision_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Drifts:
    """How far the knowledge moved away from a calibration, counted again when it moves.

    Counting reads every article. What is remembered is bound to the statistics of the corpus,
    which every search reads afresh, so a change by another process counts at once.
    """

    known: OrderedDict[tuple[int, ...], float] = field(default_factory=OrderedDict)

    async def of(self, read: Read, stored: Stored) -> float:
        """The share of articles that are new, changed or gone since the calibration."""
        key = (stored.id, *stored.corpus)
        if key not in self.known:
            self.known[key] = await _drift(read, stored.id)
            while len(self.known) > MOST_REMEMBERED:
                self.known.popitem(last=False)
        return self.known[key]


async def in_force(
    read: Read, drifts: Drifts, *, model_id: str, max_drift: float
) -> Calibration | None:
    """The calibration that judges today's searches with this model; None judges uncalibrated.

    A refusal stays in force however much changes: nothing has shown since that the embedder's
    own thresholds could be trusted here.
    """
    stored = await calibration_queries.latest(read, model_id=model_id)
    if stored is None:
        return None
    if stored.threshold is not None and await drifts.of(read, stored) > max_drift:
        return None
    return Calibration(int(stored.id), stored.threshold, stored.numbers)


async def standing(
    read: Read, drifts: Drifts, *, model_id: str, max_drift: float
) -> CalibrationView:
    """What a screen says about the calibration."""
    stored = await calibration_queries.latest(read, model_id=model_id)
    if stored is None:
        other = await calibration_queries.latest(read, model_id=None)
        return CalibrationView(Standing.NONE if other is None else Standing.OTHER_MODEL)
    drift = await drifts.of(read, stored)
    if stored.threshold is None:
        found = Standing.REFUSED
    else:
        found = Standing.EXPIRED if drift > max_drift else Standing.GRANTED
    return CalibrationView(
        found,
        stored.made_at,
        safe(stored.made_by),
        stored.n_labels,
        stored.risk,
        stored.threshold,
        stored.auroc,
        stored.coverage,
        drift,
        max_drift,
    )


async def record(work: Work, made: Made) -> CalibrationId:
    """Record a calibration in the place of the one before, granted or not."""
    # Two at once take turns, so that one of them is the last.
    await queries.lock_corpus(work, SourceType.KNOWLEDGE_BASE)
    outcome = made.outcome
    await calibration_queries.supersede(work, model_id=made.model_id)
    calibration_id = await calibration_queries.add(
        work,
        {
            "model_id": made.model_id,
            "granted": outcome.granted,
            "threshold": outcome.threshold,
            "risk": made.risk,
            "weights": dict(outcome.numbers),
            "n_labels": outcome.n,
            "auroc": outcome.auroc,
            "coverage": outcome.coverage,
            "report": report(outcome),
            "n_documents": len(made.revision_ids),
            "revision_ids": list(made.revision_ids),
        },
    )
    await audit.record(
        work,
        "retrieval.calibrated",
        subject=("calibration", calibration_id),
        model_id=made.model_id,
        granted=outcome.granted,
        risk=made.risk,
        label_count=outcome.n,
        article_count=len(made.revision_ids),
    )
    work.changed("calibration", calibration_id)
    return calibration_id


async def withdraw(work: Work) -> bool:
    """Go back to the thresholds of the embedders; False when no calibration stood."""
    await queries.lock_corpus(work, SourceType.KNOWLEDGE_BASE)
    ended = await calibration_queries.supersede(work, model_id=None)
    for calibration_id in ended:
        await audit.record(
            work, "retrieval.calibration_withdrawn", subject=("calibration", calibration_id)
        )
        work.changed("calibration", calibration_id)
    return bool(ended)


def report(outcome: Outcome) -> JsonObject:
    """What the labels showed, as it is stored and printed."""
    table: list[JsonValue] = [asdict(row) for row in outcome.table]
    tests: list[JsonValue] = [asdict(test) for test in outcome.tests]
    return {
        "refusal": None if outcome.refusal is None else outcome.refusal.value,
        "n_good": outcome.n_good,
        "n_groups": outcome.n_groups,
        "aurc": outcome.aurc,
        "risk_coverage": table,
        "tests": tests,
    }


async def _drift(read: Read, calibration_id: CalibrationId) -> float:
    found = await calibration_queries.overlap(read, calibration_id)
    largest = max(found.then, found.now)
    return (largest - found.same) / largest if largest else 0.0
