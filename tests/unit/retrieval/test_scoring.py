"""The yardstick itself: what a ranking, a refusal and a difference are worth."""

from __future__ import annotations

import math

import pytest

from benchmarks import beir, scoring
from benchmarks.beir import Dataset, Document, Query
from benchmarks.scoring import Found

ONE = frozenset({"a"})
TWO = frozenset({"a", "b"})


def found(*ranking: str, score: float = 0.0, strong: bool = False) -> Found:
    return Found(ranking, score, 1.0, strong=strong)


def asked(*relevant: frozenset[str]) -> Dataset:
    queries = tuple(Query(f"q{n}", ("?",), one) for n, one in enumerate(relevant))
    return beir.clustered(Dataset("set", (), queries))


@pytest.mark.parametrize(
    ("ranking", "relevant", "worth"),
    [
        (("a", "x"), ONE, 1.0),
        (("x", "a"), ONE, 1 / math.log2(3)),
        (("x", "y"), ONE, 0.0),
        ((), ONE, 0.0),
        (("a", "x", "b"), TWO, (1 + 1 / 2) / (1 + 1 / math.log2(3))),
        ((*"0123456789", "a"), ONE, 0.0),
    ],
)
def test_gain_falls_with_the_place(
    ranking: tuple[str, ...], relevant: frozenset[str], worth: float
) -> None:
    assert scoring.ndcg(ranking, relevant) == pytest.approx(worth)


def test_recall_asks_for_no_more_than_fits() -> None:
    many = frozenset(str(number) for number in range(20))

    assert scoring.recall([str(number) for number in range(5)], many, k=5) == 1.0
    assert scoring.recall(["0", "x"], TWO | {"0"}, k=5) == pytest.approx(1 / 3)


def test_the_first_right_place_counts() -> None:
    assert scoring.reciprocal_rank(["x", "b", "a"], TWO) == 0.5
    assert scoring.reciprocal_rank(["x"], TWO) == 0.0


@pytest.mark.parametrize(
    ("right", "wrong", "area"),
    [([2.0, 3.0], [0.0, 1.0], 1.0), ([1.0], [1.0], 0.5), ([0.0, 2.0], [1.0, 1.0], 0.5)],
)
def test_the_area_is_how_often_right_stands_above_wrong(
    right: list[float], wrong: list[float], area: float
) -> None:
    assert scoring.auroc(right, wrong) == area


def test_refusals_are_counted_among_those_that_had_to_be_refused() -> None:
    data = asked(ONE, ONE, frozenset(), frozenset())
    answers = [
        found("a", score=0.9, strong=True),
        found("x", score=0.8, strong=True),
        found("x", score=0.5, strong=True),
        found("x", score=0.1),
    ]

    told = scoring.refused(data, answers)

    assert (told["auroc"], told["false_strong"], told["strong_coverage"]) == (1.0, 0.5, 1.0)
    assert told["strong_precision"] == pytest.approx(1 / 3, abs=1e-4)


def test_a_difference_of_paraphrases_is_no_surer_than_one_article() -> None:
    alike = asked(*[ONE] * 50)
    apart = asked(*[frozenset({str(number)}) for number in range(50)])
    ours = [found("a")] * 50
    theirs = [found("a" if number % 2 else "x") for number in range(50)]
    singles = [found(str(number)) for number in range(50)]
    half = [found(str(number) if number % 2 else "x") for number in range(50)]

    together = scoring.difference(alike, ours, theirs, seed=1)
    each = scoring.difference(apart, singles, half, seed=1)

    assert (together["mean"], together["clusters"]) == (0.5, 1)
    assert together["low"] == together["high"]
    assert each["low"] < each["mean"] < each["high"]


def test_what_is_taken_away_can_no_longer_be_answered() -> None:
    documents = tuple(Document(name, "", "text") for name in "abcdefghij")
    data = Dataset("set", documents, asked(ONE, TWO).queries)

    less = beir.held_out(data, ONE)

    assert [one.id for one in less.documents] == list("bcdefghij")
    assert [query.relevant for query in less.queries] == [frozenset(), frozenset({"b"})]
    assert len(beir.to_hold_out(data, seed=1)) == 3
