"""Commands of the inbox: which conversations are listed, and in which order."""

from __future__ import annotations

from collections.abc import Callable

from cairnloop_engine.conversations.model import Sort
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import INBOX, Command
from cairnloop_tui.inbox.screen import InboxScreen
from cairnloop_tui.inbox.tabs import TABS, FilterTab
from cairnloop_tui.labels import sort_words

GROUP = "Queue"
SCOPE = frozenset({INBOX})


def _sort(ctx: Context) -> None:
    inbox = ctx.on(InboxScreen)
    orders = tuple(Sort)
    inbox.set_sort(orders[(orders.index(inbox.sort) + 1) % len(orders)])
    ctx.app.say(f"Sorted: {sort_words(inbox.sort)}.")


def _show(tab: FilterTab) -> Callable[[Context], None]:
    return lambda ctx: ctx.on(InboxScreen).show_tab(tab.key)


def _why_not(tab: FilterTab) -> Callable[[Context], str | None]:
    def why_not(ctx: Context) -> str | None:
        if tab.key == "mine" and ctx.app.session.operator is None:
            return "No operator is named, so nothing is yours."
        return None

    return why_not


TAB_COMMANDS = tuple(
    Command(
        f"inbox.tab_{tab.key}",
        f"List: {tab.label}",
        GROUP,
        "",
        keys=(f"f {tab.letter}",),
        scope=SCOPE,
        why_not=_why_not(tab),
        run=_show(tab),
    )
    for tab in TABS.values()
)
COMMANDS: tuple[Command, ...] = (
    Command(
        "inbox.filter",
        "Filter",
        GROUP,
        "is:open who:me has:draft|action customer:REF and plain words; Esc shows all.",
        keys=("/",),
        scope=SCOPE,
        run=lambda ctx: ctx.on(InboxScreen).edit_filter(),
        label="filter",
    ),
    *TAB_COMMANDS,
    Command(
        "inbox.sort",
        "Sort",
        GROUP,
        "Oldest waiting first, or most recent first.",
        keys=("S",),
        scope=SCOPE,
        run=_sort,
    ),
    Command(
        "inbox.preview",
        "Show or hide the preview",
        GROUP,
        "Beside the list, or instead of it.",
        keys=("v",),
        scope=SCOPE,
        run=lambda ctx: ctx.on(InboxScreen).toggle_preview(),
    ),
)
