"""How a governed action reads: its card in three tiers, and its line in the queue; pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.core.errors import JsonValue
from cairnloop_engine.governance import history, labels, presenter
from cairnloop_engine.governance.model import ApprovalStatus
from cairnloop_engine.governance.views import ActionRow, ActionView, ApprovalView, ChangeRow
from cairnloop_tui.actions.openness import MORE_KEY, Openness, Part, block_key
from cairnloop_tui.labels import Label, shown
from cairnloop_tui.lists.row_list import RowSpot
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    cut_line,
    fit,
    fit_right,
    many_lines,
    muted,
    one_line,
    short_span,
    strong,
    text_paras,
)
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone

MOST_RAW = 4_000
# Long enough for a refund's sentence, short enough for a card among others.
LONGEST_CONSEQUENCE = 600
# In a list one word each must do.
_SHORT = {
    ApprovalStatus.PENDING: "Decide",
    ApprovalStatus.EXECUTION_UNKNOWN: "Unknown",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What a card depends on besides the action: the moment, what is open, who may act."""

    now: datetime
    glyphs: Glyphs
    opened: Openness
    may_act: bool = True


# Labels as the console shows them


def chip_of(row: ActionRow) -> Label:
    return shown(presenter.row_chip(row))


def risk_of(row: ActionRow) -> Label:
    return shown(labels.risk_label(row.risk_tier))


def headline(row: ActionRow) -> str:
    return one_line(presenter.row_headline(row), 200)


def named(row: ActionRow) -> str:
    """An action as confirmations name it."""
    return f"action {row.id} “{one_line(presenter.row_headline(row), 60)}”"


def time_left(row: ActionRow, now: datetime) -> str:
    """How long there is to decide, in at most four cells."""
    if row.approval_status is not ApprovalStatus.PENDING or row.expires_at is None:
        return ""
    return short_span(int((row.expires_at - now).total_seconds()))


# The queue


def row_line(row: ActionRow, spot: RowSpot) -> Line:
    """One line. What we know stands left of what tools and people wrote."""
    chip, risk = chip_of(row), risk_of(row)
    word = _SHORT.get(row.approval_status, chip.words) if row.approval_status else chip.words
    changed = Piece("~ " if row.changed else "  ", Tone.WARNING, bold=True)
    known: Line = (
        Piece(f"{spot.glyphs.of(chip.tone)} ", chip.tone),
        Piece(fit(word, 8), chip.tone),
        Piece(f"{spot.glyphs.of(risk.tone)} ", risk.tone),
        Piece(fit(risk.words, 11), risk.tone),
        Piece(fit_right(time_left(row, spot.now), 4)),
        Piece(" "),
        changed,
        muted(fit(f"#{row.id}", max(len(str(row.id)) + 2, 5))),
    )
    room = max(spot.width - sum(len(piece.text) for piece in known), 0)
    consequence = one_line(row.consequence) if row.title.strip() else ""
    by = f"by {one_line(row.proposed_by, 40) or 'nobody'}"
    rest = "  ".join(filter(None, (consequence, by)))
    return cut_line(
        (*known, *cut_line((strong(headline(row)), muted(f"  {rest}")), room)), spot.width
    )


# The card


def page_blocks(views: Sequence[ActionView], look: Look, *, has_more: bool) -> tuple[Block, ...]:
    """The cards of a page; the last block leads to the next page if there is one."""
    blocks = [block for view in views for block in card_blocks(view, look)]
    if has_more:
        more = Para((strong(" Load more", Tone.PRIMARY), muted("  Enter shows earlier actions")))
        blocks.append(Block((more,), key=MORE_KEY))
    return tuple(blocks)


def card_blocks(view: ActionView, look: Look) -> tuple[Block, ...]:
    """One card: what always shows, then the parts that open and close."""
    row = view.row
    blocks = [Block(_head(view, look), key=block_key(row.id))]
    parts = (
        (Part.INPUTS, "Inputs & scope", _inputs(view, look)),
        (Part.HISTORY, "History", _history(view, look)),
        (Part.POLICY, "Policy explanation", _policy(view, look)),
        (Part.TRACE, "Identifiers & trace", _trace(view, look)),
    )
    for part, title, paras in parts:
        is_open = look.opened.is_open(view, part)
        blocks.append(Block((_part_line(title, is_open=is_open),), key=block_key(row.id, part)))
        if is_open:
            blocks += paras
    return (*blocks, Block((Para(),)))


def _part_line(title: str, *, is_open: bool, indent: str = " ") -> Para:
    return Para((muted(f"{indent}[{'-' if is_open else '+'}] "), strong(title)))


def _head(view: ActionView, look: Look) -> tuple[Para, ...]:
    """The first tier: never folded away."""
    row, glyphs = view.row, look.glyphs
    chip, risk = chip_of(row), risk_of(row)
    name = headline(row)
    paras = [
        Para((*chip.chip(glyphs), muted(f"  action {row.id}"))),
        Para((strong(name),)),
    ]
    consequence = many_lines(row.consequence, LONGEST_CONSEQUENCE) if row.consequence else ""
    if consequence and consequence != name:
        paras += text_paras(consequence, gutter=(Piece(f"{glyphs.bar} ", risk.tone),))
    paras.append(
        Para(
            (
                muted("Risk: "),
                *risk.chip(glyphs),
                muted(f"  Approval: {labels.mode_label(row.approval_mode)}"),
            ),
            hang=2,
        )
    )
    outlook = presenter.row_outlook(row)
    if outlook is not None:
        paras.append(Para((Piece(outlook, chip.tone),), hang=2))
    blocked = presenter.row_block_reason(row)
    if blocked is not None:
        paras.append(Para((Piece(f"{glyphs.danger} {one_line(blocked)}", Tone.DANGER),), hang=2))
    paras += change_paras(changes_of(view), glyphs)
    paras += _deadline(row, look)
    paras.append(Para((muted(_who(row, look.now)),), hang=2))
    hint = next_step(row, look)
    if hint:
        paras.append(Para((Piece(hint, Tone.PRIMARY),), hang=2))
    return tuple(paras)


def changes_of(view: ActionView) -> tuple[ChangeRow, ...]:
    """What is different from what was approved before, while that matters for a decision."""
    waits = view.row.approval_status is ApprovalStatus.PENDING
    return view.changes if waits else ()


def change_paras(changes: Sequence[ChangeRow], glyphs: Glyphs) -> list[Para]:
    """Field by field, what was approved and what it is now."""
    if not changes:
        return []
    title = f"{glyphs.warning} Changed since it was approved"
    paras = [Para((Piece(title, Tone.WARNING, bold=True),))]
    for change in changes:
        paras.append(Para((muted("  "), strong(one_line(change.field, 120))), hang=4))
        for word, value in (("was", change.before), ("now", change.after)):
            told = one_line(value) or "nothing"
            paras.append(Para((muted(f"    {word} "), Piece(told, Tone.WARNING)), hang=8))
    return paras


def _deadline(row: ActionRow, look: Look) -> list[Para]:
    if row.approval_status is not ApprovalStatus.PENDING or row.expires_at is None:
        return []
    left = row.expires_at - look.now
    if left.total_seconds() < 0:
        words = f"{look.glyphs.warning} The time to decide is over."
        return [Para((Piece(words, Tone.WARNING),), hang=2)]
    by = presenter.moment(row.expires_at)
    return [Para((muted(f"Decide within {time_left(row, look.now)}, by {by}"),), hang=2)]


def _who(row: ActionRow, now: datetime) -> str:
    by = one_line(row.proposed_by, 120) or "nobody"
    source = labels.origin_words(row.origin)
    said = f"Proposed by {by} ({source}) {presenter.relative_time(row.created_at, now)}"
    if row.decided_by and row.decided_at:
        decided = presenter.relative_time(row.decided_at, now)
        said += f"; decided by {one_line(row.decided_by, 120)} {decided}"
    return said


def next_step(row: ActionRow, look: Look) -> str:
    """Which keys decide about it now; nothing when nobody can."""
    if not look.may_act:
        return ""
    match row.approval_status:
        case ApprovalStatus.PENDING:
            return "a approves, x rejects, Z defers, e puts your own version in its place"
        case ApprovalStatus.EXECUTION_UNKNOWN:
            return "Look at the target; Enter lists how to settle it"
        case ApprovalStatus.RETURNED:
            return "Enter lists how to answer"
        case ApprovalStatus.DEFERRED | ApprovalStatus.EXPIRED | ApprovalStatus.INVALIDATED:
            return "Enter lists how to open it again"
    return ""


# The second tier


def fact_paras(facts: Sequence[tuple[str, str]], *, indent: str = "     ") -> tuple[Para, ...]:
    """Labels and values, one fact each; several lines of a value stay several lines."""
    width = min(max((len(label) for label, _ in facts), default=0), 20)
    paras: list[Para] = []
    for label, value in facts:
        head = muted(f"{indent}{label:<{width}}  ")
        lines = many_lines(value).split("\n") or [""]
        hang = len(indent) + width + 2
        paras.append(Para((head, Piece(lines[0])), hang=hang))
        paras += [Para((Piece(" " * hang + one),), hang=hang) for one in lines[1:]]
    return tuple(paras)


def input_facts(view: ActionView) -> tuple[tuple[str, str], ...]:
    return tuple((row.label, row.value) for row in view.inputs)


def _inputs(view: ActionView, look: Look) -> list[Block]:
    facts = input_facts(view) or (("Inputs", "none"),)
    scope = presenter.scope_summary(view.required_scopes, view.scopes)
    return [
        Block((*fact_paras(facts), Para((muted(f"     {one_line(scope)}"),), hang=5))),
        *_raw(view, Part.RAW_INPUT, view.raw_input, look),
    ]


def _history(view: ActionView, look: Look) -> list[Block]:
    if not view.history:
        return [Block((Para((muted(f"     {history.NO_HISTORY}"),)),))]
    paras = [
        Para(
            (
                muted(f"     {fit_right(presenter.relative_time(event.at, look.now), 8)}  "),
                Piece(one_line(history.history_line(event))),
            ),
            hang=15,
        )
        for event in view.history
    ]
    return [Block(tuple(paras))]


def _policy(view: ActionView, look: Look) -> list[Block]:
    policy = view.policy
    facts = [
        ("Approval", labels.mode_label(policy.mode or view.row.approval_mode)),
        ("Declared", labels.mode_label(policy.declared) if policy.declared else ""),
        ("Decided by", presenter.words(policy.source)),
    ]
    said = presenter.policy_explanation(policy.outcome)
    kept = tuple((label, value) for label, value in facts if value)
    raw: JsonValue = {
        "outcome": policy.outcome,
        "mode": policy.mode,
        "declared": policy.declared,
        "source": policy.source,
        "revision": policy.revision,
        "code": policy.code,
    }
    return [
        Block((Para((Piece(f"     {said}"),), hang=5), *fact_paras(kept))),
        *_raw(view, Part.RAW_POLICY, raw, look),
    ]


def _raw(view: ActionView, part: Part, value: JsonValue, look: Look) -> list[Block]:
    is_open = look.opened.is_open(view, part)
    line = _part_line("As it was stored", is_open=is_open, indent="     ")
    blocks = [Block((line,), key=block_key(view.row.id, part))]
    if is_open:
        written = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
        gutter = (Piece(f"     {look.glyphs.bar} ", Tone.MUTED),)
        blocks.append(
            Block(text_paras(many_lines(written, MOST_RAW), gutter=gutter, tone=Tone.MUTED))
        )
    return blocks


# The third tier


def _trace(view: ActionView, look: Look) -> list[Block]:
    facts = [(label, one_line(value)) for label, value in presenter.trace(view)]
    facts += [_approval_fact(one, look.now) for one in view.approvals]
    paras = list(fact_paras(facts))
    for attempt in view.attempts:
        label = shown(labels.attempt_label(attempt.state))
        paras.append(
            Para(
                (
                    Piece(f"     {look.glyphs.of(label.tone)} ", label.tone),
                    Piece(one_line(presenter.attempt_line(attempt))),
                    muted(f" {presenter.relative_time(attempt.prepared_at, look.now)}"),
                ),
                hang=7,
            )
        )
    paras.append(Para((muted("     A opens its audit trail"),)))
    return [Block(tuple(paras))]


def _approval_fact(approval: ApprovalView, now: datetime) -> tuple[str, str]:
    label = labels.approval_label(approval.status)
    said = f"{label.words}, digest {presenter.short_digest(approval.digest)}"
    if approval.decided_by:
        at = presenter.relative_time(approval.decided_at, now)
        said += f", {one_line(approval.decided_by, 120)} {at}"
    return (f"Approval {approval.number}", said)
