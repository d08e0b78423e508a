"""Moving: the same keys in every list and every text."""

from __future__ import annotations

from collections.abc import Callable

from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import (
    CONFIRM,
    CONVERSATION,
    DIALOGS,
    EVERYWHERE,
    FORM,
    PALETTE,
    PROMPT,
    REASON,
    SEARCH,
    Command,
)
from cairnloop_tui.lists.movable import Movable

GROUP = "Move"
# In these the arrows belong to the fields.
FIELDS = frozenset({PROMPT, REASON, FORM})
MOVING = EVERYWHERE - FIELDS
# Over their query fields these dialogs move the list below with the arrow keys.
QUERIED = frozenset({SEARCH, PALETTE, CONFIRM})
LISTS = EVERYWHERE - DIALOGS - {CONVERSATION} | QUERIED


def _moving(move: Callable[[Movable, Context], None]) -> Callable[[Context], None]:
    def run(ctx: Context) -> None:
        mover = ctx.screen.mover()
        if mover is not None:
            move(mover, ctx)

    return run


def _to_line(mover: Movable, ctx: Context) -> None:
    """``G`` goes to the end, ``40G`` to the fortieth."""
    if ctx.count is None:
        mover.move_to_end()
    else:
        mover.move_to(ctx.count - 1)


def _motion(
    name: str,
    title: str,
    keys: tuple[str, ...],
    move: Callable[[Movable, Context], None],
    *,
    scope: frozenset[str] = MOVING,
    in_text: frozenset[str] = QUERIED,
) -> Command:
    return Command(
        id=f"move.{name}",
        title=title,
        group=GROUP,
        help="Takes a count." if name in {"down", "up"} else "",
        keys=keys,
        scope=scope,
        in_text=in_text,
        in_palette=False,
        run=_moving(move),
    )


COMMANDS: tuple[Command, ...] = (
    _motion("down", "Down", ("j", "down"), lambda m, ctx: m.move(ctx.times)),
    _motion("up", "Up", ("k", "up"), lambda m, ctx: m.move(-ctx.times)),
    _motion(
        "first", "To the top", ("g g", "home"), lambda m, ctx: m.move_to(0), in_text=frozenset()
    ),
    _motion("last", "To the end, or to a number", ("G", "end"), _to_line, in_text=frozenset()),
    _motion("page_down", "A page down", ("pagedown",), lambda m, ctx: m.turn(ctx.times)),
    _motion("page_up", "A page up", ("pageup",), lambda m, ctx: m.turn(-ctx.times)),
    _motion(
        "half_down",
        "Half a page down",
        ("ctrl+d",),
        lambda m, ctx: m.turn(ctx.times / 2),
        scope=LISTS,
        in_text=frozenset(),
    ),
    _motion(
        "half_up",
        "Half a page up",
        ("ctrl+u",),
        lambda m, ctx: m.turn(-ctx.times / 2),
        scope=LISTS,
        in_text=frozenset(),
    ),
)
