"""Keys that were meant for something else arm and confirm nothing."""

from __future__ import annotations

from cairnloop_tui.keys.guard import Guard


class Hand:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_key_right_after_opening_is_refused() -> None:
    hand = Hand()
    guard = Guard(hand)
    guard.opened()
    hand.now += 0.2
    guard.judge(guard.pressed())

    assert "before this could be read" in (guard.why_not() or "")


def test_a_key_that_comes_later_may_act() -> None:
    hand = Hand()
    guard = Guard(hand)
    guard.opened()
    hand.now += 0.26
    guard.judge(guard.pressed())

    assert guard.why_not() is None


def test_keys_as_fast_as_a_paste_are_refused() -> None:
    hand = Hand()
    guard = Guard(hand)
    hand.now += 1
    guard.judge(guard.pressed())
    hand.now += 0.005
    guard.judge(guard.pressed())

    assert "too fast" in (guard.why_not() or "")


def test_fast_fingers_are_not_a_paste() -> None:
    hand = Hand()
    guard = Guard(hand)
    hand.now += 1
    guard.judge(guard.pressed())
    hand.now += 0.05
    guard.judge(guard.pressed())

    assert guard.why_not() is None


def test_many_keys_at_once_are_a_paste_whatever_they_mean() -> None:
    hand = Hand()
    guard = Guard(hand)
    for _ in range(8):
        hand.now += 0.001
        guard.judge(guard.pressed())
    assert guard.is_paste

    hand.now += 0.5
    guard.judge(guard.pressed())
    assert not guard.is_paste


def test_a_key_held_down_is_no_paste() -> None:
    hand = Hand()
    guard = Guard(hand)
    for _ in range(30):
        hand.now += 0.03
        guard.judge(guard.pressed())

    assert not guard.is_paste


def test_a_key_is_judged_by_its_own_arrival_however_late_its_turn_comes() -> None:
    hand = Hand()
    guard = Guard(hand)
    early = guard.pressed()
    hand.now += 0.5
    guard.opened()
    hand.now += 0.5
    late = guard.pressed()

    guard.judge(early)
    assert "before this could be read" in (guard.why_not() or "")
    guard.judge(late)
    assert guard.why_not() is None
