"""How good a ranking and its grounding are, by the measures that everybody uses. No IO.

The ranking measures are those of trec_eval: gains as they were judged, a discount of the binary
logarithm of the rank plus one, and recall as a share of all that is relevant.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cairnloop_engine.retrieval.calibrating import auroc
from cairnloop_engine.retrieval.model import Grounding, GroundingBundle


@dataclass(frozen=True, slots=True)
class Asked:
    """One question after its search: what is relevant, and what was found, best first.

    ``relevant`` holds the gain of each document that answers; empty means that none does.
    ``took_ms`` is embedding and search together.
    """

    query_id: str
    relevant: Mapping[str, float]
    found: Sequence[str]
    scores: Sequence[float]
    grounding: Grounding
    took_ms: float

    @property
    def answerable(self) -> bool:
        return bool(self.relevant)

    @property
    def good(self) -> bool:
        """Whether the first result answers."""
        return bool(self.found) and self.found[0] in self.relevant


@dataclass(frozen=True, slots=True)
class Grounded:
    """What the documents of a set say about each of its questions, in the order of the questions.

    ``names`` are the documents' ids by the number that stands in a citation for their article.
    """

    bundles: tuple[GroundingBundle, ...]
    names: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class GroundingQuality:
    """How well confidence separates. Shares are None where there is nothing to take a share of.

    ``auroc`` compares answerable with unanswerable questions, ``auroc_good`` those whose first
    result answers with all others. ``strong_precision`` is the share of strong results whose
    first article answers, ``strong_coverage`` the share of answerable questions that are strong,
    ``false_strong_rate`` the share of unanswerable ones that are strong all the same.
    """

    auroc: float | None
    auroc_good: float | None
    strong_precision: float | None
    strong_coverage: float | None
    false_strong_rate: float | None
    statuses: Mapping[str, int]


def ndcg(asked: Asked, k: int) -> float:
    """Normalised discounted cumulative gain of the first ``k``; 1 is the best possible order."""
    gains = [asked.relevant.get(found, 0.0) for found in asked.found[:k]]
    best = sorted(asked.relevant.values(), reverse=True)[:k]
    ideal = _discounted(best)
    return _discounted(gains) / ideal if ideal else 0.0


def recall(asked: Asked, k: int) -> float:
    """The share of the relevant documents that stand among the first ``k``."""
    return len(asked.relevant.keys() & set(asked.found[:k])) / len(asked.relevant)


def reciprocal_rank(asked: Asked, k: int) -> float:
    """One divided by the rank of the first relevant document; 0 when none is among ``k``."""
    for rank, found in enumerate(asked.found[:k], start=1):
        if found in asked.relevant:
            return 1 / rank
    return 0.0


def ranking(asked: Sequence[Asked], *, k: int = 10) -> dict[str, float | None]:
    """The ranking measures over the answerable questions, by their customary names.

    ``ndcg@10_grouped`` is the mean over answers: many ways to ask for one article count once.
    """
    answerable = [one for one in asked if one.answerable]
    cuts: list[tuple[str, Callable[[Asked, int], float], int]] = [
        ("ndcg", ndcg, 10),
        ("recall", recall, 5),
        ("recall", recall, 10),
        ("mrr", reciprocal_rank, 10),
        ("p", _precision, 1),
    ]
    if k != 10:
        cuts += [("ndcg", ndcg, k), ("recall", recall, k), ("mrr", reciprocal_rank, k)]
    found = {
        f"{name}@{cut}": _mean(measure(one, cut) for one in answerable)
        for name, measure, cut in cuts
    }
    return found | {"ndcg@10_grouped": _grouped(answerable)}


def grounding_quality(asked: Sequence[Asked]) -> GroundingQuality:
    """How well the grounding tells what is known from what is not."""
    confidence = np.array([one.grounding.confidence for one in asked])
    answerable = np.array([one.answerable for one in asked], dtype=bool)
    good = np.array([one.good for one in asked], dtype=bool)
    strong = [one for one in asked if one.grounding.may_reply]
    statuses: dict[str, int] = {}
    for one in asked:
        status = one.grounding.status.value
        statuses[status] = statuses.get(status, 0) + 1
    return GroundingQuality(
        auroc=auroc(confidence, answerable),
        auroc_good=auroc(confidence, good),
        strong_precision=_share(strong, lambda one: one.good),
        strong_coverage=_share([one for one in asked if one.answerable], _is_strong),
        false_strong_rate=_share([one for one in asked if not one.answerable], _is_strong),
        statuses=statuses,
    )


def latency(asked: Sequence[Asked]) -> dict[str, float | None]:
    """The median and the 95th percentile of one question, in milliseconds."""
    times = sorted(one.took_ms for one in asked)
    if not times:
        return {"p50": None, "p95": None}
    place = min(len(times) - 1, math.ceil(0.95 * len(times)) - 1)
    return {"p50": statistics.median(times), "p95": times[place]}


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _precision(asked: Asked, k: int) -> float:
    return len(asked.relevant.keys() & set(asked.found[:k])) / k


def _grouped(answerable: Sequence[Asked]) -> float | None:
    groups: dict[frozenset[str], list[float]] = {}
    for one in answerable:
        groups.setdefault(frozenset(one.relevant), []).append(ndcg(one, 10))
    return _mean(statistics.fmean(values) for values in groups.values())


def _is_strong(asked: Asked) -> bool:
    return asked.grounding.may_reply


def _share(among: Sequence[Asked], holds: Callable[[Asked], bool]) -> float | None:
    return _mean(float(holds(one)) for one in among)


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return statistics.fmean(known) if known else None
