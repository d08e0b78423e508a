"""What stands around every screen at this moment: the footer's keys, the banner, the operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import Command
from cairnloop_tui.keys.keymap import shown_keys
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.chrome import FooterKey

if TYPE_CHECKING:
    from cairnloop_tui.app import ConsoleApp
    from cairnloop_tui.frame import AnyScreen

WHILE_ARMED = (FooterKey("Enter", "confirm"), FooterKey("Esc", "back"))
WHILE_TYPING = (FooterKey("Tab", "next pane"), FooterKey("Esc", "back"))


def footer_keys(app: ConsoleApp, screen: AnyScreen) -> Sequence[FooterKey]:
    """The commands that can act now and have a place in the footer."""
    if screen.armed is not None:
        return WHILE_ARMED
    ctx = Context(app, screen)
    typing = screen.typing()
    acting = [
        FooterKey(shown_keys(_first_key(command, typing=typing)), command.label)
        for command in app.commands.in_scope(screen.scope)
        if command.label is not None
        and command.keys
        and (not typing or command.acts_in_text(screen.scope))
        and app.reason_against(command, ctx) is None
    ]
    return [*acting, *(WHILE_TYPING if typing else ())]


def _first_key(command: Command, *, typing: bool) -> str:
    """In a text field a key that would be typed is no use."""
    if not typing:
        return command.keys[0]
    return next((key for key in command.keys if len(key) > 1), command.keys[0])


def banner(app: ConsoleApp) -> tuple[str, Tone] | None:
    """The state that every screen must show."""
    if app.freshness.is_away:
        words = "Database unreachable, retrying. What you see is stale; what you type is kept."
        return (words, Tone.DANGER)
    if (problem := app.unsent.problem or app.unsaved_articles.problem) is not None:
        return (problem, Tone.WARNING)
    reason = app.session.read_only_reason
    return None if reason is None else (reason, Tone.WARNING)


def who(app: ConsoleApp) -> str:
    """Who acts, and where."""
    return f"{app.session.operator or 'nobody'} {app.glyphs.dot} {app.session.workspace}"
