"""What every send shares: the hold, what becomes of the composer, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnloop_engine.conversations.model import Delivery, Replied, Status
from cairnloop_engine.conversations.reads import InboxRow, MessageView
from cairnloop_engine.core.ids import ConversationId, MessageId
from cairnloop_engine.drafting.reads import DraftView
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.conversation import cards
from cairnloop_tui.conversation.screen import ConversationScreen
from cairnloop_tui.labels import role_label
from cairnloop_tui.text import one_line
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.unsent import Unsent

if TYPE_CHECKING:
    from cairnloop_engine.drafting.decisions import Decided

NOT_READ = "The conversation is not read yet."
ON_ITS_WAY = "It is on its way to the engine already."
OTHER_SHOWN = "Disarmed: another conversation is shown now."


def screen_of(ctx: Context) -> ConversationScreen:
    return ctx.on(ConversationScreen)


def closed(row: InboxRow) -> str | None:
    """Why nothing can be sent into this conversation, or None."""
    if row.status is Status.OPEN:
        return None
    return f"This conversation is {row.status}. Reopen it first (Ctrl+P, Reopen)."


def after_hold(ctx: Context) -> str:
    hold = ctx.app.session.hold_s
    return f"in {hold:g} s; u takes it back until then" if hold else "at once"


# What may have changed between showing and sending


def thread_moved(screen: ConversationScreen, row: InboxRow) -> str | None:
    """Why the thread is no longer the one that was shown, naming what arrived."""
    now = screen.row
    if now is None or now.id != row.id:
        return OTHER_SHOWN
    if now.revision != row.revision:
        return f"Disarmed: the thread changed. {what_arrived(screen)}"
    return None


def draft_moved(screen: ConversationScreen, row: InboxRow, draft: DraftView) -> str | None:
    moved = thread_moved(screen, row)
    if moved is not None:
        return moved
    now = screen.draft
    if now is None or (now.id, now.version) != (draft.id, draft.version):
        return "Disarmed: the draft was changed or decided elsewhere."
    return None


def typed_moved(screen: ConversationScreen, text: str) -> str | None:
    return None if screen.composer.text == text else "Disarmed: the text changed."


def what_arrived(screen: ConversationScreen) -> str:
    messages = screen.messages()
    if not messages:
        return ""
    last = messages[-1]
    return f"{role_label(last.role).words}: “{one_line(last.content, 60)}”"


# Sending


def send_draft(
    ctx: Context, row: InboxRow, draft: DraftView, *, edit: Unsent | None = None
) -> None:
    """Approve exactly what was shown; the engine refuses when draft or thread moved on."""
    screen, hold = screen_of(ctx), ctx.app.session.hold_s
    screen.sending = True
    ctx.app.act(
        screen,
        lambda engine, caller: engine.drafting.approve(
            caller,
            draft.id,
            edit=edit.text if edit else None,
            even_if_stale=draft.stale,
            hold=hold,
            expected_version=draft.version,
            expected_revision=row.revision,
            citations=edit.citations() if edit else (),
        ),
        lambda decided: _sent(ctx, screen, decided, edit),
        doing="sending the draft",
        failed=lambda trouble, error: not_sent(screen),
    )


def send_reply(ctx: Context, row: InboxRow, unsent: Unsent) -> None:
    screen, hold = screen_of(ctx), ctx.app.session.hold_s
    screen.sending = True
    ctx.app.act(
        screen,
        lambda engine, caller: engine.conversations.reply(
            caller,
            row.id,
            unsent.text,
            hold=hold,
            expected_revision=row.revision,
            citations=unsent.citations(),
        ),
        lambda replied: _sent(ctx, screen, replied, unsent),
        doing="sending the reply",
        failed=lambda trouble, error: not_sent(screen),
    )


def _sent(
    ctx: Context,
    screen: ConversationScreen,
    reply: Replied | Decided,
    unsent: Unsent | None,
) -> None:
    screen.sending = False
    conversation_id, message_id, delivery = (
        reply.conversation_id,
        reply.message_id,
        reply.delivery,
    )
    if unsent is not None:
        clear_composer(ctx, screen, conversation_id, unsent.text)
    if delivery is Delivery.HELD and message_id is not None:
        ctx.app.say(f"Sending {after_hold(ctx)}.", Tone.SUCCESS)
        back = Done(
            f"Reply in #{conversation_id}",
            inverse=lambda: take_back(ctx, screen, conversation_id, message_id, unsent),
        )
    else:
        ctx.app.say("Sent.", Tone.SUCCESS)
        back = Done("Sent.", why_not="Your last reply has reached the customer; it stays.")
    ctx.app.undo_log.add(back)
    screen.reload()


def not_sent(screen: ConversationScreen) -> None:
    """The text stays where it was typed."""
    screen.sending = False
    screen.refresh_chrome()


def clear_composer(
    ctx: Context, screen: ConversationScreen, conversation_id: ConversationId, typed: str
) -> None:
    """Only what was sent leaves the composer; words typed since then stay."""
    kept = ctx.app.unsent.of(conversation_id)
    if kept is not None and kept.text == typed:
        ctx.app.unsent.forget(conversation_id)
    if not screen.is_attached or screen.conversation_id != conversation_id:
        return
    if screen.composer.text == typed:
        screen.composer.fill(None)
        screen.focus_pane(screen.thread)


# Taking back


def held_by_me(ctx: Context) -> MessageView | None:
    """A reply of mine in this conversation that is still on its way, from whichever console."""
    screen = ctx.screen
    if not isinstance(screen, ConversationScreen) or screen.work is None:
        return None
    held = cards.held_of(screen.work.thread)
    return held if held is not None and held.author_id == ctx.app.session.operator else None


def take_back(
    ctx: Context,
    screen: ConversationScreen,
    conversation_id: ConversationId,
    message_id: MessageId,
    unsent: Unsent | None,
) -> None:
    """Retract a held reply; words that were typed return to the composer."""

    def taken_back(_: MessageId) -> None:
        ctx.app.say("Taken back; the customer never saw it.", Tone.SUCCESS)
        if unsent is not None and ctx.app.unsent.of(conversation_id) is None:
            ctx.app.unsent.keep(conversation_id, unsent)
            if screen.is_attached and screen.conversation_id == conversation_id:
                screen.composer.fill(unsent)
        if screen.is_attached:
            screen.reload()

    ctx.app.act(
        ctx.app,
        lambda engine, caller: engine.conversations.retract(caller, message_id),
        taken_back,
        doing="taking the reply back",
    )
