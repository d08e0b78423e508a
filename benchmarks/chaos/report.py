"""What the suite found: the tables for people, the JSON for the record, the promises broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.chaos.books import Books
from benchmarks.chaos.deaths import Deaths
from benchmarks.chaos.freeze import Thaw
from benchmarks.chaos.kills import Kills
from benchmarks.chaos.scenarios import Outcome
from benchmarks.chaos.sides import Side
from benchmarks.machine import described

KILLS = "Killed at a named point, carried on by a fresh worker"
THAWS = "Frozen in the call of a tool, taken over, thawed"
DEATHS = "From a worker's death to its job running elsewhere"
OUTCOMES = """\
Jobs per second before, during and after a disturbance; time to the first job after it;
acknowledged jobs, of these left in the queue, lost, run twice; workers that gave up"""

# Promise P3.
REPLACED_WITHIN_S = 60.0


@dataclass(slots=True)
class Findings:
    """Everything that was measured; what was left out is None or empty.

    ``least_recovered`` is the share of its rate that our side must come back to.
    """

    long: bool
    least_recovered: float
    kills: Kills | None = None
    books: Books | None = None
    thaws: Sequence[Thaw] = ()
    deaths: Deaths | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    def broken(self) -> Iterator[str]:
        """Each promise that was not kept, in words."""
        if self.kills is not None and self.books is not None:
            yield from _broken_by_kills(self.kills, self.books)
        for thaw in self.thaws:
            if not thaw.held:
                yield f"freeze and thaw, {thaw.tool}: {thaw}"
        if self.deaths is not None:
            if len(self.deaths.waits) < self.deaths.killed:
                yield f"{self.deaths.killed - len(self.deaths.waits)} dead workers' jobs never ran"
            elif self.deaths.p95 > REPLACED_WITHIN_S:
                yield f"dead workers' jobs waited {self.deaths.p95:.0f} s"
        for one in self.outcomes:
            if one.side is Side.OURS and not one.balance.all_ran:
                yield f"{one.scenario}: {one.balance.lost + one.balance.waiting} jobs did not run"
            if one.side is Side.OURS and one.recovered < self.least_recovered:
                yield f"{one.scenario}: recovered {one.recovered:.0%}"

    def as_json(self) -> dict[str, object]:
        told: dict[str, object] = {
            "machine": described(),
            "long": self.long,
            "seconds": round(self.seconds, 1),
            "broken": list(self.broken()),
        }
        if self.kills is not None and self.books is not None:
            told["kills"] = self.kills.as_json()
            told["books"] = asdict(self.books)
        told["freezes"] = [{**asdict(one), "held": one.held} for one in self.thaws]
        if self.deaths is not None:
            told["deaths"] = {
                "killed": self.deaths.killed,
                "p50_s": round(self.deaths.median, 2),
                "p95_s": round(self.deaths.p95, 2),
                "waits_s": [round(one, 2) for one in self.deaths.waits],
            }
        told["scenarios"] = [
            {**asdict(one), "recovered": round(one.recovered, 3)} for one in self.outcomes
        ]
        return told

    def show(self, console: Console) -> None:
        """Print every table that has something to say."""
        if self.kills is not None and self.books is not None:
            console.print(KILLS)
            console.print(_kills(self.kills, self.books))
        if self.thaws:
            console.print(THAWS)
            console.print(_thaws(self.thaws))
        if self.deaths is not None:
            console.print(DEATHS)
            console.print(_deaths(self.deaths))
        if self.outcomes:
            console.print(OUTCOMES)
            console.print(_outcomes(self.outcomes))
        broken = list(self.broken())
        for one in broken:
            console.print(f"BROKEN: {one}", markup=False)
        words = "A promise was broken." if broken else "Every promise was kept."
        console.print(f"{words} {self.seconds:.0f} s.")


def _broken_by_kills(kills: Kills, books: Books) -> Iterator[str]:
    if books.doubled:
        yield f"{len(books.doubled)} effects happened twice: {books.doubled[:3]}"
    if books.unknown != kills.expected_unknown:
        yield f"{books.unknown} unknown outcomes, {kills.expected_unknown} kills in the window"
    if books.settled != books.unknown:
        yield f"only {books.settled} of {books.unknown} unknown outcomes could be settled"
    if books.dead_letters:
        yield f"{books.dead_letters} jobs were put aside"
    for wrong in (books.untrue, books.stranded, books.hidden, books.amiss):
        yield from wrong
    yield from (f"not killed: {one}" for one in kills.missed)
    yield from (f"does not come to rest: {one}" for one in kills.restless)


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False)


def _kills(kills: Kills, books: Books) -> Table:
    table = _table()
    for name, justify in (("errand", "left"), ("kills", "right"), ("inside the effect", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for errand, count in sorted(kills.by_errand.items()):
        table.add_row(errand, str(count), str(kills.in_window.get(errand, 0)))
    table.add_section()
    for name, value in (
        ("kills", kills.total),
        ("of these while carrying on", kills.relapses),
        ("crash points", len(kills.by_point)),
        ("actions", books.actions),
        ("requests at the sink", books.arrivals),
        ("effects at the sink", books.effects),
        ("duplicate effects", len(books.doubled)),
        ("unknown, expected", kills.expected_unknown),
        ("unknown, found and shown", books.unknown - len(books.hidden)),
        ("unknown, settled", books.settled),
        ("stranded, untrue, amiss", len(books.stranded) + len(books.untrue) + len(books.amiss)),
    ):
        table.add_row(name, str(value), "")
    return table


def _thaws(thaws: Sequence[Thaw]) -> Table:
    table = _table()
    for name in (
        "tool",
        "requests",
        "effects",
        "the second owner said",
        "stands",
        "late word noted",
    ):
        table.add_column(name)
    for one in thaws:
        said = (one.second_owner_said, one.stands)
        noted = "yes" if one.late_noted else "no"
        table.add_row(one.tool, str(one.arrivals), str(one.effects), *said, noted)
    return table


def _deaths(deaths: Deaths) -> Table:
    table = _table()
    for name in ("killed", "p50", "p95", "longest"):
        table.add_column(name, justify="right")
    found = deaths.waits
    words = (f"{one:.1f} s" for one in (deaths.median, deaths.p95, found[-1])) if found else ()
    table.add_row(str(deaths.killed), *words)
    return table


def _outcomes(outcomes: Sequence[Outcome]) -> Table:
    table = _table()
    for name in ("scenario", "side"):
        table.add_column(name, no_wrap=True)
    for name in (
        *("before", "during", "after", "back", "first", "jobs", "left", "lost"),
        *("twice", "gone"),
    ):
        table.add_column(name, justify="right")
    for one in outcomes:
        first = "never" if one.first_job_s is None else f"{one.first_job_s:.1f} s"
        books = one.balance
        table.add_row(
            *(one.scenario, one.side.value),
            *(f"{rate:.0f}" for rate in (one.before, one.during, one.after)),
            *(f"{one.recovered:.0%}", first),
            *(str(count) for count in (books.acknowledged, books.waiting, books.lost)),
            *(str(books.repeated), str(one.fallen)),
        )
    return table
