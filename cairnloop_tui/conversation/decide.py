"""How the next decision about a conversation reads; pure."""

from __future__ import annotations

from datetime import datetime

from cairnloop_engine.conversations.model import State
from cairnloop_engine.conversations.reads import InboxRow
from cairnloop_engine.drafting.reads import DraftView
from cairnloop_tui.conversation import evidence
from cairnloop_tui.labels import draft_type_label
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    ago_words,
    counted,
    cut_line,
    many_lines,
    muted,
    one_line,
    strong,
)
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone


def decision_blocks(
    row: InboxRow, draft: DraftView | None, *, now: datetime, glyphs: Glyphs
) -> tuple[Block, ...]:
    """The oldest thing that nobody has decided yet, with all that the decision needs."""
    if draft is None:
        head_line = Para((strong(" Next decision"),))
        words = (*_actions(row, glyphs), *_without_draft(row, now, glyphs))
        return (Block((head_line, *words)),)
    label = draft_type_label(str(draft.proposal_type))
    state = evidence.drafted_words(draft, ago_words(draft.created_at, now))
    kind = strong(f" {glyphs.of(label.tone)} {label.words}", label.tone)
    head = [
        Para((kind, muted(f"  {state}")), hang=3),
        *evidence.grounding_paras(draft.grounding, glyphs),
    ]
    head += _actions(row, glyphs)
    if draft.stale:
        head.append(_stale(glyphs))
    head.append(Para((muted(f" {one_line(draft.operator_summary)}"),), hang=1))
    sources = evidence.sources_of_draft(draft)
    return (
        Block((*head, Para())),
        Block((*_words(draft, label.tone, glyphs), Para())),
        Block((Para((muted(f" {evidence.maker_words(draft)}"),), hang=1),)),
        Block(evidence.listed(sources, glyphs)),
    )


def _words(draft: DraftView, tone: Tone, glyphs: Glyphs) -> tuple[Para, ...]:
    """What would be sent, or what an escalation tells colleagues: that can never be sent."""
    gutter = (Piece(f" {glyphs.bar} ", tone),)
    known = {one.number for one in draft.evidence}
    if draft.sendable:
        return evidence.reply_paras(many_lines(draft_text(draft)), known, gutter=gutter)
    said = many_lines(draft.proposed)
    return evidence.reply_paras(said, known, gutter=gutter, tone=Tone.MUTED)


def draft_text(draft: DraftView) -> str:
    """What approving would send as it stands."""
    return draft.customer_reply or ""


def _actions(row: InboxRow, glyphs: Glyphs) -> tuple[Para, ...]:
    """That actions wait for a person, too."""
    if not row.actions_waiting:
        return ()
    waits = counted(row.actions_waiting, "action waits", "actions wait")
    words = Piece(f" {glyphs.warning} {waits} for a person.", Tone.WARNING, bold=True)
    return (Para((words, muted(" Tab goes there.")), hang=3),)


def _stale(glyphs: Glyphs) -> Para:
    words = "The customer wrote again after this was drafted. Read that first."
    return Para((Piece(f" {glyphs.warning} {words}", Tone.WARNING, bold=True),), hang=3)


def _without_draft(row: InboxRow, now: datetime, glyphs: Glyphs) -> tuple[Para, ...]:
    match row.state:
        case State.NEW | State.OPEN if row.held:
            said = "A reply is on its way out."
            then = "u takes it back until it is sent."
        case State.NEW | State.OPEN:
            said = "The customer waits. No draft is ready."
            then = "c writes a reply, Ctrl+F searches knowledge."
        case State.AWAITING_CUSTOMER:
            said = f"Answered {ago_words(row.last_message_at, now)}."
            then = "R resolves when this is handled."
        case State.RESOLVED:
            by = one_line(row.resolved_by) or "somebody"
            said = f"Resolved by {by}."
            then = "} goes to the next conversation that needs you."
        case State.ARCHIVED:
            said = "Put away."
            then = "} goes to the next conversation that needs you."
    return (
        Para((Piece(f" {said}"),), hang=1),
        Para((muted(f" {then}"),), hang=1),
    )


def decision_line(
    row: InboxRow, draft: DraftView | None, width: int, now: datetime, glyphs: Glyphs
) -> Line:
    """The same in one line, for when the thread has the whole width."""
    if row.actions_waiting:
        waits = counted(row.actions_waiting, "action waits", "actions wait")
        beside = "  and a draft" if draft is not None else ""
        action = (
            strong(f" {glyphs.warning} {waits} for a person", Tone.WARNING),
            muted(f"{beside}  "),
            strong("Tab", Tone.PRIMARY),
            muted(" goes there"),
        )
        return cut_line(action, width)
    if draft is not None:
        label = draft_type_label(str(draft.proposal_type))
        stale = Piece(f"  {glyphs.warning} thread changed", Tone.WARNING)
        words = (
            strong(f" {glyphs.of(label.tone)} {label.words} waits", label.tone),
            *((stale,) if draft.stale else ()),
            muted(f"  {counted(len(draft.evidence), 'source')}  "),
            strong("a", Tone.PRIMARY),
            muted(" shows what would be sent"),
        )
        return cut_line(words, width)
    said, then = _without_draft(row, now, glyphs)
    return cut_line((*said.pieces, muted(" "), *then.pieces), width)
