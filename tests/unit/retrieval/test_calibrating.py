"""The statistics of calibration: exact bounds, honest folds, and a promise that is kept."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from cairnloop_engine.retrieval.calibrating import (
    NEVER,
    Labelled,
    Refusal,
    aurc,
    auroc,
    binomial_tail,
    calibrate,
    fewest,
    fitted,
    fixed_sequence,
    folds,
    risk_coverage,
    upper_bound,
)
from cairnloop_engine.retrieval.grounding import admissible, probability

RISK = 0.1
REPEATS = 300

Numbers = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


def label(
    cosine: float | None, good: bool, group: str, *, answerable: bool = True, **more: float
) -> Labelled:
    signals = {"cos_chunk": cosine, "bm25_share": cosine, "off_topic": 0.0, "tie_margin": 0.0}
    return Labelled({**signals, **more}, good, group, answerable)


def exchangeable(seed: int, n: int) -> list[Labelled]:
    """Questions of one kind: the nearer the passage, the likelier it answers."""
    random = np.random.default_rng(seed)
    cosines = random.uniform(0.2, 1.0, n)
    good = random.uniform(size=n) < 1 / (1 + np.exp(-12 * (cosines - 0.55)))
    return [
        label(float(cosine), bool(right), f"article {place % (n // 2)}")
        for place, (cosine, right) in enumerate(zip(cosines, good, strict=True))
    ]


@cache
def most_wrong(n: int) -> int:
    """How many of ``n`` may be wrong for one exact test to pass; -1 when none may."""
    wrong = 0
    while binomial_tail(wrong, n, RISK) <= 0.1:
        wrong += 1
    return wrong - 1


def loosest(scores: Numbers, good: Truths) -> float | None:
    """The invalid method: test every prefix, take the largest that passes."""
    order = np.argsort(-scores)
    wrong = np.cumsum(~good[order])
    passing = [
        n for n in range(fewest(RISK), len(scores) + 1) if int(wrong[n - 1]) <= most_wrong(n)
    ]
    return float(scores[order][passing[-1] - 1]) if passing else None


@pytest.mark.parametrize(
    ("wrong", "n", "bound"),
    # With no error the bound is 1 - 0.1 ** (1 / n); the others are from published tables.
    [(0, 24, 0.0915), (0, 10, 0.2057), (1, 10, 0.3368), (5, 100, 0.0908), (10, 10, 1.0)],
)
def test_the_exact_bound_is_that_of_the_tables(wrong: int, n: int, bound: float) -> None:
    assert upper_bound(wrong, n) == pytest.approx(bound, abs=5e-4)


def test_the_tail_of_the_binomial_adds_up() -> None:
    assert binomial_tail(1, 3, 0.5) == pytest.approx(0.5)
    assert binomial_tail(3, 3, 0.5) == pytest.approx(1.0)
    assert (binomial_tail(0, 3, 0.0), binomial_tail(0, 3, 1.0)) == (1.0, 0.0)


@pytest.mark.parametrize(("risk", "first"), [(0.1, 24), (0.05, 47), (0.3, 9)])
def test_the_first_test_could_pass_and_has_a_little_to_spare(risk: float, first: int) -> None:
    assert fewest(risk) == first
    assert upper_bound(0, first) <= risk


def test_tests_go_on_by_ten_until_the_first_that_fails() -> None:
    scores = np.linspace(1, 0.01, 100)
    good = np.array([place < 45 for place in range(100)])

    tests = fixed_sequence(scores, good, risk=RISK)

    assert [(test.n, test.wrong, test.passed) for test in tests] == [
        (24, 0, True),
        (34, 0, True),
        (44, 0, True),
        (54, 9, False),
    ]


def test_equal_scores_are_accepted_together() -> None:
    scores = np.array([0.9] * 30 + [0.1] * 30)
    good = np.array([True] * 30 + [False] * 30)

    tests = fixed_sequence(scores, good, risk=RISK)

    assert (tests[0].n, tests[0].threshold) == (30, 0.9)


def test_what_the_rules_exclude_is_never_accepted() -> None:
    scores = np.array([0.9] * 20 + [NEVER] * 80)

    assert fixed_sequence(scores, np.ones(100, dtype=bool), risk=RISK) == ()


def test_ranking_measures_agree_with_counting_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.8, 0.1])
    good = np.array([True, True, False, False])

    assert auroc(scores, good) == pytest.approx(3.5 / 4)
    assert aurc(scores, good) == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert auroc(scores, np.ones(4, dtype=bool)) is None
    table = risk_coverage(scores, good)
    assert [(row.coverage, row.risk) for row in table] == [
        (0.25, 0.0),
        (0.5, 0.0),
        (0.75, pytest.approx(1 / 3)),
        (1.0, 0.5),
    ]


def test_a_group_is_never_torn_and_every_fold_gets_both_kinds() -> None:
    labels = [
        label(0.5, True, f"group {place % 12}", answerable=place % 12 < 7) for place in range(200)
    ]

    places = folds(labels)

    torn = {(one.group, place) for one, place in zip(labels, places, strict=True)}
    assert len(torn) == 12
    kinds = {(one.answerable, place) for one, place in zip(labels, places, strict=True)}
    assert len(kinds) == 10


def test_the_regression_finds_what_tells_good_from_bad() -> None:
    labels = exchangeable(1, 400)

    numbers = fitted(labels)

    assert probability(numbers, {"cos_chunk": 0.9, "bm25_share": 0.9}) > 0.95
    assert probability(numbers, {"cos_chunk": 0.3, "bm25_share": 0.3}) < 0.1
    # Never seen to vary, so it says nothing.
    assert numbers["weight.margin"] == 0.0


@pytest.mark.parametrize("good", [True, False])
def test_labels_of_one_kind_only_can_be_fitted(good: bool) -> None:
    outcome = calibrate([label(0.8, good, str(n)) for n in range(60)], risk=RISK)

    assert outcome.granted is good
    assert outcome.auroc is None


@pytest.mark.parametrize("n", [1, 5, 23])
def test_a_handful_of_labels_grants_nothing_and_says_so(n: int) -> None:
    outcome = calibrate([label(0.9, True, str(one)) for one in range(n)], risk=RISK)

    assert (outcome.granted, outcome.refusal) == (False, Refusal.TOO_FEW_LABELS)
    assert outcome.coverage == 0.0


def test_labels_that_all_ask_for_one_article_cannot_be_held_out() -> None:
    outcome = calibrate([label(0.9, True, "the only one")] * 100, risk=RISK)

    assert outcome.refusal is Refusal.TOO_FEW_LABELS


def test_signals_that_say_nothing_grant_nothing() -> None:
    random = np.random.default_rng(3)
    labels = [
        label(float(random.uniform()), bool(random.uniform() < 0.6), str(n)) for n in range(300)
    ]

    outcome = calibrate(labels, risk=RISK)

    assert (outcome.granted, outcome.refusal) == (False, Refusal.PROMISE_NOT_KEPT)
    assert outcome.n_good == sum(one.good for one in labels)


def test_a_question_that_found_nothing_is_never_accepted() -> None:
    found = [label(0.8, True, str(n)) for n in range(30)]
    nothing = [label(None, False, f"nothing {n}") for n in range(30)]

    outcome = calibrate(found + nothing, risk=RISK)

    assert outcome.granted
    assert outcome.coverage <= 0.5
    assert outcome.auroc == 1.0


def test_the_promise_is_kept_in_nine_of_ten_repeats_where_scanning_breaks_it() -> None:
    # The hardest case: wherever the threshold lies, a little more is wrong than was promised.
    wrong = RISK + 0.005
    broken = {"sequence": 0, "scan": 0}
    for repeat in range(REPEATS):
        random = np.random.default_rng(repeat)
        scores = random.uniform(size=200)
        good = random.uniform(size=200) >= wrong
        tests = fixed_sequence(scores, good, risk=RISK)
        broken["sequence"] += any(test.passed for test in tests)
        broken["scan"] += loosest(scores, good) is not None

    assert broken["sequence"] <= 0.1 * REPEATS
    assert broken["scan"] > 0.2 * REPEATS


def test_the_whole_calibration_keeps_its_promise_and_still_grants_something() -> None:
    repeats = REPEATS // 3
    pool = exchangeable(10_000, 2_000)
    broken = granted = 0
    for repeat in range(repeats):
        outcome = calibrate(exchangeable(repeat, 120), risk=RISK)
        if outcome.threshold is None:
            continue
        granted += 1
        accepted = [
            one.good
            for one in pool[repeat % 8 :: 8]
            if admissible({**one.signals, **outcome.numbers})
            and probability(outcome.numbers, one.signals) >= outcome.threshold
        ]
        broken += 1 - float(np.mean(accepted)) > RISK

    assert granted > 0.5 * repeats
    assert broken <= 0.1 * repeats
