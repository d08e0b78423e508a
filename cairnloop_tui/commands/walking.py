"""Going on: to the next item of the list, and to the next thing that needs a decision."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import WAITING
from cairnloop_engine.core.ids import ArticleId, ConversationId, ProposalId
from cairnloop_tui.actions.queue import ActionsScreen
from cairnloop_tui.actions.screen import ActionScreen
from cairnloop_tui.audit.screen import AuditScreen
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import (
    ACTION,
    ACTIONS,
    ARTICLE,
    AUDIT,
    CARDS,
    CONVERSATION,
    HOME,
    INBOX,
    KNOWLEDGE,
    Command,
)
from cairnloop_tui.conversation.screen import ConversationScreen
from cairnloop_tui.inbox.screen import InboxScreen
from cairnloop_tui.knowledge.article import ArticleScreen
from cairnloop_tui.knowledge.screen import KnowledgeScreen

GROUP = "Go on"
SCOPE = frozenset({INBOX, CONVERSATION, CARDS, ACTIONS, ACTION, AUDIT, KNOWLEDGE, ARTICLE})
DECISIONS = frozenset({HOME, INBOX, CONVERSATION, CARDS, ACTIONS, ACTION})
# Somebody who walks from decision to decision never looks further ahead than this.
LOOKED_THROUGH = 100
LISTS = (InboxScreen, ActionsScreen, AuditScreen, KnowledgeScreen)
LAST, FIRST = "That was the last of the list.", "That was the first of the list."

T = TypeVar("T", bound=Hashable)
# A thing that needs a decision: what it is, and its number.
Stop = tuple[str, int]
AN_ACTION, A_CONVERSATION = "action", "conversation"


def _inbox_below(ctx: Context) -> InboxScreen | None:
    return next((s for s in ctx.app.screen_stack if isinstance(s, InboxScreen)), None)


# The list


def _no_list(ctx: Context) -> str | None:
    screen = ctx.screen
    if isinstance(screen, LISTS):
        return None if screen.rows.rows else "The list is empty."
    if isinstance(screen, ActionScreen):
        gone = "This action was not opened from a list; } goes to the next decision."
        return None if screen.has_list else gone
    if isinstance(screen, ArticleScreen):
        return None if screen.has_list else "This article was not opened from the list (g k)."
    if screen.scope == CARDS:
        return None
    if _inbox_below(ctx) is None:
        return "This conversation was not opened from the inbox; } goes to the next decision."
    return None


def _step(ctx: Context, step: int) -> None:
    screen = ctx.screen
    if isinstance(screen, LISTS):
        screen.rows.move(step)
    elif isinstance(screen, ArticleScreen):
        beside = screen.neighbour(step)
        if beside is None:
            ctx.app.say(LAST if step > 0 else FIRST)
        else:
            screen.go_to(ArticleId(beside))
    elif isinstance(screen, ActionScreen):
        found = screen.neighbour(step)
        if found is None:
            ctx.app.say(LAST if step > 0 else FIRST)
        else:
            screen.go_to(ProposalId(found))
    elif screen.scope == CARDS:
        if not ctx.on(ConversationScreen).action_cards().step(step):
            ctx.app.say(LAST if step > 0 else FIRST)
    else:
        _step_thread(ctx, step)


def _step_thread(ctx: Context, step: int) -> None:
    inbox = _inbox_below(ctx)
    if inbox is None:
        return
    screen = ctx.on(ConversationScreen)
    neighbour = inbox.rows.neighbour(screen.conversation_id, step)
    if neighbour is None:
        # A conversation that left the list leaves the cursor on the one after it.
        gone = inbox.rows.row(screen.conversation_id) is None
        neighbour = inbox.rows.current_key() if gone and step > 0 else None
    if neighbour is None:
        ctx.app.say(LAST if step > 0 else FIRST)
        return
    inbox.rows.move_to_key(neighbour)
    screen.go_to(ConversationId(neighbour))


# Decisions anywhere


def _here(ctx: Context) -> Stop | None:
    screen = ctx.screen
    if isinstance(screen, ActionScreen):
        return (AN_ACTION, int(screen.action_id))
    if isinstance(screen, ActionsScreen):
        key = screen.rows.current_key()
        return None if key is None else (AN_ACTION, key)
    if isinstance(screen, ConversationScreen):
        view = screen.action() if screen.scope == CARDS else None
        if view is not None and view.row.waits:
            return (AN_ACTION, int(view.row.id))
        return (A_CONVERSATION, int(screen.conversation_id))
    if isinstance(screen, InboxScreen):
        key = screen.rows.current_key()
        return None if key is None else (A_CONVERSATION, key)
    return None


async def _waiting(engine: Engine, caller: Caller) -> list[Stop]:
    """Actions first, since they have a deadline; then whoever has waited longest."""
    actions = await engine.governance.queue(caller, limit=LOOKED_THROUGH)
    threads = await engine.conversations.inbox(
        caller, filter=InboxFilter(states=WAITING), limit=LOOKED_THROUGH
    )
    return [
        *((AN_ACTION, int(row.id)) for row in actions.items),
        *((A_CONVERSATION, int(row.id)) for row in threads.items),
    ]


def _decide(ctx: Context, step: int) -> None:
    here = _here(ctx)
    ctx.app.ask(
        ctx.screen,
        _waiting,
        lambda order: _go(ctx, order, here, step),
        doing="looking for the next decision",
        group="decision",
    )


def next_in(order: Sequence[T], here: T | None, step: int) -> tuple[T | None, bool]:
    """The one to take next, and whether the walk began again at the other end."""
    others = [key for key in order if key != here]
    if not others:
        return None, False
    if here is None or here not in order:
        return (others[0] if step > 0 else others[-1]), False
    at = order.index(here) + step
    if 0 <= at < len(order):
        return order[at], False
    return (order[0] if step > 0 else order[-1]), True


def _go(ctx: Context, order: list[Stop], here: Stop | None, step: int) -> None:
    found, wrapped = next_in(order, here, step)
    if found is None:
        ctx.app.say("Nothing else needs a decision.")
        return
    if wrapped:
        ctx.app.say("From the other end of the queue.")
    kind, number = found
    if kind == A_CONVERSATION:
        _open_thread(ctx, ConversationId(number))
    elif isinstance(ctx.app.screen, ActionScreen):
        ctx.app.screen.go_to(ProposalId(number))
    else:
        ctx.app.push_screen(ActionScreen(ProposalId(number)))


def _open_thread(ctx: Context, conversation_id: ConversationId) -> None:
    """Over an action it would pile up, so it takes the action's place."""
    if isinstance(ctx.app.screen, ActionScreen):
        ctx.app.pop_screen()
    ctx.app.open_conversation(conversation_id)


COMMANDS: tuple[Command, ...] = (
    Command(
        "decision.next",
        "Next decision anywhere",
        GROUP,
        "Actions by their deadline, then whoever has waited longest.",
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
        "In the order in which the list has them.",
        keys=("]",),
        scope=SCOPE,
        why_not=_no_list,
        run=lambda ctx: _step(ctx, ctx.times),
    ),
    Command(
        "item.previous",
        "Previous of the list",
        GROUP,
        "In the order of the list.",
        keys=("[",),
        scope=SCOPE,
        why_not=_no_list,
        run=lambda ctx: _step(ctx, -ctx.times),
    ),
)
