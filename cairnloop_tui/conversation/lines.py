"""The lines around the panes of the conversation screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnloop_tui.conversation import cards, decide
from cairnloop_tui.text import Line, muted

if TYPE_CHECKING:
    from cairnloop_tui.conversation.screen import ConversationScreen

# In a narrow window these stand before the thread, one at a time.
PANES = ("decide", "actions", "context")


def head(screen: ConversationScreen, width: int) -> list[Line]:
    """Which conversation this is."""
    if screen.work is None:
        gone = f" Conversation {screen.conversation_id} could not be read."
        return [(muted(gone if screen.missing else ""),), ()]
    return cards.head_lines(
        screen.work.row,
        screen.work.thread.presence,
        me=screen.console.session.operator,
        width=width,
        now=screen.console.clock.now(),
        glyphs=screen.glyphs,
    )


def pane_tabs(screen: ConversationScreen, width: int) -> list[Line]:
    """Which panes there are, for a window that shows one of them at a time."""
    shown = next((name for name in PANES if screen.has_class(f"-at-{name}")), "thread")
    waiting = screen.row.actions_waiting if screen.row else 0
    tabs = cards.pane_tabs(shown, has_draft=screen.draft is not None, actions=waiting, width=width)
    return [tabs]


def decision(screen: ConversationScreen, width: int) -> list[Line]:
    """What is to be decided, in one line."""
    if screen.work is None:
        return [()]
    now = screen.console.clock.now()
    return [decide.decision_line(screen.work.row, screen.draft, width, now, screen.glyphs)]
