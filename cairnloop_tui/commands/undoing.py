"""``u``: take a reply back while it is held, or reverse my last action, or say why not."""

from __future__ import annotations

from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import Command
from cairnloop_tui.commands.sending import held_by_me, screen_of, take_back


def _why_not(ctx: Context) -> str | None:
    if held_by_me(ctx) is not None:
        return None
    last = ctx.app.undo_log.last()
    if last is None:
        return "You have done nothing yet that could be undone."
    return None if last.inverse is not None else last.why_not


def _undo(ctx: Context) -> None:
    """My last action first; a held reply from an earlier run when there is none."""
    last = ctx.app.undo_log.last()
    if last is not None and last.inverse is not None:
        ctx.app.undo_log.drop(last)
        last.inverse()
        return
    held = held_by_me(ctx)
    if held is not None:
        take_back(ctx, screen_of(ctx), held.conversation_id, held.id, None)


COMMANDS: tuple[Command, ...] = (
    Command(
        "undo",
        "Undo",
        "Everywhere",
        "Takes a reply back while it is on its way, else reverses your last action.",
        keys=("u",),
        writes=True,
        why_not=_why_not,
        run=_undo,
        label="undo",
        cli="cairnloop retract MESSAGE",
    ),
)
