"""Keys become commands, counts and prefixes."""

from __future__ import annotations

from cairnloop_tui.keys.sequences import Cancelled, Ignored, Run, Sequences, Waiting

TABLE = {("j",): "down", ("g", "g"): "top", ("g", "i"): "inbox", ("G",): "end"}


def feed(keys: str) -> object:
    sequences = Sequences()
    fed: object = None
    for key in keys:
        fed = sequences.feed(key, TABLE)
    return fed


def test_a_single_key_runs_its_command() -> None:
    assert feed("j") == Run("down", None)


def test_digits_become_the_count_of_the_next_command() -> None:
    assert feed("12j") == Run("down", 12)
    assert feed("3gg") == Run("top", 3)


def test_a_zero_alone_is_no_count() -> None:
    assert feed("0") == Ignored()
    assert feed("10j") == Run("down", 10)


def test_a_prefix_waits_and_says_what_may_follow() -> None:
    assert feed("g") == Waiting("g", {"g": "top", "i": "inbox"})


def test_a_key_that_does_not_continue_drops_what_was_typed() -> None:
    assert feed("gx") == Cancelled()
    assert feed("gxj") == Run("down", None)


def test_an_unknown_key_is_left_to_others() -> None:
    assert feed("x") == Ignored()


def test_a_count_before_an_unknown_key_is_dropped() -> None:
    assert feed("5x") == Cancelled()


def test_clearing_says_whether_something_was_pending() -> None:
    sequences = Sequences()
    sequences.feed("g", TABLE)

    assert sequences.clear()
    assert not sequences.clear()


def test_a_stuck_digit_key_does_not_count_for_ever() -> None:
    assert feed("9" * 30 + "j") == Run("down", 9999)
