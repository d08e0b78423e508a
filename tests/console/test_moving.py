"""Motions, counts and marks in a list."""

from __future__ import annotations

from cairnloop_engine import Engine
from tests.console.conftest import Write
from tests.console.driving import Console, open_console
from tests.fakes import FixedClock


async def _forty(customer_writes: Write) -> None:
    for number in range(40):
        await customer_writes(f"Question {number}", subject=f"Subject {number}")


def _at(console: Console) -> int:
    return console.inbox.rows.cursor + 1


async def test_motions_take_counts_and_stay_inside_the_list(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await _forty(customer_writes)

    async with open_console(engine, clock, size=(80, 24)) as console:
        await console.press("g", "i")
        for keys, line in (
            (("j",), 2),
            (("k",), 1),
            (("k",), 1),
            (("1", "2", "j"), 13),
            (("3", "up"), 10),
            (("down",), 11),
            (("G",), 40),
            (("j",), 40),
            (("g", "g"), 1),
            (("5", "G"), 5),
            (("end",), 40),
            (("home",), 1),
        ):
            await console.press(*keys)
            assert _at(console) == line, keys
        await console.press("pagedown")
        page = _at(console) - 1
        await console.press("pageup", "ctrl+d")
        half = _at(console) - 1
        await console.press("ctrl+u")

        assert _at(console) == 1
        assert abs(page - 2 * half) <= 1
        assert "Row 1 of 40" in console.status()
        console.proved(
            "move.down",
            "move.up",
            "move.first",
            "move.last",
            "move.page_down",
            "move.page_up",
            "move.half_down",
            "move.half_up",
            "go.inbox",
        )


async def test_marks_are_made_inverted_and_dropped(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await _forty(customer_writes)

    async with open_console(engine, clock, size=(80, 24)) as console:
        await console.press("g", "i", "space", "space")
        assert "2 marked" in console.status()
        assert _at(console) == 3

        await console.press("V", "3", "j", "V", "j")
        assert "6 marked" in console.status()
        await console.press("!")
        assert "34 marked" in console.status()
        await console.press("*")
        assert "40 marked" in console.status()
        await console.press("U")
        assert "marked" not in console.status()
        await console.press("3", "space")
        assert "3 marked" in console.status()
        await console.press("escape")
        assert "marked" not in console.status()

        console.proved("mark.toggle", "mark.range", "mark.invert", "mark.all", "mark.none", "back")


async def test_unmarking_nothing_says_so(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        await console.press("g", "i", "U")
        assert "Nothing is marked" in console.status()
        await console.press("space")
        assert "nothing to mark" in console.status()


async def test_a_half_typed_sequence_shows_what_may_follow_and_esc_drops_it(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    await customer_writes("Hello", subject="One")

    async with open_console(engine, clock, size=(80, 24)) as console:
        await console.press("g", "i", "f")
        await console.shows("f then", "Needs you", "Resolved")
        await console.press("escape")
        await console.shows_no("f then")
        assert console.inbox.tab == "you"
        await console.press("f", "x")
        assert console.app.desk.sequences.typed == ""


async def test_more_rows_are_read_when_the_end_comes_near(
    engine: Engine, clock: FixedClock, customer_writes: Write
) -> None:
    for number in range(104):
        await customer_writes(f"Question {number}", customer=f"customer-{number}")

    async with open_console(engine, clock, size=(80, 24)) as console:
        await console.press("g", "i")
        assert len(console.inbox.rows.rows) == 100
        await console.press("G")
        await console.until(lambda: len(console.inbox.rows.rows) == 104)
        assert _at(console) == 100
        await console.press("G")
        await console.shows("Row 104 of 104", "Question 103")
