"""From labelled questions to a threshold that keeps a promise about wrong answers. No IO.

A logistic regression on the signals of the first article says how likely it answers. Every label
is scored by a regression that has seen no label of the same article. On these held-out scores one
exact test after the other asks whether the best 24, 34, 44, ... still keep the promise, and the
first that fails ends it. Trying every threshold and taking the loosest that passes would be many
tests at once, and would break the promise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cairnloop_engine.retrieval.grounding import (
    FEATURES,
    FLOORS,
    Signals,
    admissible,
    probability,
)

Numbers = npt.NDArray[np.float64]

FOLDS = 5
# The promise is kept with this probability over the choice of the labels.
CONFIDENCE = 0.9
# Beyond the fewest that could pass at all: a first test on the very edge hardly ever passes.
SPARE = 2
STEP = 10
# How strongly weights are drawn to zero, in units of one label; the intercept hardly.
RIDGE = 1.0
RIDGE_INTERCEPT = 1e-3
MOST_STEPS = 50
# Of the good results, this share may lie below both floors of the evidence.
FLOOR_QUANTILE = 0.05
COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Stands below every probability: such a result is never accepted.
NEVER = -1.0


class Refusal(StrEnum):
    """Why no threshold was granted."""

    TOO_FEW_LABELS = "too_few_labels"
    PROMISE_NOT_KEPT = "promise_not_kept"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled question after its search.

    ``good`` says that it has an answer and that the first article is that answer. Labels of one
    ``group`` (an article, or the words of a question that has no answer) stay together.
    """

    signals: Signals
    good: bool
    group: str
    answerable: bool


@dataclass(frozen=True, slots=True)
class RiskAt:
    """The share of wrong answers when the best ``coverage`` of the questions were answered."""

    coverage: float
    risk: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Test:
    """One exact test: the ``n`` best of the labels, and how many of them are wrong.

    ``bound`` is the Clopper-Pearson upper bound of the share of wrong ones.
    """

    __test__ = False

    n: int
    wrong: int
    bound: float
    threshold: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a set of labels says. ``threshold`` None: no threshold keeps the promise."""

    threshold: float | None
    refusal: Refusal | None
    numbers: Mapping[str, float]
    n: int
    n_good: int
    n_groups: int
    auroc: float | None
    aurc: float | None
    coverage: float
    table: tuple[RiskAt, ...]
    tests: tuple[Test, ...]

    @property
    def granted(self) -> bool:
        return self.threshold is not None


def calibrate(labels: Sequence[Labelled], *, risk: float) -> Outcome:
    """Fit, score what was held out, and look for a threshold that keeps the promise.

    ``risk`` is the share of wrong answers among the strong ones that is promised at most.
    """
    chances, accepted = _held_out(labels)
    good = np.array([label.good for label in labels], dtype=bool)
    tests = fixed_sequence(accepted, good, risk=risk)
    passed = [test for test in tests if test.passed]
    threshold = passed[-1].threshold if passed else None
    few = len(labels) < fewest(risk) or len(tests) == 0
    refusal = Refusal.TOO_FEW_LABELS if few else Refusal.PROMISE_NOT_KEPT
    return Outcome(
        threshold=threshold,
        refusal=None if passed else refusal,
        numbers=fitted(labels),
        n=len(labels),
        n_good=int(good.sum()),
        n_groups=len({label.group for label in labels}),
        auroc=auroc(chances, good),
        aurc=aurc(chances, good),
        coverage=passed[-1].n / len(labels) if passed else 0.0,
        table=risk_coverage(chances, good),
        tests=tests,
    )


def fewest(risk: float, *, confidence: float = CONFIDENCE) -> int:
    """How many results the first test looks at: enough to pass without a wrong one, and a few."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - risk)) + SPARE


def fixed_sequence(
    scores: Numbers, good: npt.NDArray[np.bool_], *, risk: float, confidence: float = CONFIDENCE
) -> tuple[Test, ...]:
    """Exact tests of the best 24, 34, 44, ... scores, in this order, until one fails.

    Every test may spend the whole confidence, because the order is fixed beforehand and ends at
    the first failure. Equal scores are accepted or refused together.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, wrong = scores[order], np.cumsum(~good[order])
    usable = int((scores > NEVER).sum())
    found: list[Test] = []
    for size in range(fewest(risk, confidence=confidence), usable + 1, STEP):
        threshold = float(ranked[size - 1])
        n = int((ranked >= threshold).sum())
        errors = int(wrong[n - 1])
        bound = upper_bound(errors, n, confidence=confidence)
        found.append(Test(n, errors, bound, threshold, passed=bound <= risk))
        if not found[-1].passed:
            break
    return tuple(found)


def upper_bound(wrong: int, n: int, *, confidence: float = CONFIDENCE) -> float:
    """The one-sided Clopper-Pearson bound: the largest share that ``wrong`` of ``n`` allows."""
    if wrong >= n:
        return 1.0
    low, high = wrong / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if binomial_tail(wrong, n, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def binomial_tail(most: int, n: int, share: float) -> float:
    """The chance of at most ``most`` in ``n`` draws that each hit with chance ``share``."""
    if share <= 0.0:
        return 1.0
    if share >= 1.0:
        return 1.0 if most >= n else 0.0
    hit, miss = math.log(share), math.log1p(-share)
    whole = math.lgamma(n + 1)
    return min(
        1.0,
        sum(
            math.exp(whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * hit + (n - k) * miss)
            for k in range(most + 1)
        ),
    )


def auroc(scores: Numbers, good: npt.NDArray[np.bool_]) -> float | None:
    """The chance that a good one scores higher than another; None when there is only one kind."""
    n_good, n_other = int(good.sum()), int((~good).sum())
    if not n_good or not n_other:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Equal scores share the mean of their ranks.
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[good].sum() - n_good * (n_good + 1) / 2) / (n_good * n_other))


def aurc(scores: Numbers, good: npt.NDArray[np.bool_]) -> float | None:
    """The mean risk over every coverage: 0 is perfect, the share of wrong ones is no skill."""
    if not len(scores):
        return None
    return float(_risks(scores, good).mean())


def risk_coverage(scores: Numbers, good: npt.NDArray[np.bool_]) -> tuple[RiskAt, ...]:
    """How the share of wrong answers grows with the share of questions that are answered."""
    if not len(scores):
        return ()
    risks, ranked = _risks(scores, good), -np.sort(-scores)
    places = [max(1, round(coverage * len(scores))) - 1 for coverage in COVERAGES]
    return tuple(
        RiskAt((place + 1) / len(scores), float(risks[place]), float(ranked[place]))
        for place in dict.fromkeys(places)
    )


def _risks(scores: Numbers, good: npt.NDArray[np.bool_]) -> Numbers:
    wrong = ~good[np.argsort(-scores, kind="stable")]
    risks: Numbers = np.cumsum(wrong) / np.arange(1, len(scores) + 1)
    return risks


def folds(labels: Sequence[Labelled], n_folds: int = FOLDS) -> list[int]:
    """A fold for each label, so that a group is never torn and every fold gets its share.

    Questions with and without an answer are spread apart from each other.
    """
    sizes: dict[tuple[bool, str], int] = {}
    for label in labels:
        key = (label.answerable, label.group)
        sizes[key] = sizes.get(key, 0) + 1
    load = [0] * n_folds
    place: dict[tuple[bool, str], int] = {}
    for key in sorted(sizes, key=lambda key: (key[0], -sizes[key], key[1])):
        place[key] = load.index(min(load))
        load[place[key]] += sizes[key]
    return [place[label.answerable, label.group] for label in labels]


def fitted(labels: Sequence[Labelled]) -> dict[str, float]:
    """The regression and the floors of the evidence, as :class:`grounding.Calibration` has them.

    Questions that found nothing near are left out: they are never strong, whatever is fitted.
    """
    judged = [label for label in labels if _was_judged(label)]
    rows = np.array(
        [[_value(label.signals.get(name)) for name in FEATURES] for label in judged], dtype=float
    ).reshape(len(judged), len(FEATURES))
    known = ~np.isnan(rows)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, rows, 0.0).sum(axis=0) / counts
    spread = np.sqrt((np.where(known, rows - means, 0.0) ** 2).sum(axis=0) / counts)
    # A feature that never varies says nothing; any scale keeps it at zero.
    scales = np.where(spread > 1e-9, spread, 1.0)
    standard = np.where(known, (rows - means) / scales, 0.0)
    good = np.array([label.good for label in judged], dtype=float)
    intercept, *weights = _logistic(standard, good).tolist()
    found = {"intercept": intercept}
    for name, weight, mean, scale in zip(FEATURES, weights, means, scales, strict=True):
        found |= {
            f"weight.{name}": weight,
            f"mean.{name}": float(mean),
            f"scale.{name}": float(scale),
        }
    return found | _floors(judged)


def _floors(labels: Sequence[Labelled]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in FLOORS:
        values = [label.signals.get(name) for label in labels if label.good]
        known = [value for value in values if value is not None]
        if known:
            found[f"floor.{name}"] = float(np.quantile(known, FLOOR_QUANTILE))
    return found


def _logistic(rows: Numbers, good: Numbers) -> Numbers:
    """Intercept and weights by Newton's method, drawn to zero so that they always exist."""
    design = np.hstack([np.ones((len(rows), 1)), rows])
    pull = np.diag([RIDGE_INTERCEPT] + [RIDGE] * rows.shape[1])
    weights = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        chances = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30.0, 30.0)))
        slope = design.T @ (good - chances) - pull @ weights
        bend = (design * (chances * (1 - chances))[:, None]).T @ design + pull
        step = np.linalg.solve(bend, slope)
        # A long step may overshoot where the curve is flat.
        weights = weights + step / max(1.0, float(np.abs(step).max()) / 2.0)
        if float(np.abs(step).max()) < 1e-9:
            break
    return weights


def _held_out(labels: Sequence[Labelled]) -> tuple[Numbers, Numbers]:
    """For each label its chance by a model that does not know its group; and the same, but
    ``NEVER`` where the rules beside the threshold would not let it through."""
    chances = np.zeros(len(labels))
    accepted = np.full(len(labels), NEVER)
    place = folds(labels)
    if len(set(place)) < 2:
        return chances, accepted
    for fold in set(place):
        numbers = fitted([one for one, at in zip(labels, place, strict=True) if at != fold])
        inside = [at for at, one in enumerate(place) if one == fold and _was_judged(labels[at])]
        for at in inside:
            chances[at] = probability(numbers, labels[at].signals)
            if admissible({**labels[at].signals, **numbers}):
                accepted[at] = chances[at]
    return chances, accepted


def _was_judged(label: Labelled) -> bool:
    return label.signals.get("cos_chunk") is not None


def _value(value: float | None) -> float:
    return math.nan if value is None else value
