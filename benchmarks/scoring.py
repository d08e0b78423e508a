"""What rankings and refusals are worth: nDCG, recall, AUROC, and how far to trust a difference."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.beir import Dataset

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Found:
    """One system's answer to one query: documents, best first, and how sure it is of the first.

    ``search_ms`` is what the search took once the query's vector was there, ``total_ms`` with it.
    """

    ranking: tuple[str, ...]
    score: float
    search_ms: float
    total_ms: float | None = None
    strong: bool = False
    fused: float | None = None


def ndcg(ranking: Sequence[str], relevant: frozenset[str], *, k: int = 10) -> float:
    """Normalised discounted cumulative gain of the first ``k``; a document is relevant or not."""
    gained = sum(
        1 / math.log2(place + 2) for place, one in enumerate(ranking[:k]) if one in relevant
    )
    best = sum(1 / math.log2(place + 2) for place in range(min(k, len(relevant))))
    return gained / best


def recall(ranking: Sequence[str], relevant: frozenset[str], *, k: int) -> float:
    """The share of what could be found in ``k`` places (capped: 20 do not fit into 10)."""
    return len(relevant.intersection(ranking[:k])) / min(k, len(relevant))


def reciprocal_rank(ranking: Sequence[str], relevant: frozenset[str], *, k: int = 10) -> float:
    places = (place for place, one in enumerate(ranking[:k], start=1) if one in relevant)
    return 1 / next(places, math.inf)


def auroc(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """How often a score of the first kind is above one of the second; a tie counts half."""
    if not right or not wrong:
        return None
    ordered = np.sort(np.asarray(wrong))
    below = np.searchsorted(ordered, right, side="left")
    up_to = np.searchsorted(ordered, right, side="right")
    return float((below + up_to).sum() / 2 / len(right) / len(wrong))


def ranked(data: Dataset, found: Sequence[Found]) -> dict[str, Any]:
    """How well the answerable queries of a set were ranked."""
    pairs = [(one, q) for one, q in zip(found, data.queries, strict=True) if q.answerable]

    def mean(values: Sequence[float]) -> float:
        return round(statistics.fmean(values), 4)

    return {
        "queries": len(pairs),
        "ndcg@10": mean([ndcg(one.ranking, q.relevant) for one, q in pairs]),
        "p@1": mean([float(bool(q.relevant.intersection(one.ranking[:1]))) for one, q in pairs]),
        "recall@5": mean([recall(one.ranking, q.relevant, k=5) for one, q in pairs]),
        "recall@10": mean([recall(one.ranking, q.relevant, k=10) for one, q in pairs]),
        "mrr@10": mean([reciprocal_rank(one.ranking, q.relevant) for one, q in pairs]),
        "empty": mean([float(not one.ranking) for one, _ in pairs]),
        "search_ms": spread([one.search_ms for one in found]),
    }


def refused(data: Dataset, found: Sequence[Found]) -> dict[str, Any]:
    """How well one system tells what it can answer from what it cannot."""
    pairs = list(zip(found, data.queries, strict=True))
    known = [one for one, q in pairs if q.answerable]
    unknown = [one for one, q in pairs if not q.answerable]
    strong = [(one, q) for one, q in pairs if one.strong]
    right = sum(bool(q.relevant.intersection(one.ranking[:1])) for one, q in strong)
    told: dict[str, Any] = {
        "answerable": len(known),
        "unanswerable": len(unknown),
        "auroc": _rounded(auroc([one.score for one in known], [one.score for one in unknown])),
        "false_strong": round(sum(one.strong for one in unknown) / max(1, len(unknown)), 4),
        "strong_coverage": round(sum(one.strong for one in known) / max(1, len(known)), 4),
        "strong_precision": round(right / len(strong), 4) if strong else None,
    }
    if all(one.fused is not None for one in found):
        fused = [[one.fused or 0.0 for one in part] for part in (known, unknown)]
        told["auroc_fused"] = _rounded(auroc(fused[0], fused[1]))
    return told


def difference(
    data: Dataset, ours: Sequence[Found], theirs: Sequence[Found], *, seed: int
) -> dict[str, Any]:
    """Our nDCG@10 less theirs, with the 95 % interval of a bootstrap over whole clusters."""
    gaps: dict[str, list[float]] = {}
    rows = zip(data.queries, data.clusters, ours, theirs, strict=True)
    for query, cluster, mine, other in rows:
        if query.answerable:
            gap = ndcg(mine.ranking, query.relevant) - ndcg(other.ranking, query.relevant)
            gaps.setdefault(cluster, []).append(gap)
    sums = np.array([sum(values) for values in gaps.values()])
    sizes = np.array([len(values) for values in gaps.values()])
    picks = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "mean": round(float(sums.sum() / sizes.sum()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "clusters": len(sums),
    }


def spread(taken: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(len(ordered) * 0.95)], 2),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
