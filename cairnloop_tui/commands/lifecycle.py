"""Verbs on conversations, alike in the queue and in the conversation itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from cairnloop_engine import CairnloopError, Caller, Engine, Unavailable
from cairnloop_engine.conversations.model import Status
from cairnloop_engine.conversations.reads import InboxRow
from cairnloop_engine.core.ids import ConversationId
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import CARDS, CONVERSATION, INBOX, Command, Takes
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.conversation.screen import ConversationScreen
from cairnloop_tui.dialogs.prompt import Prompt
from cairnloop_tui.inbox.screen import InboxScreen
from cairnloop_tui.labels import title_of
from cairnloop_tui.text import counted, cut
from cairnloop_tui.theme.tokens import Tone

GROUP = "Conversation"
SCOPE = frozenset({INBOX, CONVERSATION, CARDS})
MOST_LISTED = 8

One = Callable[[Engine, Caller, ConversationId], Awaitable[object]]


def targets(ctx: Context) -> tuple[InboxRow, ...]:
    """The conversations that a verb acts on."""
    screen = ctx.screen
    if isinstance(screen, ConversationScreen):
        return (screen.row,) if screen.row else ()
    rows = ctx.on(InboxScreen).rows
    return tuple(row for key in rows.targets() if (row := rows.row(key)) is not None)


def none_chosen(ctx: Context) -> str | None:
    return None if targets(ctx) else "No conversation is selected."


def named(row: InboxRow) -> str:
    """A conversation as confirmations name it."""
    return f"#{row.id} “{cut(title_of(row), 48)}”"


async def on_each(
    engine: Engine, caller: Caller, rows: Sequence[InboxRow], one: One
) -> tuple[list[InboxRow], list[str]]:
    """Do one thing to each; what is refused does not stop the rest."""
    done: list[InboxRow] = []
    refused: list[str] = []
    for row in rows:
        try:
            await one(engine, caller, row.id)
        except Unavailable:
            raise
        except CairnloopError as error:
            refused.append(f"#{row.id}: {error.message}")
        else:
            done.append(row)
    return done, refused


# Resolve


def _cannot_resolve(ctx: Context) -> str | None:
    rows = targets(ctx)
    if not rows:
        return "No conversation is selected."
    if all(row.status is Status.RESOLVED for row in rows):
        return "Already resolved." if len(rows) == 1 else "All of these are resolved already."
    return None


def _arm_resolve(ctx: Context) -> Armed:
    rows = tuple(row for row in targets(ctx) if row.status is not Status.RESOLVED)
    listed = tuple(("Resolve", named(row)) for row in rows[:MOST_LISTED])
    if len(rows) > MOST_LISTED:
        listed = (*listed, ("", f"and {len(rows) - MOST_LISTED} more"))
    return Armed(
        title=f"Resolve {counted(len(rows), 'conversation')}?",
        facts=listed,
        warnings=_resolve_warnings(rows),
        go="resolves; the customer sees it as closed",
        act=lambda: _resolve(ctx, rows),
    )


def _resolve_warnings(rows: Sequence[InboxRow]) -> tuple[str, ...]:
    drafts = [row for row in rows if row.draft_id is not None]
    held = [row for row in rows if row.held]
    waiting = [row for row in rows if row.waiting_since is not None and row.draft_id is None]
    warnings = []
    if drafts:
        warnings.append(f"{_numbers(drafts)}: a draft waits; it is dropped")
    if held:
        warnings.append(f"{_numbers(held)}: a reply is still on its way out")
    if waiting:
        warnings.append(f"{_numbers(waiting)}: the customer's last message has no answer")
    return tuple(warnings)


def _numbers(rows: Sequence[InboxRow]) -> str:
    return ", ".join(f"#{row.id}" for row in rows[:MOST_LISTED])


def _resolve(ctx: Context, rows: tuple[InboxRow, ...]) -> None:
    # The operator has just read what waits, so the engine need not ask again.
    ctx.app.act(
        ctx.screen,
        lambda engine, caller: on_each(
            engine,
            caller,
            rows,
            lambda e, c, conversation_id: e.conversations.resolve(c, conversation_id, force=True),
        ),
        lambda result: _resolved(ctx, *result),
        doing="resolving",
    )


def _resolved(ctx: Context, done: list[InboxRow], refused: list[str]) -> None:
    if done:
        said = f"Resolved {named(done[0]) if len(done) == 1 else f'{len(done)} conversations'}."
        ctx.app.undo_log.add(Done(said, inverse=lambda: reopen(ctx, tuple(done))))
        ctx.app.say(f"{said} u reopens.", Tone.SUCCESS)
    for reason in refused:
        ctx.app.warn(reason)
    ctx.screen.reload()


# Reopen, archive


def reopen(ctx: Context, rows: tuple[InboxRow, ...]) -> None:
    ctx.app.act(
        ctx.screen,
        lambda engine, caller: on_each(
            engine,
            caller,
            rows,
            lambda e, c, conversation_id: e.conversations.reopen(c, conversation_id),
        ),
        lambda result: _told(ctx, "Reopened", *result),
        doing="reopening",
    )


def _told(ctx: Context, verb: str, done: list[InboxRow], refused: list[str]) -> None:
    if done:
        what = named(done[0]) if len(done) == 1 else f"{len(done)} conversations"
        ctx.app.say(f"{verb} {what}.", Tone.SUCCESS)
    for reason in refused:
        ctx.app.warn(reason)
    ctx.screen.reload()


def _cannot_reopen(ctx: Context) -> str | None:
    rows = targets(ctx)
    if not rows:
        return "No conversation is selected."
    if all(row.status is Status.OPEN for row in rows):
        return "It is open already." if len(rows) == 1 else "All of these are open already."
    return None


def _arm_archive(ctx: Context) -> Armed:
    rows = targets(ctx)
    return Armed(
        title=f"Archive {counted(len(rows), 'conversation')}?",
        facts=tuple(("Archive", named(row)) for row in rows[:MOST_LISTED]),
        warnings=_resolve_warnings(rows),
        go="puts away; a later message of the customer begins a new conversation",
        act=lambda: _archive(ctx, rows),
    )


def _archive(ctx: Context, rows: tuple[InboxRow, ...]) -> None:
    def archived(result: tuple[list[InboxRow], list[str]]) -> None:
        done = tuple(result[0])
        if done:
            said = f"Archived {counted(len(done), 'conversation')}."
            ctx.app.undo_log.add(Done(said, inverse=lambda: reopen(ctx, done)))
        _told(ctx, "Archived", *result)

    ctx.app.act(
        ctx.screen,
        lambda engine, caller: on_each(
            engine,
            caller,
            rows,
            lambda e, c, conversation_id: e.conversations.archive(c, conversation_id),
        ),
        archived,
        doing="archiving",
    )


# Assignment


def _assign(ctx: Context) -> None:
    rows = targets(ctx)
    me = ctx.app.session.operator or ""
    current = rows[0].assignee if len(rows) == 1 else None
    ctx.app.push_screen(
        Prompt(
            "Assign",
            f"Assign {named(rows[0]) if len(rows) == 1 else counted(len(rows), 'conversation')} to",
            "Enter assigns; an empty name leaves it to nobody; Esc changes nothing.",
            value=current or me,
        ),
        lambda answer: None if answer is None else _assigned_to(ctx, rows, answer.strip() or None),
    )


def _assigned_to(ctx: Context, rows: tuple[InboxRow, ...], operator: str | None) -> None:
    before = {row.id: row.assignee for row in rows}

    def assigned(result: tuple[list[InboxRow], list[str]]) -> None:
        done = tuple(result[0])
        if done:
            ctx.app.undo_log.add(
                Done("Assignment changed.", inverse=lambda: _assign_back(ctx, done, before))
            )
        _told(ctx, f"Assigned to {operator}:" if operator else "Assigned to nobody:", *result)

    ctx.app.act(
        ctx.screen,
        lambda engine, caller: on_each(
            engine,
            caller,
            rows,
            lambda e, c, conversation_id: e.conversations.assign(c, conversation_id, operator),
        ),
        assigned,
        doing="assigning",
    )


def _assign_back(
    ctx: Context, rows: tuple[InboxRow, ...], before: dict[ConversationId, str | None]
) -> None:
    ctx.app.act(
        ctx.screen,
        lambda engine, caller: on_each(
            engine,
            caller,
            rows,
            lambda e, c, conversation_id: e.conversations.assign(
                c, conversation_id, before[conversation_id]
            ),
        ),
        lambda result: _told(ctx, "Assigned as before:", *result),
        doing="assigning",
    )


def _copy(ctx: Context) -> None:
    ids = " ".join(str(row.id) for row in targets(ctx))
    ctx.app.copy_to_clipboard(ids)
    ctx.app.say(f"Copied {ids}.")


COMMANDS: tuple[Command, ...] = (
    Command(
        "conversation.resolve",
        "Resolve",
        GROUP,
        "Closes it for the customer too.",
        keys=("R",),
        scope=SCOPE,
        takes=Takes.MANY,
        writes=True,
        why_not=_cannot_resolve,
        arm=_arm_resolve,
        label="resolve",
        undo="u reopens.",
        cli="cairnloop resolve ID",
    ),
    Command(
        "conversation.assign",
        "Assign",
        GROUP,
        "Says who takes care of it.",
        keys=("l",),
        scope=SCOPE,
        takes=Takes.MANY,
        writes=True,
        why_not=none_chosen,
        run=_assign,
        undo="u assigns as before.",
        cli="cairnloop assign ID NAME",
    ),
    Command(
        "conversation.reopen",
        "Reopen",
        GROUP,
        "Opens a resolved or archived one again.",
        scope=SCOPE,
        takes=Takes.MANY,
        writes=True,
        why_not=_cannot_reopen,
        run=lambda ctx: reopen(ctx, targets(ctx)),
        cli="cairnloop reopen ID",
    ),
    Command(
        "conversation.archive",
        "Archive",
        GROUP,
        "Puts it away for good.",
        scope=SCOPE,
        takes=Takes.MANY,
        writes=True,
        why_not=none_chosen,
        arm=_arm_archive,
        undo="u reopens.",
        cli="cairnloop archive ID",
    ),
    Command(
        "copy",
        "Copy the id",
        GROUP,
        "To the clipboard of your terminal (OSC 52).",
        keys=("y",),
        scope=SCOPE - {CARDS},
        takes=Takes.MANY,
        why_not=none_chosen,
        run=_copy,
    ),
)
