"""How the audit trail reads: a line for each event, and one event in full; pure."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.audit import labels
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.audit.reads import AuditEvent
from cairnloop_tui.lists.row_list import RowSpot
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    cut_line,
    fit,
    many_lines,
    muted,
    one_line,
    strong,
)
from cairnloop_tui.theme.tokens import Tone

# Under this width a line has no room for the details, and Enter shows them.
DETAILS_FROM = 100
MORE = -1


@dataclass(frozen=True, slots=True)
class More:
    """The line that leads to older events."""


Row = AuditEvent | More


def key_of(row: Row) -> int:
    return MORE if isinstance(row, More) else row.id


def event_line(row: Row, spot: RowSpot) -> Line:
    """Time, actor, action, conversation, reason: one event is one line, whatever it holds."""
    if isinstance(row, More):
        return (strong("Load more", Tone.PRIMARY), muted("  Enter shows older events"))
    local = row.occurred_at.astimezone().strftime("%m-%d %H:%M:%S")
    thread = f"#{row.conversation_id}" if row.conversation_id else labels.NOTHING
    known: Line = (
        muted(f"{local} "),
        Piece(fit(one_line(row.actor_label, 40), 12), Tone.INFO),
        Piece(" "),
        strong(fit(one_line(row.label, 60), 22)),
        Piece(" "),
        muted(fit(thread, 6)),
        Piece(" "),
    )
    reason = labels.reason_label(row.reason)
    pieces: list[Piece] = [*known, Piece(one_line(reason, 200))]
    if spot.width >= DETAILS_FROM:
        told = ", ".join(f"{name}: {value}" for name, value in row.details)
        pieces.append(muted(f"  {one_line(told, 300)}"))
    return cut_line(tuple(pieces), spot.width)


def head_line(width: int) -> Line:
    """What the columns are."""
    words = f"   {fit('Time', 14)} {fit('Actor', 12)} {fit('Action', 22)} {fit('Conv.', 6)} Reason"
    return cut_line((muted(words + ("   Details" if width >= DETAILS_FROM else "")),), width)


def event_blocks(event: AuditEvent) -> tuple[Block, ...]:
    """One event in full, its details by their labels."""
    thread = f"#{event.conversation_id}" if event.conversation_id else labels.NOTHING
    facts = [
        ("Event", str(event.id)),
        ("Time", labels.time_label(event.occurred_at)),
        ("Here", event.occurred_at.astimezone().strftime("%a %d %b %Y %H:%M:%S")),
        ("Actor", f"{event.actor_label} ({labels.action_label(event.actor_kind)})"),
        ("Action", event.label),
        ("About", f"{labels.action_label(event.subject_kind)} {event.subject_id}"),
        ("Conversation", thread),
        ("Reason", labels.reason_label(event.reason)),
    ]
    paras = [Para((strong(one_line(event.label)),)), Para(), *_facts(facts), Para()]
    details = event.details
    if details:
        paras += [Para((strong("Details"),)), *_facts(list(details))]
    if event.forgotten:
        names = ", ".join(one_line(name, 40) for name in event.forgotten)
        paras += [Para(), Para((muted(f"Erased on request: {names}"),))]
    return (Block(tuple(paras)),)


def _facts(facts: list[tuple[str, str]]) -> list[Para]:
    width = min(max((len(label) for label, _ in facts), default=0), 24)
    return [
        Para(
            (muted(f"{one_line(label, 60):<{width}}  "), Piece(one_line(many_lines(value)))),
            hang=width + 2,
        )
        for label, value in facts
    ]


def filter_words(wanted: AuditFilter) -> str:
    """What the list is narrowed to, in words."""
    said: list[str] = []
    if wanted.subject is not None:
        kind, number = wanted.subject
        said.append(f"{labels.action_label(kind).lower()} {number}")
    if wanted.conversation_id is not None:
        said.append(f"conversation #{wanted.conversation_id}")
    if wanted.action is not None:
        said.append(f"“{labels.action_label(wanted.action)}”")
    if wanted.text:
        said.append(f"“{one_line(wanted.text, 60)}”")
    return ", ".join(said)
