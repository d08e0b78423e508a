"""Deciding about governed actions: exactly what was shown, bound to its digest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from cairnloop_engine import Caller, Engine
from cairnloop_engine.governance import labels, presenter
from cairnloop_engine.governance.model import ApprovalStatus, RiskTier
from cairnloop_engine.governance.views import ActionRow, ActionView
from cairnloop_tui.actions import cards
from cairnloop_tui.actions.base import CardsScreen, holder
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import ACTION, ACTIONS, CARDS, Command, Takes
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.dialogs.confirm import TypedConfirm
from cairnloop_tui.dialogs.reason import Answer, Question, Reason
from cairnloop_tui.text import Block, clock_time, counted, one_line
from cairnloop_tui.theme.tokens import Tone

if TYPE_CHECKING:
    from cairnloop_engine.core.errors import Refused, Unavailable
    from cairnloop_engine.core.ids import ProposalId
    from cairnloop_engine.governance.approvals import DecidedAction

    Results = tuple[tuple[ProposalId, DecidedAction | Refused | Unavailable], ...]

GROUP = "Action"
SCOPE = frozenset({CARDS, ACTIONS, ACTION})
NOT_SHOWN = "Disarmed: that action is not shown any more."
WHY_NOT_UNDONE = (
    "An approved action cannot be taken back: a worker checks it once more and runs it. "
    "What it did can only be answered by another action."
)

Ask = Callable[[Engine, Caller, ActionView, Answer], Awaitable["DecidedAction"]]


# What can be decided about


def no_action(ctx: Context) -> str | None:
    return None if holder(ctx).action() else "No action is selected, or it is still being read."


def current(ctx: Context) -> ActionView:
    view = holder(ctx).action()
    assert view is not None
    return view


def _not_in(ctx: Context, *wanted: ApprovalStatus) -> str | None:
    """Why the action under the cursor is not in one of these states."""
    reason = no_action(ctx)
    if reason is not None:
        return reason
    row = current(ctx).row
    if row.approval_status in wanted:
        return None
    said = f"Action {row.id}: {presenter.row_chip(row).words}."
    if row.decided_by and row.decided_at:
        said += f" {one_line(row.decided_by, 60)} decided at {clock_time(row.decided_at)}."
    return said


def cannot_decide(ctx: Context) -> str | None:
    return _not_in(ctx, ApprovalStatus.PENDING)


def moved(shown: CardsScreen, row: ActionRow) -> str | None:
    """Why an action is not what stood before the operator any more."""
    now = shown.action_of(int(row.id))
    if now is None:
        return NOT_SHOWN
    if now.digest != row.digest:
        return f"Disarmed: action {row.id} changed. Look at what is different now."
    if now.approval_status != row.approval_status:
        who = f" by {one_line(now.decided_by, 60)}" if now.decided_by else ""
        return f"Disarmed: action {row.id} is {presenter.row_chip(now).words.lower()}{who} now."
    return None


# What is shown before a decision


def facts_of(view: ActionView) -> tuple[tuple[str, str], ...]:
    """Exactly what would run, one fact in each line."""
    row = view.row
    facts = [("Runs", f"{cards.headline(row)} (action {row.id})")]
    if row.consequence:
        facts.append(("Effect", one_line(row.consequence)))
    facts += [(one_line(one.label, 40), one_line(one.value)) for one in view.inputs]
    facts += [(f"About {kind}", f"{name}, revision {at}") for kind, name, at in view.targets]
    facts.append(("Risk", labels.risk_label(row.risk_tier).words))
    facts.append(("Asked by", one_line(row.proposed_by, 120)))
    facts.append(("Digest", presenter.short_digest(row.digest)))
    return tuple(facts)


def warnings_of(ctx: Context, view: ActionView) -> tuple[str, ...]:
    changes = [
        f"Changed since it was approved: {one_line(change.field, 120)} was "
        f"{one_line(change.before, 120) or 'nothing'}, now {one_line(change.after, 120)}"
        for change in cards.changes_of(view)
    ]
    mine = view.row.proposed_by_kind == "operator" and (
        view.row.proposed_by == ctx.app.session.operator
    )
    if mine and view.row.risk_tier is RiskTier.HIGH_WRITE:
        changes.append("You proposed this yourself; its risk may ask for a second person.")
    return tuple(changes)


# Approving


def _cannot_approve(ctx: Context) -> str | None:
    marked = holder(ctx).marked_actions()
    if marked:
        return _cannot_approve_all(marked)
    reason = cannot_decide(ctx)
    if reason is None and current(ctx).row.risk_tier is RiskTier.DESTRUCTIVE:
        return "Destructive actions are never approved here."
    return reason


def _cannot_approve_all(rows: Sequence[ActionRow]) -> str | None:
    if any(row.approval_status is not ApprovalStatus.PENDING for row in rows):
        return "Only actions that wait for a decision can be approved together."
    if len({row.tool for row in rows}) > 1:
        return "Only actions of one tool can be approved together."
    if any(row.risk_tier is RiskTier.DESTRUCTIVE for row in rows):
        return "Destructive actions are never approved here."
    if any(row.changed for row in rows):
        return "One of these changed since it was approved (~). Decide about it on its own."
    return None


def _arm_approve(ctx: Context) -> Armed:
    marked = holder(ctx).marked_actions()
    return _armed_all(ctx, marked) if marked else _armed_one(ctx, current(ctx))


def _armed_one(ctx: Context, view: ActionView) -> Armed:
    shown, row, warnings = holder(ctx), view.row, warnings_of(ctx, view)
    return Armed(
        title=f"Approve action {row.id}?",
        facts=facts_of(view),
        warnings=warnings,
        tone=Tone.DANGER if row.risk_tier is RiskTier.HIGH_WRITE else Tone.WARNING,
        go="approves exactly this; a worker runs it once",
        act=lambda: _approve(ctx, row),
        still=lambda: moved(shown, row),
        show=_typed(ctx, row),
    )


def _typed(ctx: Context, row: ActionRow) -> Callable[[Armed], None] | None:
    """What can do much harm asks for more than a key: its name, typed."""
    if row.risk_tier is not RiskTier.HIGH_WRITE:
        return None
    words, below = cards.headline(row), ctx.screen

    def show(armed: Armed) -> None:
        ctx.app.push_screen(TypedConfirm(armed, words, below))

    return show


def _approve(ctx: Context, row: ActionRow) -> None:
    def approved(decided: DecidedAction) -> None:
        ctx.app.undo_log.add(Done(f"Approved action {row.id}.", why_not=WHY_NOT_UNDONE))
        ctx.app.say(
            f"Approved {cards.named(row)}; it is checked again and runs once.", Tone.SUCCESS
        )
        holder(ctx).reload()

    ctx.app.act(
        ctx.screen,
        lambda engine, caller: engine.governance.approve(
            caller, row.id, expected_digest=row.digest
        ),
        approved,
        doing="approving",
    )


def _armed_all(ctx: Context, rows: tuple[ActionRow, ...]) -> Armed:
    shown, first = holder(ctx), rows[0]
    facts = [("Runs", f"{cards.headline(first)}, {counted(len(rows), 'time')}")]
    for row in rows:
        told = one_line(row.consequence) or cards.headline(row)
        facts.append((f"#{row.id}", f"{told}  digest {presenter.short_digest(row.digest)}"))

    def still() -> str | None:
        return next((reason for row in rows if (reason := moved(shown, row))), None)

    return Armed(
        title=f"Approve {counted(len(rows), 'action')}?",
        facts=tuple(facts),
        tone=Tone.DANGER if first.risk_tier is RiskTier.HIGH_WRITE else Tone.WARNING,
        go="approves each of these, bound to what is shown",
        act=lambda: _approve_all(ctx, rows),
        still=still,
        show=_typed(ctx, first),
    )


def _approve_all(ctx: Context, rows: tuple[ActionRow, ...]) -> None:
    shown = [(row.id, row.digest or "") for row in rows]

    def approved(results: Results) -> None:
        refused = [(key, found) for key, found in results if isinstance(found, Exception)]
        done = len(results) - len(refused)
        if done:
            ctx.app.undo_log.add(Done(f"Approved {done}.", why_not=WHY_NOT_UNDONE))
            ctx.app.say(f"Approved {counted(done, 'action')}; each runs once.", Tone.SUCCESS)
        for key, refusal in refused:
            ctx.app.warn(f"#{key}: {one_line(refusal.message)}")
        holder(ctx).reload()

    async def approve(engine: Engine, caller: Caller) -> Results:
        return await engine.governance.approve_many(caller, shown)

    ctx.app.act(
        ctx.screen,
        approve,
        approved,
        doing="approving",
    )


# Decisions with words


def ask_words(ctx: Context, question: Question, ask: Ask, said: str, *, undo: str) -> None:
    """Ask for words about the action under the cursor, then let the engine decide with them."""
    view = current(ctx)

    def answered(answer: Answer | None) -> None:
        if answer is None:
            return
        ctx.app.act(
            ctx.screen,
            lambda engine, caller: ask(engine, caller, view, answer),
            done,
            doing=f"deciding about action {view.row.id}",
        )

    def done(decided: DecidedAction) -> None:
        ctx.app.undo_log.add(Done(said, why_not=undo))
        ctx.app.say(f"{said}: {cards.named(view.row)}.", Tone.SUCCESS)
        holder(ctx).reload()

    ctx.app.push_screen(Reason(question), answered)


def question(ctx: Context, verb: str, ask: str, go: str, **more: object) -> Question:
    view = current(ctx)
    facts = facts_of(view)
    paras = cards.fact_paras(facts, indent=" ")
    changes = cards.change_paras(cards.changes_of(view), ctx.screen.glyphs)
    return Question(
        title=f"{verb} action {view.row.id}",
        ask=ask,
        go=go,
        blocks=(Block((*paras, *changes)),),
        facts=facts[:2],
        kept_as=f"{verb} {view.row.id}",
        **more,  # type: ignore[arg-type]
    )


def _reject(ctx: Context) -> None:
    ask_words(
        ctx,
        question(ctx, "Reject", "Why not? The reason stays in the trail.", "rejects it for good"),
        lambda engine, caller, view, answer: engine.governance.reject(
            caller, view.row.id, reason=answer.words, expected_digest=view.row.digest
        ),
        "Rejected",
        undo="A rejected action stays rejected; it can be proposed again (t).",
    )


def _defer(ctx: Context) -> None:
    ask_words(
        ctx,
        question(ctx, "Defer", "Why not now?", "defers it", with_until=True),
        lambda engine, caller, view, answer: engine.governance.defer(
            caller,
            view.row.id,
            reason=answer.words,
            until=answer.until,
            expected_digest=view.row.digest,
        ),
        "Deferred",
        undo="“Open again” in the palette lets a deferred action wait anew.",
    )


COMMANDS: tuple[Command, ...] = (
    Command(
        "action.approve",
        "Approve the action",
        GROUP,
        "Shows exactly what would run; marked ones of one tool together.",
        keys=("a",),
        scope=SCOPE,
        takes=Takes.MANY,
        writes=True,
        why_not=_cannot_approve,
        arm=_arm_approve,
        label="approve",
        undo="Cannot be undone.",
        cli="cairnloop approve action ID",
    ),
    Command(
        "action.reject",
        "Reject the action",
        GROUP,
        "Says no for good; asks for the reason.",
        keys=("x",),
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=cannot_decide,
        run=_reject,
        label="reject",
        undo="Cannot be undone.",
        cli="cairnloop reject action ID --reason WHY",
    ),
    Command(
        "action.defer",
        "Defer the action",
        GROUP,
        "Not now; it may come back by itself.",
        keys=("Z",),
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=cannot_decide,
        run=_defer,
        label="defer",
        undo="Open it again by the palette.",
        cli="cairnloop defer action ID --reason WHY --until T",
    ),
)
