"""When results carry a reply, when they earn one question, and when a person takes over."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.drafting.proposal import GroundingSnapshot, grounding_metadata
from cairnloop_engine.retrieval.adapters.minilm import MINILM
from cairnloop_engine.retrieval.grounding import Calibration, assess, carries_reply, replay
from cairnloop_engine.retrieval.model import (
    Degraded,
    GroundingBundle,
    GroundingStatus,
    Reason,
    Trust,
)
from tests.unit.retrieval.hits import hit

STRONG, ASK, PERSON = (
    GroundingStatus.STRONG,
    GroundingStatus.CLARIFICATION,
    GroundingStatus.ESCALATION,
)
MEASURED = MINILM.thresholds

# Half sure at a chunk cosine of 0.5, and surer the nearer it is.
NUMBERS = {
    "intercept": 0.0,
    "weight.cos_chunk": 2.0,
    "mean.cos_chunk": 0.5,
    "scale.cos_chunk": 0.1,
    "floor.cos_chunk": 0.45,
    "floor.bm25_share": 0.6,
}
GRANTED = Calibration(7, 0.8, NUMBERS)
REFUSED = Calibration(8, None, NUMBERS)

unit = st.floats(0, 1)
results = st.lists(
    st.builds(
        hit,
        cos_chunk=st.none() | unit,
        cos_title=st.none() | unit,
        share=unit,
        score=unit,
        trust=st.sampled_from(Trust),
    ),
    max_size=4,
)


@pytest.mark.requirement("03-retrieval-drafting:44")
def test_a_near_passage_of_a_published_article_is_strong() -> None:
    grounding = assess([hit(cos_chunk=0.65, score=0.55)], thresholds=MEASURED)

    assert (grounding.status, grounding.reason) == (STRONG, Reason.CANONICAL_RESULTS)
    assert grounding.may_reply
    assert not grounding.calibrated
    assert grounding.confidence == 0.65
    assert grounding.signals["fused"] == 0.55


@pytest.mark.requirement("03-retrieval-drafting:45")
@pytest.mark.parametrize(
    ("cos_chunk", "score"), [(0.649, 0.9), (0.9, 0.549), (0.40, 0.3), (0.65, 0.0)]
)
def test_a_passage_that_misses_one_threshold_earns_a_question(
    cos_chunk: float, score: float
) -> None:
    grounding = assess([hit(cos_chunk=cos_chunk, score=score)], thresholds=MEASURED)

    assert (grounding.status, grounding.reason) == (ASK, Reason.CANONICAL_INSUFFICIENT_DETAIL)


@pytest.mark.requirement("03-retrieval-drafting:46")
def test_after_one_question_the_same_result_goes_to_a_person() -> None:
    grounding = assess([hit(cos_chunk=0.5)], thresholds=MEASURED, attempts=1)

    assert (grounding.status, grounding.reason) == (PERSON, Reason.CLARIFICATION_LIMIT_REACHED)


def test_a_strong_result_stays_strong_after_a_question() -> None:
    assert assess([hit()], thresholds=MEASURED, attempts=1).status is STRONG


@pytest.mark.requirement("03-retrieval-drafting:47")
def test_past_cases_alone_go_to_a_person() -> None:
    grounding = assess([hit(trust=Trust.ASSISTIVE)], thresholds=MEASURED)

    assert (grounding.status, grounding.reason) == (PERSON, Reason.ASSISTIVE_ONLY_RESULTS)


@pytest.mark.requirement("03-retrieval-drafting:48")
def test_nothing_found_goes_to_a_person() -> None:
    grounding = assess([], thresholds=MEASURED)

    assert (grounding.status, grounding.reason) == (PERSON, Reason.NO_CANONICAL_RESULTS)
    assert grounding.confidence == 0.0


def test_the_nearest_neighbour_of_another_topic_is_nothing() -> None:
    grounding = assess([hit(cos_chunk=0.39, cos_title=0.95)], thresholds=MEASURED)

    assert (grounding.status, grounding.reason) == (PERSON, Reason.NO_CANONICAL_RESULTS)


def test_the_title_alone_never_decides() -> None:
    assert assess([hit(cos_chunk=0.5, cos_title=0.99)], thresholds=MEASURED).status is ASK


def test_two_articles_that_tie_earn_a_question() -> None:
    tied = assess([hit(score=0.70), hit(score=0.68, article_id=2)], thresholds=MEASURED)
    apart = assess([hit(score=0.70), hit(score=0.66, article_id=2)], thresholds=MEASURED)

    assert (tied.status, tied.reason) == (ASK, Reason.ARTICLES_TIE)
    assert apart.status is STRONG


@pytest.mark.parametrize(("share", "expected"), [(0.9, ASK), (0.25, ASK), (0.24, PERSON)])
def test_an_embedder_that_nobody_measured_never_makes_it_strong(
    share: float, expected: GroundingStatus
) -> None:
    best = hit(cos_chunk=0.99, score=0.99, share=share)

    assert assess([best], thresholds=None).status is expected
    assert not carries_reply(best, None)


def test_an_article_without_vectors_yet_is_at_most_a_question() -> None:
    assert assess([hit(cos_chunk=None, share=0.9)], thresholds=MEASURED).status is ASK
    assert assess([hit(cos_chunk=None, share=0.1)], thresholds=MEASURED).status is PERSON


@pytest.mark.requirement("03-retrieval-drafting:49")
@pytest.mark.parametrize(
    ("degraded", "reason"),
    [
        (Degraded.SEARCH_TIMED_OUT, Reason.PROVIDER_TIMEOUT),
        (Degraded.INDEX_BUSY, Reason.INDEX_UNAVAILABLE),
    ],
)
def test_a_search_that_failed_is_not_the_absence_of_knowledge(
    degraded: Degraded, reason: Reason
) -> None:
    grounding = assess([], thresholds=MEASURED, degraded=[degraded])

    assert (grounding.status, grounding.reason) == (PERSON, reason)


def test_only_a_passage_that_is_near_enough_itself_may_be_quoted() -> None:
    assert carries_reply(hit(), MEASURED)
    assert not carries_reply(hit(cos_chunk=0.6), MEASURED)
    assert not carries_reply(hit(trust=Trust.ASSISTIVE), MEASURED)


def test_a_calibrated_probability_decides_in_the_place_of_the_thresholds() -> None:
    near = assess([hit(cos_chunk=0.6, score=0.3)], thresholds=MEASURED, calibration=GRANTED)
    far = assess([hit(cos_chunk=0.55, score=0.9)], thresholds=MEASURED, calibration=GRANTED)

    assert (near.status, near.calibrated) == (STRONG, True)
    assert near.confidence == pytest.approx(0.8808, abs=1e-4)
    assert (far.status, far.reason) == (ASK, Reason.CANONICAL_INSUFFICIENT_DETAIL)
    assert far.confidence == pytest.approx(0.7311, abs=1e-4)


def test_no_probability_replaces_a_passage_that_is_near() -> None:
    sure = replace(GRANTED, numbers={**NUMBERS, "intercept": 9.0})

    floating = assess([hit(cos_chunk=0.44, share=0.5)], thresholds=MEASURED, calibration=sure)
    worded = assess([hit(cos_chunk=0.44, share=0.6)], thresholds=MEASURED, calibration=sure)
    elsewhere = assess([hit(cos_chunk=0.39, share=0.9)], thresholds=MEASURED, calibration=sure)
    blind = assess([hit(cos_chunk=None, share=0.9)], thresholds=MEASURED, calibration=sure)

    assert floating.status is ASK
    assert worded.status is STRONG
    assert elsewhere.status is PERSON
    assert blind.status is ASK


def test_two_articles_that_tie_earn_a_question_also_when_calibrated() -> None:
    hits = [hit(cos_chunk=0.9, score=0.70), hit(score=0.68, article_id=2)]

    assert assess(hits, thresholds=MEASURED, calibration=GRANTED).reason is Reason.ARTICLES_TIE


def test_after_a_refusal_nothing_is_strong() -> None:
    grounding = assess([hit(cos_chunk=0.99, score=0.99)], thresholds=MEASURED, calibration=REFUSED)

    assert (grounding.status, grounding.calibrated) == (ASK, False)


def test_an_embedder_that_nobody_measured_is_strong_once_it_was_calibrated() -> None:
    assert assess([hit(cos_chunk=0.9)], thresholds=None, calibration=GRANTED).status is STRONG


@pytest.mark.requirement("03-retrieval-drafting:49")
def test_a_search_that_broke_is_an_error_and_no_gap() -> None:
    grounding = assess([], thresholds=MEASURED, degraded=[Degraded.SEARCH_FAILED])

    assert (grounding.status, grounding.reason) == (PERSON, Reason.UNEXPECTED_ERROR)


def test_nothing_found_by_words_alone_says_that_the_embedder_was_away() -> None:
    away = [Degraded.EMBEDDER_UNAVAILABLE]

    assert assess([], thresholds=MEASURED, degraded=away).reason is Reason.EMBEDDER_UNAVAILABLE
    near = assess([hit(cos_chunk=None, share=0.1)], thresholds=MEASURED, degraded=away)
    assert (near.status, near.reason) == (PERSON, Reason.EMBEDDER_UNAVAILABLE)


@given(
    hits=results,
    calibration=st.sampled_from([None, GRANTED, REFUSED]),
    measured=st.booleans(),
    degraded=st.lists(st.sampled_from(Degraded), max_size=2),
    attempts=st.integers(0, 2),
)
def test_a_decision_can_be_replayed_from_the_row_of_its_draft(
    hits: list[object],
    calibration: Calibration | None,
    measured: bool,
    degraded: list[Degraded],
    attempts: int,
) -> None:
    grounding = assess(
        hits,  # type: ignore[arg-type]
        thresholds=MEASURED if measured else None,
        calibration=calibration,
        degraded=degraded,
        attempts=attempts,
    )
    bundle = GroundingBundle("How?", (), grounding, attempts, tuple(degraded), "minilm-int8")

    stored = json.loads(json.dumps(grounding_metadata(bundle)))

    assert replay(stored["grounding"]) == grounding
    assert GroundingSnapshot.from_json(stored).grounding == grounding


def test_a_row_from_before_the_signals_were_complete_replays_to_a_person() -> None:
    old = {"status": "strong", "reason": "canonical_results", "signals": {"cos_chunk": 0.9}}

    assert replay(old).status is PERSON  # type: ignore[arg-type]
