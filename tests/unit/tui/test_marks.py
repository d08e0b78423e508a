"""Marks belong to rows, not to places."""

from __future__ import annotations

from cairnloop_tui.lists.marks import Marks

ORDER = (1, 2, 3, 4, 5)
NONE: Marks[int] = Marks()


def test_toggling_marks_and_unmarks() -> None:
    marks: Marks[int] = Marks()

    assert 3 in marks.toggled(3)
    assert 3 not in marks.toggled(3).toggled(3)


def test_a_range_follows_the_cursor_both_ways() -> None:
    marks = NONE.range_from(3)

    assert marks.reaching(5, ORDER).in_order(ORDER) == (3, 4, 5)
    assert marks.reaching(5, ORDER).reaching(1, ORDER).in_order(ORDER) == (1, 2, 3)


def test_a_range_keeps_what_was_marked_before() -> None:
    marks = Marks(frozenset({1})).range_from(4).reaching(5, ORDER)

    assert marks.in_order(ORDER) == (1, 4, 5)


def test_an_ended_range_stays_marked_and_stops_following() -> None:
    marks = NONE.range_from(2).reaching(3, ORDER).range_ended()

    assert not marks.in_range
    assert marks.reaching(5, ORDER).in_order(ORDER) == (2, 3)


def test_all_and_inverted() -> None:
    assert NONE.all_of(ORDER).in_order(ORDER) == ORDER
    assert Marks(frozenset({2, 3})).inverted(ORDER).in_order(ORDER) == (1, 4, 5)


def test_marks_survive_a_new_order_and_lose_only_rows_that_left() -> None:
    marks = Marks(frozenset({1, 4, 5})).kept((5, 3, 1))

    assert marks.in_order((5, 3, 1)) == (5, 1)


def test_a_range_whose_beginning_left_the_list_stops_following() -> None:
    marks = NONE.range_from(2).kept((3, 4))

    assert not marks.in_range
