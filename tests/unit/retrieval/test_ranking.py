"""The arithmetic of a score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.retrieval.ranking import (
    Recipe,
    convex,
    inverse_frequency,
    keyword_share,
    reciprocal_rank,
    term_frequency,
)

RECIPE = Recipe()
unit = st.floats(min_value=0, max_value=1)


def test_a_rarer_word_tells_more_and_an_unknown_one_most() -> None:
    weights = [inverse_frequency(100, df) for df in (100, 50, 1, 0)]

    assert weights == sorted(weights)
    assert weights[0] > 0


def test_a_word_in_the_title_counts_for_several_in_the_body() -> None:
    lengths = {"len_title": 5, "len_body": 100, "mean_title": 5.0, "mean_body": 100.0}

    title = term_frequency(RECIPE, tf_title=1, tf_body=0, **lengths)  # type: ignore[arg-type]
    body = term_frequency(RECIPE, tf_title=0, tf_body=1, **lengths)  # type: ignore[arg-type]

    assert title == pytest.approx(5 * body)


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 100)), max_size=8))
def test_a_keyword_share_lies_between_nothing_and_everything(
    terms: list[tuple[float, float]],
) -> None:
    assert 0.0 <= keyword_share(RECIPE, terms) <= 1.0


@given(unit, unit, unit)
def test_a_fused_score_lies_between_its_two_signals(
    alpha: float, cosine: float, share: float
) -> None:
    score = convex(alpha, cosine, share)

    assert min(cosine, share) - 1e-9 <= score <= max(cosine, share) + 1e-9


def test_without_a_vector_the_words_stand_for_both() -> None:
    assert convex(0.65, None, 0.4) == 0.4


def test_the_first_place_in_both_arms_is_everything() -> None:
    assert reciprocal_rank(RECIPE, 1, 1) == pytest.approx(1.0)
    assert reciprocal_rank(RECIPE, 1, None) > reciprocal_rank(RECIPE, None, 1)
    assert reciprocal_rank(RECIPE, None, None) == 0.0
