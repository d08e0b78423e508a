"""Marking rows, so that the next verb acts on all of them."""

from __future__ import annotations

from typing import Any

from cairnloop_tui.actions.queue import ActionsScreen
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import ACTIONS, INBOX, Command
from cairnloop_tui.inbox.screen import InboxScreen
from cairnloop_tui.lists.marks import Marks
from cairnloop_tui.lists.row_list import RowList

GROUP = "Mark"
SCOPE = frozenset({INBOX, ACTIONS})


def rows_of(ctx: Context) -> RowList[int, Any]:
    """The list whose rows are marked."""
    screen = ctx.screen
    assert isinstance(screen, InboxScreen | ActionsScreen)
    return screen.rows


def _empty(ctx: Context) -> str | None:
    return None if rows_of(ctx).rows else "There is nothing to mark in this list."


def _mark(ctx: Context) -> None:
    rows = rows_of(ctx)
    for _ in range(ctx.times):
        key = rows.current_key()
        if key is not None:
            rows.set_marks(rows.marks.toggled(key))
        rows.move(1)


def _range(ctx: Context) -> None:
    """Begin a range, or end the one that is being drawn."""
    rows = rows_of(ctx)
    key = rows.current_key()
    if rows.marks.in_range:
        rows.set_marks(rows.marks.range_ended())
    elif key is not None:
        rows.set_marks(rows.marks.range_from(key))
        ctx.app.say("Marking a range: move, then V ends it.")


def _all(ctx: Context) -> None:
    rows = rows_of(ctx)
    rows.set_marks(rows.marks.all_of(rows.markable_keys()))


def _invert(ctx: Context) -> None:
    rows = rows_of(ctx)
    rows.set_marks(rows.marks.inverted(rows.markable_keys()))


def _unmark(ctx: Context) -> None:
    rows_of(ctx).set_marks(Marks())


def _nothing_marked(ctx: Context) -> str | None:
    return None if rows_of(ctx).marks else "Nothing is marked. Space marks a row."


COMMANDS: tuple[Command, ...] = (
    Command(
        "mark.toggle",
        "Mark and move down",
        GROUP,
        "A verb acts on the marked rows, or on the row under the cursor.",
        keys=("space",),
        scope=SCOPE,
        why_not=_empty,
        run=_mark,
        label="mark",
    ),
    Command(
        "mark.range",
        "Mark a range",
        GROUP,
        "Press it again where the range ends.",
        keys=("V",),
        scope=SCOPE,
        why_not=_empty,
        run=_range,
    ),
    Command(
        "mark.all",
        "Mark all loaded rows",
        GROUP,
        "All that the filter lists so far.",
        keys=("*",),
        scope=SCOPE,
        why_not=_empty,
        run=_all,
    ),
    Command(
        "mark.invert",
        "Invert the marks",
        GROUP,
        "Marked rows lose the mark, others get it.",
        keys=("!",),
        scope=SCOPE,
        why_not=_empty,
        run=_invert,
    ),
    Command(
        "mark.none",
        "Unmark all",
        GROUP,
        "Esc does it too.",
        keys=("U",),
        scope=SCOPE,
        why_not=_nothing_marked,
        run=_unmark,
    ),
)
