"""Going on: to the next item of the list, and to the next thing that needs a decision."""

from __future__ import annotations

from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import WAITING
from cairnloop_engine.conversations.reads import InboxRow
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.paging import Page
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import CONVERSATION, HOME, INBOX, Command
from cairnloop_tui.conversation.screen import ConversationScreen
from cairnloop_tui.inbox.screen import InboxScreen

GROUP = "Go on"
SCOPE = frozenset({INBOX, CONVERSATION})
DECISIONS = frozenset({HOME, INBOX, CONVERSATION})
# Somebody who walks from decision to decision never looks further ahead than this.
LOOKED_THROUGH = 100


def _inbox_below(ctx: Context) -> InboxScreen | None:
    return next((s for s in ctx.app.screen_stack if isinstance(s, InboxScreen)), None)


def _no_list(ctx: Context) -> str | None:
    if isinstance(ctx.screen, InboxScreen):
        return None if ctx.screen.rows.rows else "The list is empty."
    if _inbox_below(ctx) is None:
        return "This conversation was not opened from the inbox; } goes to the next decision."
    return None


def _step(ctx: Context, step: int) -> None:
    inbox = _inbox_below(ctx)
    if inbox is None:
        return
    if isinstance(ctx.screen, InboxScreen):
        inbox.rows.move(step)
        return
    screen = ctx.on(ConversationScreen)
    neighbour = inbox.rows.neighbour(screen.conversation_id, step)
    if neighbour is None:
        # A conversation that left the list leaves the cursor on the one after it.
        gone = inbox.rows.row(screen.conversation_id) is None
        neighbour = inbox.rows.current_key() if gone and step > 0 else None
    if neighbour is None:
        ctx.app.say(
            "That was the last of the list." if step > 0 else "That was the first of the list."
        )
        return
    inbox.rows.move_to_key(neighbour)
    screen.go_to(ConversationId(neighbour))


def _here(ctx: Context) -> int | None:
    if isinstance(ctx.screen, ConversationScreen):
        return ctx.screen.conversation_id
    if isinstance(ctx.screen, InboxScreen):
        return ctx.screen.rows.current_key()
    return None


async def _waiting(engine: Engine, caller: Caller) -> Page[InboxRow]:
    return await engine.conversations.inbox(
        caller, filter=InboxFilter(states=WAITING), limit=LOOKED_THROUGH
    )


def _decide(ctx: Context, step: int) -> None:
    here = _here(ctx)
    ctx.app.ask(
        ctx.screen,
        _waiting,
        lambda page: _go(ctx, [int(row.id) for row in page.items], here, step),
        doing="looking for the next decision",
        group="decision",
    )


def next_in(order: list[int], here: int | None, step: int) -> tuple[int | None, bool]:
    """The one to take next, and whether the walk began again at the other end."""
    others = [key for key in order if key != here]
    if not others:
        return None, False
    if here not in order:
        return (others[0] if step > 0 else others[-1]), False
    at = order.index(here) + step
    if 0 <= at < len(order):
        return order[at], False
    return (order[0] if step > 0 else order[-1]), True


def _go(ctx: Context, order: list[int], here: int | None, step: int) -> None:
    found, wrapped = next_in(order, here, step)
    if found is None:
        ctx.app.say("Nothing else needs a decision.")
        return
    if wrapped:
        ctx.app.say("From the other end of the queue.")
    ctx.app.open_conversation(ConversationId(found))


COMMANDS: tuple[Command, ...] = (
    Command(
        "decision.next",
        "Next decision anywhere",
        GROUP,
        "Whoever has waited longest comes first.",
        keys=("}",),
        scope=DECISIONS,
        run=lambda ctx: _decide(ctx, 1),
        label="next decision",
    ),
    Command(
        "decision.previous",
        "Previous decision anywhere",
        GROUP,
        "The other way round.",
        keys=("{",),
        scope=DECISIONS,
        run=lambda ctx: _decide(ctx, -1),
    ),
    Command(
        "item.next",
        "Next of the list",
        GROUP,
        "In the order in which the inbox lists them.",
        keys=("]",),
        scope=SCOPE,
        why_not=_no_list,
        run=lambda ctx: _step(ctx, ctx.times),
    ),
    Command(
        "item.previous",
        "Previous of the list",
        GROUP,
        "In the order of the inbox.",
        keys=("[",),
        scope=SCOPE,
        why_not=_no_list,
        run=lambda ctx: _step(ctx, -ctx.times),
    ),
)
