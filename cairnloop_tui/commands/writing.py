"""Writing to the customer or to colleagues, and the step that shows what goes out."""

from __future__ import annotations

from cairnloop_engine.core.ids import MessageId
from cairnloop_tui.commands import sending
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.lifecycle import named
from cairnloop_tui.commands.outside import edited_outside
from cairnloop_tui.commands.registry import CARDS, CONVERSATION, Command, Takes
from cairnloop_tui.commands.sending import screen_of
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.conversation import cards
from cairnloop_tui.text import counted, one_line
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.unsent import Kind

GROUP = "Write"
SCOPE = frozenset({CONVERSATION})
BEGIN = SCOPE | {CARDS}


def _cannot_reply(ctx: Context) -> str | None:
    screen = screen_of(ctx)
    if screen.row is None:
        return sending.NOT_READ
    return sending.closed(screen.row)


def _cannot_note(ctx: Context) -> str | None:
    screen = screen_of(ctx)
    if screen.row is None:
        return sending.NOT_READ
    if screen.composer.kind is Kind.REPLY and not screen.composer.unsent.is_empty:
        return "The composer holds a reply. Send or empty it first; a note must not become one."
    return None


def _compose(ctx: Context) -> None:
    screen = screen_of(ctx)
    if screen.composer.kind is Kind.NOTE and not screen.composer.unsent.is_empty:
        ctx.app.warn("The composer holds an internal note; it stays one. Keep or empty it first.")
        screen.write(Kind.NOTE)
        return
    screen.write(Kind.REPLY)


def _note(ctx: Context) -> None:
    screen_of(ctx).write(Kind.NOTE)


def _cannot_send(ctx: Context) -> str | None:
    screen = screen_of(ctx)
    if screen.row is None:
        return sending.NOT_READ
    if screen.sending:
        return sending.ON_ITS_WAY
    if screen.composer.unsent.is_empty:
        return "There is nothing to send. c writes a reply, m an internal note."
    return None if screen.composer.kind is Kind.NOTE else sending.closed(screen.row)


def _arm_send(ctx: Context) -> Armed:
    screen = screen_of(ctx)
    screen.keep()
    return _armed_note(ctx) if screen.composer.kind is Kind.NOTE else _armed_reply(ctx)


def _armed_note(ctx: Context) -> Armed:
    screen = screen_of(ctx)
    row, text = screen.row, screen.composer.text
    assert row is not None
    return Armed(
        title="Keep this internal note?",
        facts=(("For", "operators only, never the customer"), ("About", named(row))),
        text=text,
        tone=Tone.INFO,
        go="keeps the note",
        act=lambda: _keep_note(ctx, text),
        still=lambda: (
            sending.typed_moved(screen, text)
            or (None if screen.row is not None and screen.row.id == row.id else sending.OTHER_SHOWN)
        ),
    )


def _armed_reply(ctx: Context) -> Armed:
    screen = screen_of(ctx)
    row, unsent, draft = screen.row, screen.composer.unsent, screen.draft
    assert row is not None
    edited = draft if draft is not None and draft.id == unsent.draft_id else None
    facts = [("To", cards.customer_of(row)), ("About", named(row))]
    cited = unsent.still_cited()
    if cited:
        facts.append(("Cites", "; ".join(f"[{c.number}] {one_line(c.title, 60)}" for c in cited)))
    facts.append(("Length", counted(len(unsent.text), "character")))
    warnings = _warnings(ctx)
    return Armed(
        title="Send this edit of the draft?" if edited else "Send this reply?",
        facts=tuple(facts),
        text=unsent.text,
        warnings=warnings,
        tone=Tone.WARNING if warnings else Tone.PRIMARY,
        go=f"sends exactly this {sending.after_hold(ctx)}",
        act=lambda: (
            sending.send_reply(ctx, row, unsent)
            if edited is None
            else sending.send_draft(ctx, row, edited, edit=unsent)
        ),
        still=lambda: sending.typed_moved(screen, unsent.text) or sending.thread_moved(screen, row),
    )


def _warnings(ctx: Context) -> tuple[str, ...]:
    """What an operator should know before these words go out."""
    screen = screen_of(ctx)
    draft, work = screen.draft, screen.work
    began_from = screen.composer.draft_id
    found: list[str] = []
    if began_from is not None and (draft is None or draft.id != began_from):
        found.append("The draft this began from is gone; it goes out as your own reply.")
    elif draft is not None and draft.stale and began_from is not None:
        found.append("The customer wrote again after the draft was made.")
    if screen.arrived_while_writing():
        found.append(f"A message arrived while you wrote. {sending.what_arrived(screen)}")
    presence = work.thread.presence if work else ()
    others = cards.presence_words(presence, ctx.app.session.operator)
    if "repl" in others:
        found.append(f"{others} in this conversation right now.")
    return tuple(found)


def _keep_note(ctx: Context, text: str) -> None:
    screen = screen_of(ctx)
    conversation_id = screen.conversation_id
    screen.sending = True

    def kept(_: MessageId) -> None:
        screen.sending = False
        sending.clear_composer(ctx, screen, conversation_id, text)
        ctx.app.undo_log.add(
            Done("Note kept.", why_not="Your last action was an internal note; notes stay.")
        )
        ctx.app.say("Note kept; only operators see it.", Tone.SUCCESS)
        screen.reload()

    ctx.app.act(
        screen,
        lambda engine, caller: engine.conversations.note(caller, conversation_id, text),
        kept,
        doing="keeping the note",
        failed=lambda trouble, error: sending.not_sent(screen),
    )


def _edit_outside(ctx: Context) -> None:
    """Hand the text to the operator's editor and take back what it leaves."""
    screen = screen_of(ctx)
    composer = screen.composer
    screen.keep()
    name = f"conversation-{screen.conversation_id}.txt"
    written = edited_outside(ctx.app, composer.text, name)
    if written is None:
        return
    composer.retype(written)
    screen.keep()
    screen.write(composer.kind)


COMMANDS: tuple[Command, ...] = (
    Command(
        "reply.compose",
        "Compose a reply",
        GROUP,
        "Opens the composer; nothing is sent by it.",
        keys=("c",),
        scope=BEGIN,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_reply,
        run=_compose,
        label="compose",
        cli="cairnloop reply ID TEXT",
    ),
    Command(
        "note.compose",
        "Write an internal note",
        GROUP,
        "The customer never sees it.",
        keys=("m",),
        scope=BEGIN,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_note,
        run=_note,
        label="note",
        cli="cairnloop note ID TEXT",
    ),
    Command(
        "reply.send",
        "Show what goes out",
        GROUP,
        "Enter then sends it, or keeps the note.",
        keys=("ctrl+s", "f9"),
        scope=SCOPE,
        in_text=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_send,
        arm=_arm_send,
        label="send step",
        undo="u takes a reply back while it is held.",
        cli="cairnloop reply ID -",
    ),
    Command(
        "reply.editor",
        "Write in $EDITOR",
        GROUP,
        "The composer's text, in your own editor.",
        keys=("ctrl+g",),
        scope=SCOPE,
        in_text=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_reply,
        run=_edit_outside,
    ),
    Command(
        "conversation.customer",
        "Show or hide the customer",
        "Conversation",
        "What the host knows about them.",
        keys=("v",),
        scope=SCOPE,
        run=lambda ctx: screen_of(ctx).toggle_customer(),
    ),
)
