"""What becomes of a job that met trouble: a decision without a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.core.errors import Misconfigured, Unavailable, UnknownOutcome
from cairnloop_engine.core.verdicts import (
    LONGEST_WAIT_S,
    MOST_RESCUES,
    STRANDED,
    TASK_UNKNOWN,
    Again,
    Dead,
    Failure,
    History,
    Reason,
    Trouble,
    judge,
)

BUG = Failure.of(ZeroDivisionError())
AWAY = Failure.of(Unavailable("provider_away", "The provider does not answer."))


def verdict(failure: Failure, history: History, retries: int = 3, outages: int = 30) -> object:
    return judge(failure, history, retries=retries, outage_retries=outages, jitter=1.0)


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_n_retries_are_n_plus_one_runs(retries: int) -> None:
    for met in range(1, retries + 1):
        assert isinstance(verdict(BUG, History(errors=met), retries), Again)
    assert verdict(BUG, History(errors=retries + 1), retries) == Dead(Reason.FAILED)


def test_each_kind_of_trouble_has_a_budget_of_its_own() -> None:
    weary = History(errors=1, outages=29, rescues=MOST_RESCUES - 1)
    for failure in (BUG, AWAY, STRANDED):
        assert isinstance(verdict(failure, weary), Again)
    assert verdict(AWAY, History(outages=31)) == Dead(Reason.OUTAGE)
    assert verdict(STRANDED, History(rescues=MOST_RESCUES)) == Dead(Reason.STRANDED)
    assert verdict(TASK_UNKNOWN, History(outages=31)) == Dead(Reason.TASK_UNKNOWN)


def test_a_job_that_decides_itself_is_not_repeated_after_anything_but_a_rescue() -> None:
    once = History(errors=1, outages=1, rescues=1)
    assert isinstance(verdict(BUG, once, 0, 0), Dead)
    assert isinstance(verdict(AWAY, once, 0, 0), Dead)
    assert verdict(STRANDED, once, 0, 0) == Again(0.0)


def test_an_unknown_outcome_ends_it_whatever_the_budget() -> None:
    unknown = Failure.of(UnknownOutcome("outcome_unknown", "It may have happened."))
    assert verdict(unknown, History(errors=1), 100, 100) == Dead(Reason.UNKNOWN_OUTCOME)


@given(met=st.integers(1, 1_000), jitter=st.floats(0.5, 1.5))
def test_waits_grow_and_are_bounded(met: int, jitter: float) -> None:
    def wait(number: int) -> float:
        history = History(outages=number)
        found = judge(AWAY, history, retries=0, outage_retries=2_000, jitter=jitter)
        assert isinstance(found, Again)
        return found.after_s

    assert 0.5 <= wait(met) <= wait(met + 1) <= LONGEST_WAIT_S * 1.5


def test_a_dependency_that_says_when_to_come_back_is_not_asked_sooner() -> None:
    busy = Failure.of(Unavailable("limited", "Too many requests.", retry_after=42.0))
    assert verdict(busy, History(outages=1)) == Again(42.0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("the words of a customer"), "ValueError"),
        (KeyError("secret-key"), "KeyError"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_of_a_bug_only_type_and_place_are_kept(error: Exception, kind: str) -> None:
    with pytest.raises(type(error)) as raised:
        raise error
    found = Failure.of(raised.value)
    assert (found.trouble, found.error_type) == (Trouble.ERROR, kind)
    assert found.error_text.startswith(f"in {__name__}, line ")
    assert "customer" not in repr(found)
    assert "secret" not in repr(found)


def test_words_of_ours_are_shortened_and_cleaned() -> None:
    found = Failure.of(Misconfigured("odd", "Write to a@example.com \x1b[31m" + "x" * 500))
    assert found.error_type == "odd"
    assert "example.com" not in found.error_text
    assert "\x1b" not in found.error_text
    assert len(found.error_text) <= 201
