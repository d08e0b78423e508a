"""The measures of a ranking and its grounding, by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from cairnloop_engine.retrieval.evaluating import (
    Asked,
    grounding_quality,
    latency,
    ndcg,
    ranking,
    recall,
    reciprocal_rank,
)
from cairnloop_engine.retrieval.model import Grounding, GroundingStatus, Reason

STRONG, ASK = GroundingStatus.STRONG, GroundingStatus.CLARIFICATION


def asked(
    relevant: Mapping[str, float],
    found: Sequence[str],
    *,
    confidence: float = 0.5,
    status: GroundingStatus = ASK,
    took_ms: float = 1.0,
) -> Asked:
    grounding = Grounding(status, Reason.CANONICAL_RESULTS, confidence)
    return Asked("q", relevant, found, [1.0] * len(found), grounding, took_ms)


def test_gain_counts_less_the_later_it_comes() -> None:
    one = asked({"a": 1, "b": 1}, ["x", "a", "y", "b"])

    ideal = 1 + 1 / math.log2(3)
    assert ndcg(one, 10) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)
    assert ndcg(one, 1) == 0.0
    assert ndcg(asked({"a": 3, "b": 1}, ["a", "b"]), 10) == pytest.approx(1.0)
    assert ndcg(asked({"a": 3, "b": 1}, ["b", "a"]), 10) < 1.0


def test_recall_is_a_share_of_all_that_is_relevant() -> None:
    one = asked({"a": 1, "b": 1, "c": 1, "d": 1}, ["a", "x", "b"])

    assert (recall(one, 1), recall(one, 3)) == (0.25, 0.5)


def test_the_reciprocal_rank_is_that_of_the_first_relevant_one() -> None:
    assert reciprocal_rank(asked({"a": 1}, ["x", "y", "a"]), 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(asked({"a": 1}, ["x", "y", "a"]), 2) == 0.0


def test_questions_without_an_answer_do_not_count_in_a_ranking() -> None:
    found = ranking([asked({"a": 1}, ["a"]), asked({}, ["a"])])

    assert found["ndcg@10"] == 1.0
    assert found["p@1"] == 1.0
    assert set(found) >= {"ndcg@10", "recall@5", "recall@10", "mrr@10"}
    assert "ndcg@3" in ranking([asked({"a": 1}, ["a"])], k=3)
    assert ranking([asked({}, [])])["ndcg@10"] is None


def test_many_ways_to_ask_for_one_answer_count_once_in_the_grouped_mean() -> None:
    found = ranking([asked({"a": 1}, ["a"])] * 9 + [asked({"b": 1}, ["a"])])

    assert (found["ndcg@10"], found["ndcg@10_grouped"]) == (pytest.approx(0.9), 0.5)


def test_grounding_is_judged_by_what_it_lets_through() -> None:
    found = grounding_quality(
        [
            asked({"a": 1}, ["a"], confidence=0.9, status=STRONG),
            asked({"a": 1}, ["b"], confidence=0.7, status=STRONG),
            asked({"a": 1}, ["a"], confidence=0.6),
            asked({}, ["a"], confidence=0.65, status=STRONG),
            asked({}, ["a"], confidence=0.1),
        ]
    )

    assert found.strong_precision == pytest.approx(1 / 3)
    assert found.strong_coverage == pytest.approx(2 / 3)
    assert found.false_strong_rate == 0.5
    assert found.auroc == pytest.approx(5 / 6)
    assert found.auroc_good == pytest.approx(4 / 6)
    assert found.statuses == {"strong": 3, "clarification": 2}


def test_what_there_is_nothing_of_has_no_share() -> None:
    found = grounding_quality([asked({"a": 1}, ["a"])])

    assert found.auroc is None
    assert found.strong_precision is None
    assert found.false_strong_rate is None


def test_the_percentiles_are_times_that_were_measured() -> None:
    found = latency([asked({}, [], took_ms=float(n)) for n in range(1, 101)])

    assert found == {"p50": 50.5, "p95": 95.0}
    assert latency([]) == {"p50": None, "p95": None}
