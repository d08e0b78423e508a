"""How a conversation reads in the queue and in its preview; pure."""

from __future__ import annotations

from datetime import datetime

from cairnloop_engine.conversations.reads import InboxRow, MessageView, Thread
from cairnloop_tui.labels import draft_type_label, role_label, state_label, title_of
from cairnloop_tui.lists.row_list import RowSpot
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    ago,
    ago_words,
    counted,
    cut_line,
    fit,
    fit_right,
    many_lines,
    muted,
    one_line,
    strong,
    text_paras,
)
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone

# Under this width a customer column would leave no room for the subject.
CUSTOMER_FROM = 90
CUSTOMER_WIDTH = 20
PREVIEW_MESSAGES = 3


def row_line(row: InboxRow, spot: RowSpot) -> Line:
    """One line. What we know stands left of what others wrote."""
    label = state_label(row.state)
    since = row.waiting_since or row.last_message_at
    age = Piece(
        fit_right(ago(since, spot.now), 4),
        Tone.TEXT if row.waiting_since else Tone.MUTED,
    )
    known: Line = (
        Piece(f"{spot.glyphs.of(label.tone)} ", label.tone),
        Piece(fit(label.words, 9), label.tone),
        age,
        Piece(" "),
        *_flags(row, spot.glyphs),
        muted(fit(f"#{row.id}", max(len(str(row.id)) + 2, 5))),
    )
    room = max(spot.width - sum(len(piece.text) for piece in known) - 1, 0)
    customer = one_line(row.customer_ref) or "unknown customer"
    if spot.width < CUSTOMER_FROM:
        return cut_line((*known, *_subject(row, room, customer)), spot.width)
    column = muted(fit(customer, CUSTOMER_WIDTH) + "  ")
    return (*known, column, *_subject(row, room - CUSTOMER_WIDTH - 2, ""))


def _subject(row: InboxRow, room: int, customer: str) -> Line:
    """The subject in full when it fits; what room is left tells who and what was said last."""
    subject = Piece(title_of(row), bold=row.waiting_since is not None)
    excerpt = one_line(row.last_excerpt) if row.subject else ""
    rest = "  ".join(filter(None, (customer, excerpt)))
    return cut_line((subject, muted(f"  {rest}")), room)


def _flags(row: InboxRow, glyphs: Glyphs) -> Line:
    """Letters for what waits: A an action, D a draft, H a held reply, @ somebody has it."""
    return (
        Piece("A" if row.actions_waiting else " ", Tone.WARNING, bold=True),
        Piece("D" if row.draft_id else " ", Tone.AI, bold=True),
        Piece("H" if row.held else " ", Tone.WARNING, bold=True),
        Piece("@" if row.assignee else " ", Tone.INFO),
        Piece(" "),
    )


def preview_blocks(
    row: InboxRow | None, thread: Thread | None, now: datetime, glyphs: Glyphs
) -> tuple[Block, ...]:
    """The conversation under the cursor: its head, and its last messages."""
    if row is None:
        return ()
    blocks = [Block(_head(row, now, glyphs))]
    if thread is not None and thread.conversation.id == row.id:
        shown = thread.messages[-PREVIEW_MESSAGES:]
        hidden = row.message_count - len(shown)
        if hidden > 0:
            blocks.append(Block((Para((muted(f" {hidden} earlier"),)),)))
        blocks += [Block(_message(message, now, glyphs)) for message in shown]
    return tuple(blocks)


def _head(row: InboxRow, now: datetime, glyphs: Glyphs) -> tuple[Para, ...]:
    label = state_label(row.state)
    facts: list[Piece] = [
        Piece(f" {glyphs.of(label.tone)} {label.words}", label.tone),
        muted(f"  #{row.id}"),
    ]
    if row.waiting_since:
        facts.append(muted(f"  waits {ago(row.waiting_since, now)}"))
    if row.assignee:
        facts.append(Piece(f"  @{one_line(row.assignee)}", Tone.INFO))
    paras = [
        Para((strong(f" {title_of(row)}"),), hang=1),
        Para(tuple(facts)),
        Para((muted(f" {one_line(row.customer_ref) or 'unknown customer'}"),), hang=1),
    ]
    if row.draft_id:
        draft = draft_type_label(row.draft_type or "")
        paras.append(Para((Piece(f" {glyphs.ai} Draft waits: {draft.words}", Tone.AI),), hang=3))
    if row.actions_waiting:
        waits = counted(row.actions_waiting, "action waits", "actions wait")
        words = f" {glyphs.warning} {waits} for a person"
        paras.append(Para((Piece(words, Tone.WARNING),), hang=3))
    return (*paras, Para())


def _message(message: MessageView, now: datetime, glyphs: Glyphs) -> tuple[Para, ...]:
    label = role_label(message.role)
    bar = glyphs.note_bar if message.role.value == "internal_note" else glyphs.bar
    return (
        Para(
            (
                strong(f" {label.words}", label.tone),
                muted(f"  {ago_words(message.inserted_at, now)}"),
            )
        ),
        *text_paras(many_lines(message.content, 2000), gutter=(Piece(f" {bar} ", label.tone),)),
        Para(),
    )
