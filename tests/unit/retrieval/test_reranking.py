"""A host's reranker gives another order, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cairnloop_engine.retrieval.reranking import reranked
from tests.unit.retrieval.hits import hit

HITS = [replace(hit(), title=title) for title in ("first", "second", "third")]


class Scoring:
    """Answers with these scores, or does what it is told instead."""

    def __init__(self, scores: Sequence[float], *, error: Exception | None = None) -> None:
        self.scores = scores
        self.error = error
        self.read: list[str] = []

    async def rerank(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        self.read = [question, *passages]
        if self.error is not None:
            raise self.error
        return self.scores


class Hanging:
    async def rerank(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        await asyncio.Event().wait()
        return []


async def test_larger_scores_come_first_and_ties_stay_as_they_were() -> None:
    scoring = Scoring([0.1, 0.9, 0.1])

    ordered = await reranked(scoring, "why", HITS, limit_s=5)

    assert ordered is not None
    assert [one.title for one in ordered] == ["second", "first", "third"]
    assert [one.score for one in ordered] == [HITS[1].score, HITS[0].score, HITS[2].score]
    assert scoring.read[0] == "why"
    assert scoring.read[1].startswith("first. ")


@pytest.mark.parametrize(
    "broken",
    [
        Scoring([], error=RuntimeError("a bug of the host")),
        Scoring([1.0]),
        Scoring([1.0, float("nan"), 2.0]),
        Scoring(["high", "low", "none"]),  # type: ignore[list-item]
        Hanging(),
    ],
)
async def test_a_reranker_that_does_not_answer_leaves_the_order(broken: Scoring) -> None:
    assert await reranked(broken, "why", HITS, limit_s=0.05) is None
