"""How the jobs read: queues, workers, and what was put aside; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cairnloop_engine.core.text import humanise
from cairnloop_engine.operations.model import QueueDepth
from cairnloop_engine.operations.reads import DeadLetterView, JobsView, WorkerView
from cairnloop_tui.labels import Label
from cairnloop_tui.lists.row_list import RowSpot
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    ago_words,
    counted,
    cut_line,
    fit,
    fit_right,
    muted,
    one_line,
    short_span,
    strong,
)
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone

# A job that is due for longer than this is late on any healthy site.
LATE_AFTER_S = 60

_REASONS = MappingProxyType(
    {
        "failed": Label("Failed", Tone.DANGER),
        "outage": Label("Outage", Tone.WARNING),
        "stranded": Label("Stranded", Tone.DANGER),
        "task_unknown": Label("Unknown task", Tone.WARNING),
        "unknown_outcome": Label("Unknown outcome", Tone.DANGER),
    }
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A line over a part of the list."""

    key: str
    words: str


@dataclass(frozen=True, slots=True)
class Calm:
    """A line that says that a part is empty."""

    key: str
    words: str


Row = Heading | Calm | QueueDepth | WorkerView | DeadLetterView


def key_of(row: Row) -> str:
    match row:
        case Heading() | Calm():
            return row.key
        case QueueDepth():
            return f"queue {row.queue}"
        case WorkerView():
            return f"worker {row.worker_id}"
        case DeadLetterView():
            return f"letter {row.id}"


def can_stand(row: Row) -> bool:
    return not isinstance(row, Heading)


def rows_of(jobs: JobsView, letters: Sequence[DeadLetterView]) -> tuple[Row, ...]:
    """What needs a person first, then the queues, then who works on them."""
    aside: tuple[Row, ...] = tuple(letters) or (
        Calm("no letters", "Nothing was put aside. Every accepted job ran, runs or waits."),
    )
    workers: tuple[Row, ...] = jobs.workers or (
        Calm("no workers", "No worker was heard of. Start one: cairnloop worker"),
    )
    return (
        Heading("letters", f"Put aside ({jobs.dead_letters})"),
        *aside,
        Heading("queues", "Queues                     ready  later running aside  oldest"),
        *jobs.queues,
        Heading("workers", "Workers"),
        *workers,
    )


def reason_label(reason: object) -> Label:
    word = reason if isinstance(reason, str) else ""
    return _REASONS.get(word) or Label(humanise(word) or "Unknown", Tone.WARNING)


def row_line(row: Row, spot: RowSpot) -> Line:
    match row:
        case Heading():
            return cut_line((strong(row.words, Tone.PRIMARY),), spot.width)
        case Calm():
            return cut_line((muted(row.words),), spot.width)
        case QueueDepth():
            return cut_line(_queue(row, spot.glyphs), spot.width)
        case WorkerView():
            return cut_line(_worker(row, spot.glyphs), spot.width)
        case DeadLetterView():
            return cut_line(_letter(row, spot), spot.width)


def queue_label(queue: QueueDepth) -> Label:
    """How a queue does, in a word."""
    if queue.aside:
        return Label("Put aside", Tone.DANGER)
    if queue.oldest_seconds is not None and queue.oldest_seconds > LATE_AFTER_S:
        return Label("Late", Tone.WARNING)
    return Label("Working" if queue.running or queue.ready else "Idle", Tone.SUCCESS)


def _queue(queue: QueueDepth, glyphs: Glyphs) -> Line:
    label = queue_label(queue)
    age = "" if queue.oldest_seconds is None else short_span(queue.oldest_seconds)
    return (
        Piece(f"{glyphs.of(label.tone)} {fit(label.words, 10)}", label.tone),
        strong(fit(queue.queue, 12)),
        Piece(fit_right(str(queue.ready), 6)),
        muted(fit_right(str(queue.scheduled), 7)),
        Piece(fit_right(str(queue.running), 8)),
        Piece(fit_right(str(queue.aside), 6), Tone.DANGER if queue.aside else Tone.MUTED),
        muted(fit_right(age or "-", 8)),
    )


def _worker(worker: WorkerView, glyphs: Glyphs) -> Line:
    label = Label("Alive", Tone.SUCCESS) if worker.alive else Label("Silent", Tone.DANGER)
    beat = f"heard of {worker.heartbeat_seconds:.0f} s ago"
    room = f" of {worker.concurrency}" if worker.concurrency else ""
    served = ", ".join(worker.queues) or "all queues"
    return (
        Piece(f"{glyphs.of(label.tone)} {fit(label.words, 10)}", label.tone),
        strong(fit(f"worker {worker.worker_id}", 12)),
        Piece(f"runs {worker.running}{room}  "),
        muted(f"{beat}  {one_line(served, 120)}"),
    )


def _letter(letter: DeadLetterView, spot: RowSpot) -> Line:
    label = reason_label(letter.reason)
    return (
        Piece(f"{spot.glyphs.of(label.tone)} {fit(label.words, 15)} ", label.tone),
        muted(fit(f"#{letter.id}", 6)),
        strong(fit(one_line(letter.task, 60), 24)),
        muted(f" {ago_words(letter.died_at, spot.now)}  "),
        Piece(f"{one_line(letter.error_type, 40)}: {one_line(letter.error_text, 200)}"),
    )


def letter_facts(letter: DeadLetterView) -> tuple[tuple[str, str], ...]:
    """A job that was put aside, one fact in each line."""
    ids = ", ".join(f"{name} {value}" for name, value in sorted(letter.ids.items()))
    facts = [
        ("Job", f"{one_line(letter.task, 120)} (job {letter.job_id}, queue {letter.queue})"),
        ("About", one_line(ids) or "nothing with a number"),
        ("Workspace", one_line(letter.workspace, 120) or "the whole site"),
        ("Put aside", reason_label(letter.reason).words),
        ("Said", f"{one_line(letter.error_type, 80)}: {one_line(letter.error_text)}"),
        ("Tried", f"{counted(letter.attempts, 'time')}, rescued {letter.rescues}"),
    ]
    if letter.redrive_of is not None:
        facts.append(("Before", f"run again already, as put aside under {letter.redrive_of}"))
    return tuple(facts)


def letter_blocks(letter: DeadLetterView) -> tuple[Block, ...]:
    times = (
        ("Enqueued", letter.enqueued_at),
        ("First trouble", letter.first_trouble_at),
        ("Put aside at", letter.died_at),
    )
    facts = [*letter_facts(letter)]
    facts += [
        (label, moment.astimezone().strftime("%a %d %b %Y %H:%M:%S"))
        for label, moment in times
        if moment is not None
    ]
    return (Block(tuple(_fact(label, value) for label, value in facts)),)


def _fact(label: str, value: str) -> Para:
    return Para((muted(f"{label:<14}  "), Piece(value)), hang=16)


def summary_line(jobs: JobsView | None, width: int, glyphs: Glyphs, *, problem: bool) -> Line:
    if jobs is None:
        return (muted(" The jobs could not be read" if problem else " Reading"),)
    alive = sum(1 for worker in jobs.workers if worker.alive)
    tone = Tone.SUCCESS if alive else Tone.DANGER
    pieces = [Piece(f" {glyphs.of(tone)} {counted(alive, 'worker')} alive  ", tone)]
    if jobs.dead_letters:
        words = f"{glyphs.danger} {counted(jobs.dead_letters, 'job')} put aside  "
        pieces.append(Piece(words, Tone.DANGER))
    if jobs.oldest_seconds is not None:
        pieces.append(muted(f"the oldest has been due for {short_span(jobs.oldest_seconds)}"))
    return cut_line(tuple(pieces), width)
