"""Commands that mean the same on every screen."""

from __future__ import annotations

from cairnloop_engine.retrieval.gap_model import UiSurface
from cairnloop_engine.retrieval.model import Hit
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import (
    AUDIT,
    CARDS,
    CHOICE,
    CONVERSATION,
    EDITOR,
    EVERYWHERE,
    EVIDENCE,
    FORM,
    HELP,
    INBOX,
    KNOWLEDGE,
    NOTICES,
    PALETTE,
    READER,
    REASON,
    SCREENS,
    SEARCH,
    Command,
)
from cairnloop_tui.conversation.screen import ConversationScreen
from cairnloop_tui.dialogs.help import Help
from cairnloop_tui.dialogs.palette import Palette, offers_for
from cairnloop_tui.knowledge.editor import EditorScreen
from cairnloop_tui.notifications.screen import NotificationsScreen
from cairnloop_tui.search.screen import Search
from cairnloop_tui.theme import themes

GROUP = "Everywhere"
# Dialogs with fields: Tab goes through them, Enter confirms what stands ready.
ANSWERED = frozenset({REASON, FORM})
GO = "Go to"
# What a search that finds nothing is noted under.
SURFACES = {
    CONVERSATION: UiSurface.CONVERSATION,
    CARDS: UiSurface.CONVERSATION,
    EVIDENCE: UiSurface.CONVERSATION,
    INBOX: UiSurface.INBOX,
}


def _enter(ctx: Context) -> None:
    ctx.screen.open_focused()


def _back(ctx: Context) -> None:
    """One step back: armed action, then inside the screen, then the screen itself."""
    screen = ctx.screen
    if screen.disarm("Nothing was done.") or screen.step_back():
        return
    if len(ctx.app.screen_stack) > 1:
        _close(ctx)


def _leave(ctx: Context) -> None:
    if len(ctx.app.screen_stack) > 1:
        _close(ctx)
    else:
        _quit(ctx)


def _close(ctx: Context) -> None:
    """Leave the screen, unless it has something to say first."""
    last_word = ctx.screen.leaving()
    if last_word is None:
        ctx.app.pop_screen()
    else:
        ctx.screen.arm(last_word)


def _quit(ctx: Context) -> None:
    """Leave at once when nothing is lost by it, else ask."""
    app = ctx.app
    for screen in app.screen_stack:
        if isinstance(screen, ConversationScreen | EditorScreen):
            screen.keep()
    waiting = [
        *(f"#{conversation}" for conversation in app.unsent.conversations()),
        *(f"article {article}" for article in app.unsaved_articles.articles()),
    ]
    if not waiting or ctx.screen.armed is not None:
        app.leave()
        return
    named = ", ".join(waiting[:5])
    more = "" if len(waiting) <= 5 else f" and {len(waiting) - 5} more"
    ctx.screen.arm(
        Armed(
            title="Quit with unsent text?",
            facts=(("Unsent", f"{named}{more}"), ("Kept", "yes, it is offered again next time")),
            go="quits",
            act=app.leave,
        )
    )


def _palette(ctx: Context) -> None:
    below = ctx.screen

    def chosen(command_id: str | None) -> None:
        if command_id is not None and ctx.app.screen is below:
            ctx.app.call(command_id)

    ctx.app.push_screen(Palette(offers_for(below)), chosen)


def _help(ctx: Context) -> None:
    crumbs = ctx.screen.crumbs()
    commands = ctx.app.commands.in_scope(ctx.screen.scope)
    ctx.app.push_screen(Help(crumbs[0] if crumbs else "", commands))


def _search(ctx: Context) -> None:
    screen = ctx.screen
    cite = None
    if isinstance(screen, ConversationScreen) and ctx.app.session.read_only_reason is None:
        cite = screen.cite

    def chosen(hit: Hit | None) -> None:
        if hit is None:
            return
        if hit.article_id is not None:
            ctx.app.open_article(hit.article_id)
        elif hit.conversation_id is not None:
            ctx.app.open_conversation(hit.conversation_id)

    surface = SURFACES.get(screen.scope, UiSurface.UNSPECIFIED)
    ctx.app.push_screen(Search(cite, surface), chosen)


def _notifications(ctx: Context) -> None:
    ctx.app.push_screen(NotificationsScreen())


def _theme(ctx: Context) -> None:
    app = ctx.app
    app.theme = themes.next_theme(app.theme)
    app.preferences.choose_theme(app.theme)
    app.say(f"Theme {app.theme}.")


def _redraw(ctx: Context) -> None:
    ctx.app.refresh(repaint=True, layout=True)


def _reload(ctx: Context) -> None:
    ctx.screen.reload()
    ctx.app.say("Reloaded.")


def _no_color(ctx: Context) -> str | None:
    return "The console was started without colour." if ctx.app.no_color else None


COMMANDS: tuple[Command, ...] = (
    Command(
        "enter",
        "Open or confirm",
        GROUP,
        "Opens what the cursor stands on.",
        keys=("enter",),
        scope=SCREENS | {PALETTE, SEARCH, CHOICE} | ANSWERED,
        run=_enter,
        label="open",
        in_palette=False,
    ),
    Command(
        "back",
        "One step back",
        GROUP,
        "Closes hint, filter, marks, pane, then the screen. Never sends, saves or loses text.",
        keys=("escape",),
        scope=EVERYWHERE,
        in_text=EVERYWHERE,
        run=_back,
        in_palette=False,
    ),
    Command(
        "pane.next",
        "Next pane",
        GROUP,
        "In the order of decisions.",
        keys=("tab",),
        scope=SCREENS | {SEARCH} | ANSWERED,
        in_text=EVERYWHERE,
        run=lambda ctx: ctx.screen.next_pane(1),
        in_palette=False,
    ),
    Command(
        "pane.previous",
        "Previous pane",
        GROUP,
        "The other way round.",
        keys=("shift+tab",),
        scope=SCREENS | {SEARCH} | ANSWERED,
        in_text=EVERYWHERE,
        run=lambda ctx: ctx.screen.next_pane(-1),
        in_palette=False,
    ),
    Command(
        "go.home",
        "Go to Home",
        GO,
        "What needs you, by pile.",
        keys=("g h",),
        run=lambda ctx: ctx.app.go_home(),
    ),
    Command(
        "go.inbox",
        "Go to Inbox",
        GO,
        "The queue.",
        keys=("g i",),
        run=lambda ctx: ctx.app.open_inbox(),
    ),
    Command(
        "search",
        "Search knowledge and cases",
        GROUP,
        "From a conversation, i inserts what you found as a citation.",
        keys=("ctrl+f",),
        in_text=frozenset({CONVERSATION, INBOX, AUDIT, KNOWLEDGE, EDITOR}),
        run=_search,
    ),
    Command(
        "palette",
        "Command palette",
        GROUP,
        "Every command, its keys, and why it cannot act.",
        keys=("ctrl+p", ":"),
        in_text=SCREENS,
        run=_palette,
        in_palette=False,
    ),
    Command(
        "help",
        "Keys of this screen",
        GROUP,
        "What you are reading.",
        keys=("?", "f1"),
        scope=SCREENS | {SEARCH, READER, PALETTE, CHOICE} | ANSWERED,
        in_text=SCREENS | {SEARCH, PALETTE} | ANSWERED,
        run=_help,
        in_palette=False,
    ),
    Command(
        "notifications",
        "Notifications log",
        GROUP,
        "Everything the status line said.",
        keys=("f2",),
        scope=SCREENS - {NOTICES},
        in_text=SCREENS,
        run=_notifications,
    ),
    Command(
        "reload",
        "Reload",
        GROUP,
        "Reads everything on this screen again.",
        keys=("ctrl+r",),
        scope=SCREENS | {SEARCH},
        in_text=SCREENS | {SEARCH},
        run=_reload,
    ),
    Command(
        "theme",
        "Change the theme",
        GROUP,
        "Dark, light, the terminal's own colours.",
        keys=("ctrl+t",),
        scope=EVERYWHERE,
        in_text=EVERYWHERE,
        why_not=_no_color,
        run=_theme,
    ),
    Command(
        "redraw",
        "Redraw",
        GROUP,
        "When something else wrote on the terminal.",
        keys=("ctrl+l",),
        scope=EVERYWHERE,
        in_text=EVERYWHERE,
        run=_redraw,
    ),
    Command(
        "leave",
        "Leave the screen",
        GROUP,
        "On Home it quits.",
        keys=("q",),
        scope=SCREENS | {READER, HELP, SEARCH, CHOICE},
        run=_leave,
        in_palette=False,
    ),
    Command(
        "quit",
        "Quit",
        GROUP,
        "Asks first when a text is unsent; it is kept in any case.",
        keys=("ctrl+q",),
        scope=SCREENS,
        in_text=SCREENS,
        run=_quit,
    ),
)
