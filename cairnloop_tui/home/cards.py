"""How the home screen reads; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.conversations.reads import Counts, InboxRow
from cairnloop_engine.governance.views import ActionCounts
from cairnloop_tui.labels import state_label, title_of
from cairnloop_tui.lists.row_list import RowSpot
from cairnloop_tui.text import (
    Line,
    Piece,
    ago,
    counted,
    cut_line,
    fit,
    fit_right,
    muted,
    strong,
)
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone


@dataclass(frozen=True, slots=True)
class Lane:
    """A pile of work; ``tab`` names the tab of the inbox that shows it, or the queue of actions."""

    tab: str
    title: str
    count: int
    says: str
    tone: Tone


UNKNOWN_LANE = "unknown"
ACTIONS_LANE = "actions"


def action_lanes(actions: ActionCounts) -> tuple[Lane, ...]:
    """What waits for a person before or after it ran; both lead to the queue of actions."""
    waiting = Lane(
        ACTIONS_LANE,
        "Actions to decide",
        actions.pending,
        "an action runs only after your yes" if actions.pending else "no action is waiting",
        Tone.WARNING if actions.pending else Tone.SUCCESS,
    )
    if not actions.unknown:
        return (waiting,)
    unknown = Lane(
        UNKNOWN_LANE,
        "Unknown outcomes",
        actions.unknown,
        "nobody knows what happened; a person has to settle it",
        Tone.DANGER,
    )
    return (unknown, waiting)


def lanes(counts: Counts, actions: ActionCounts) -> tuple[Lane, ...]:
    """All piles in the order of urgency; an empty pile is said calmly, not hidden."""
    return (
        *action_lanes(actions),
        Lane(
            "drafts",
            "Drafts to review",
            counts.drafts,
            "an answer is written and waits for your yes"
            if counts.drafts
            else "no draft is waiting",
            Tone.AI if counts.drafts else Tone.SUCCESS,
        ),
        Lane(
            "new",
            "New",
            counts.new,
            "nobody has answered yet" if counts.new else "every customer has had an answer",
            Tone.WARNING if counts.new else Tone.SUCCESS,
        ),
        Lane(
            "open",
            "Customer wrote again",
            counts.open,
            "it is our turn" if counts.open else "no follow-up is open",
            Tone.INFO if counts.open else Tone.SUCCESS,
        ),
        Lane(
            "held",
            "On its way out",
            counts.held,
            "held replies, still yours to take back" if counts.held else "nothing is being sent",
            Tone.WARNING if counts.held else Tone.MUTED,
        ),
        Lane("awaiting", "Awaiting customer", counts.awaiting_customer, "answered", Tone.MUTED),
        Lane("resolved", "Resolved", counts.resolved, "done", Tone.SUCCESS),
        Lane("archived", "Archived", counts.archived, "put away", Tone.MUTED),
    )


def lane_line(lane: Lane, spot: RowSpot) -> Line:
    """Sign, title, count, and what it means."""
    idle = lane.count == 0
    title = Piece(fit(lane.title, 22), Tone.MUTED if idle else Tone.TEXT, bold=not idle)
    return (
        Piece(f"{spot.glyphs.of(lane.tone)} ", lane.tone),
        title,
        Piece(fit_right(str(lane.count), 6), Tone.MUTED if idle else Tone.TEXT, bold=not idle),
        Piece("   "),
        muted(fit(lane.says, max(spot.width - 33, 0))),
    )


def hero_lines(counts: Counts | None, width: int, *, problem: bool) -> list[Line]:
    """What stands beside the big number."""
    if counts is None:
        words = "Count unavailable" if problem else "Counting"
        return [(), (strong(words),), (muted("the rest of the console works"),) if problem else ()]
    if counts.waiting == 0:
        return [
            (),
            cut_line((strong("All caught up", Tone.SUCCESS),), width),
            cut_line(
                (muted("No customer is waiting. New messages appear here by themselves."),), width
            ),
        ]
    noun = "customer waits" if counts.waiting == 1 else "customers wait"
    beside = [counted(counts.drafts, "draft") + " ready"] if counts.drafts else []
    beside.append(f"{counts.awaiting_customer} awaiting the customer")
    beside.append(f"{counts.resolved} resolved")
    return [
        (),
        cut_line((strong(f"{noun} for an answer"),), width),
        cut_line((muted("  ".join(beside)),), width),
    ]


def next_lines(row: InboxRow | None, width: int, now: datetime, glyphs: Glyphs) -> list[Line]:
    """The one conversation to take next."""
    if row is None:
        return [(muted(" Next   nothing is waiting"),)]
    label = state_label(row.state)
    waited = ago(row.waiting_since, now)
    return [
        cut_line(
            (
                muted(" Next   "),
                Piece(f"{glyphs.of(label.tone)} {label.words}", label.tone),
                muted(f"  waits {waited}  " if waited != "now" else "  just in  "),
                Piece(f"#{row.id} ", Tone.MUTED),
                strong(title_of(row)),
            ),
            width,
        )
    ]
