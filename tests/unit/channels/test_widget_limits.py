"""Limits: buckets that refill, seats that are given back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cairnloop_engine.channels.widget import limits
from cairnloop_engine.channels.widget.limits import Bucket, Rates, Seats


def test_a_bucket_gives_its_capacity_then_says_how_long_to_wait() -> None:
    bucket = Bucket.full(2, 0.5, now=0)

    assert [bucket.take(0), bucket.take(0)] == [0, 0]
    assert bucket.take(0) == 2.0
    assert bucket.take(2.0) == 0


def test_waiting_as_long_as_told_is_enough() -> None:
    bucket = Bucket.full(1, 0.3, now=10)
    bucket.take(10)

    wait = bucket.take(11)

    assert bucket.take(11 + wait + 1e-9) == 0


@settings(deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_a_bucket_never_gives_more_than_capacity_and_refill(times: list[float]) -> None:
    bucket = Bucket.full(5, 1.0, now=0)

    given_out = sum(bucket.take(moment) == 0 for moment in times)

    assert given_out <= 5 + max(times)


def test_one_customer_does_not_use_up_anothers_rate() -> None:
    rates = Rates(1, 0.1)

    assert rates.take("ada", now=0) == 0
    assert rates.take("ada", now=0) > 0
    assert rates.take("ben", now=0) == 0


def test_customers_who_stay_away_are_forgotten() -> None:
    rates = Rates(1, 1.0)
    for number in range(limits.MOST_BUCKETS):
        rates.take(number, now=0)

    rates.take("late", now=60)

    assert set(rates.buckets) == {"late"}


def test_a_full_house_lets_nobody_in_until_somebody_leaves() -> None:
    seats = Seats(most=2, most_each=2, most_strangers=2)
    assert seats.enter()
    assert seats.sit("ada")
    assert seats.enter()

    assert not seats.enter()

    seats.leave(None)
    assert seats.enter()


def test_a_customer_has_so_many_seats_and_no_more() -> None:
    seats = Seats(most=10, most_each=1, most_strangers=10)
    seats.enter()
    seats.sit("ada")
    seats.enter()

    assert not seats.sit("ada")
    assert seats.sit("ben")


def test_strangers_cannot_take_every_seat() -> None:
    seats = Seats(most=10, most_each=1, most_strangers=2)
    assert [seats.enter(), seats.enter(), seats.enter()] == [True, True, False]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["ada", "ben", "cid", None]), max_size=60))
def test_everybody_who_leaves_gives_a_seat_back(visits: list[str | None]) -> None:
    seats = Seats(most=100, most_each=100, most_strangers=100)
    for who in visits:
        seats.enter()
        if who is not None:
            seats.sit(who)

    for who in visits:
        seats.leave(who)

    assert (seats.total, seats.strangers, dict(seats.seated)) == (0, 0, {})
