"""How a conversation reads: its head, its messages, the customer; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from cairnloop_engine.conversations.model import Activity, Citation, Delivery, Role
from cairnloop_engine.conversations.reads import (
    ContextView,
    InboxRow,
    MessageView,
    PresenceView,
    Thread,
)
from cairnloop_tui.labels import role_label, state_label, title_of
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    ago,
    ago_words,
    clock_time,
    counted,
    cut_line,
    many_lines,
    muted,
    one_line,
    strong,
    text_paras,
)
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.tab_strip import Tab, tab_line

# A longer message is cut in the thread; Enter shows all of it.
LONGEST_SHOWN = 6_000


def customer_of(row: InboxRow) -> str:
    return one_line(row.customer_ref) or "unknown customer"


def head_lines(
    row: InboxRow,
    presence: Sequence[PresenceView],
    *,
    me: str | None,
    width: int,
    now: datetime,
    glyphs: Glyphs,
) -> list[Line]:
    """State and subject, then who it is about and who else is here."""
    label = state_label(row.state)
    first: Line = (
        Piece(f" {glyphs.of(label.tone)} {label.words}", label.tone),
        muted(f"  #{row.id}  "),
        strong(title_of(row)),
    )
    facts: list[Piece] = []
    if row.waiting_since is not None:
        facts.append(Piece(f" waits {ago(row.waiting_since, now)} ", Tone.WARNING))
    elif row.resolved_at is not None:
        by = one_line(row.resolved_by) or "somebody"
        facts.append(muted(f" resolved by {by} {ago_words(row.resolved_at, now)} "))
    else:
        facts.append(muted(f" last message {ago_words(row.last_message_at, now)} "))
    facts.append(muted(f"{glyphs.dot} {counted(row.message_count, 'message')} {glyphs.dot} "))
    assignee = one_line(row.assignee)
    facts.append(Piece(f"@{assignee} ", Tone.INFO) if assignee else muted("unassigned "))
    facts.append(muted(f"{glyphs.dot} {customer_of(row)}"))
    others = presence_words(presence, me)
    second = (Piece(f" {glyphs.warning} {others} {glyphs.dot}", Tone.WARNING), *facts)
    return [cut_line(first, width), cut_line(second if others else tuple(facts), width)]


def presence_words(presence: Iterable[PresenceView], me: str | None) -> str:
    """``maya is replying``; somebody who replies matters more than somebody who looks."""
    others = [other for other in presence if other.operator != me]
    replying = [one_line(o.operator) for o in others if o.activity is Activity.REPLYING]
    viewing = [one_line(o.operator) for o in others if o.activity is Activity.VIEWING]
    for names, does, do in (
        (replying, "is replying", "are replying"),
        (viewing, "is looking", "are looking"),
    ):
        if names:
            return f"{' and '.join(names[:3])} {does if len(names) == 1 else do}"
    return ""


def pane_tabs(shown: str, *, has_draft: bool, width: int, actions: int = 0) -> Line:
    """The panes that stand behind each other in a narrow window."""
    tabs = (
        Tab("decide", "Draft" if has_draft else "Decision", count=1 if has_draft else None),
        Tab("thread", "Thread"),
        Tab("actions", "Actions", count=actions or None),
        Tab("context", "Customer"),
    )
    return tab_line(tabs, shown, (muted("Tab goes on "),), width)


def thread_blocks(
    messages: Sequence[MessageView], *, has_older: bool, now: datetime, glyphs: Glyphs
) -> tuple[Block, ...]:
    """The messages, oldest first, with a line where a day begins."""
    blocks: list[Block] = []
    if has_older:
        blocks.append(Block((Para((muted("earlier messages: go up to read them"),)), Para())))
    day: date | None = None
    for message in messages:
        sent_on = message.inserted_at.astimezone().date()
        if sent_on != day:
            day = sent_on
            blocks.append(Block((Para((muted(f"{glyphs.rule * 2} {_day(sent_on, now)}"),)),)))
        blocks.append(Block(message_paras(message, now, glyphs), key=int(message.id)))
    return tuple(blocks)


def _day(day: date, now: datetime) -> str:
    days = (now.astimezone().date() - day).days
    if days in (0, 1):
        return ("today", "yesterday")[days]
    return day.strftime("%a %d %b %Y")


def message_paras(message: MessageView, now: datetime, glyphs: Glyphs) -> tuple[Para, ...]:
    """Who, when, how far it came, then the words behind a gutter that nobody can imitate."""
    label = role_label(message.role)
    gone = message.delivery is Delivery.RETRACTED
    tone = Tone.MUTED if gone else label.tone
    head: list[Piece] = [strong(label.words, tone)]
    if message.role in (Role.AGENT, Role.INTERNAL_NOTE):
        head.append(muted(f" {one_line(message.author_id)}"))
    head.append(muted(f"  {clock_time(message.inserted_at)}"))
    delivery = delivery_piece(message, now, glyphs)
    if delivery is not None:
        head += [muted("  "), delivery]
    if message.hidden_characters:
        head.append(Piece(f"  {glyphs.warning} hidden characters", Tone.WARNING))
    bar = glyphs.note_bar if message.role is Role.INTERNAL_NOTE else glyphs.bar
    body = many_lines(message.content, LONGEST_SHOWN)
    words = Tone.MUTED if gone else Tone.TEXT
    return (
        Para(tuple(head)),
        *text_paras(body, gutter=(Piece(f"{bar} ", tone),), tone=words),
        *citation_paras(message.citations, glyphs),
        Para(),
    )


def delivery_piece(message: MessageView, now: datetime, glyphs: Glyphs) -> Piece | None:
    """How far a reply has come on its way."""
    match message.delivery:
        case Delivery.HELD:
            left = seconds_left(message, now)
            words = (
                f"sending in {left} s {glyphs.dot} u takes it back"
                if left > 0
                else "due, waits for a worker"
            )
            return Piece(f"{glyphs.warning} {words}", Tone.WARNING)
        case Delivery.RETRACTED:
            return Piece(f"{glyphs.danger} taken back, never sent", Tone.MUTED)
        case Delivery.SENT if message.role is Role.AGENT:
            return Piece(f"{glyphs.success} sent", Tone.SUCCESS)
        case _:
            return None


def seconds_left(message: MessageView, now: datetime) -> int:
    """Whole seconds until a held reply goes out."""
    if message.visible_at is None:
        return 0
    return max(math.ceil((message.visible_at - now).total_seconds()), 0)


def citation_paras(citations: Sequence[Citation], glyphs: Glyphs) -> tuple[Para, ...]:
    """A chip for each source that the words rest on."""
    return tuple(
        Para(
            (
                Piece(f"  {glyphs.success} ", Tone.SUCCESS),
                muted(f"rests on {one_line(citation.title)}"),
            ),
            hang=4,
        )
        for citation in citations
    )


def held_of(thread: Thread | None) -> MessageView | None:
    """The newest reply that is still on its way."""
    if thread is None:
        return None
    held = [m for m in thread.messages if m.delivery is Delivery.HELD]
    return held[-1] if held else None


def context_blocks(context: ContextView | None, row: InboxRow, glyphs: Glyphs) -> tuple[Block, ...]:
    """What the host knows about the customer."""
    title = Para((strong(" Customer"),))
    who = Para((muted(" "), Piece(customer_of(row))), hang=1)
    if context is None:
        return (Block((title, who)),)
    match context.state:
        case "unavailable":
            words = "Customer context is unavailable. Go on without it; Ctrl+R asks again."
            said = Para((Piece(f" {glyphs.warning} {words}", Tone.WARNING),), hang=3)
            return (Block((title, who, said)),)
        case "empty":
            said = Para(
                (muted(" No customer context yet. It comes from your own product."),), hang=1
            )
            return (Block((title, who, said)),)
    blocks = [Block((title, who))]
    for name, facts in context.sections:
        width = max((len(label) for label, _ in facts), default=0)
        rows = [
            Para((muted(f" {one_line(label):<{width}}  "), Piece(one_line(value))), hang=width + 3)
            for label, value in facts
        ]
        blocks.append(Block((Para(), Para((strong(f" {one_line(name)}", Tone.INFO),)), *rows)))
    return tuple(blocks)
