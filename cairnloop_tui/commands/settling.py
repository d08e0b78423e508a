"""What remains to be done about an action: ask back, answer, open again, settle what is unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cairnloop_engine.governance import presenter
from cairnloop_engine.governance.model import REOPENABLE, ApprovalStatus
from cairnloop_tui.actions import cards
from cairnloop_tui.actions.base import holder
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.deciding import (
    GROUP,
    SCOPE,
    ask_words,
    cannot_decide,
    current,
    facts_of,
    moved,
    no_action,
    question,
)
from cairnloop_tui.commands.registry import Command, Takes
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.text import one_line
from cairnloop_tui.theme.tokens import Tone

if TYPE_CHECKING:
    from cairnloop_engine.governance.approvals import DecidedAction


def _not(ctx: Context, status: ApprovalStatus, instead: str) -> str | None:
    reason = no_action(ctx)
    if reason is not None:
        return reason
    row = current(ctx).row
    if row.approval_status is status:
        return None
    return f"Action {row.id}: {presenter.row_chip(row).words}. {instead}"


# Ask back and answer


def _ask_back(ctx: Context) -> None:
    ask_words(
        ctx,
        question(
            ctx, "Ask back about", "What has to be known first?", "returns it with this question"
        ),
        lambda engine, caller, view, answer: engine.governance.ask_back(
            caller, view.row.id, question=answer.words, expected_digest=view.row.digest
        ),
        "Returned with a question",
        undo="“Answer the question” or “Open again” lets it wait anew.",
    )


def _cannot_answer(ctx: Context) -> str | None:
    return _not(ctx, ApprovalStatus.RETURNED, "Only a question can be answered.")


def _answer(ctx: Context) -> None:
    asked = one_line(current(ctx).row.reason, 200) or "There is a question."
    ask_words(
        ctx,
        question(ctx, "Answer about", asked, "answers; it waits for a decision again"),
        lambda engine, caller, view, answer: engine.governance.answer(
            caller, view.row.id, answer=answer.words
        ),
        "Answered",
        undo="An answer stays in the trail.",
    )


# Settle


def _cannot_settle(ctx: Context) -> str | None:
    return _not(ctx, ApprovalStatus.EXECUTION_UNKNOWN, "Only an unknown outcome can be settled.")


def _settle(outcome: str, verb: str, said: str) -> Callable[[Context], None]:
    def run(ctx: Context) -> None:
        ask_words(
            ctx,
            question(
                ctx,
                f"Settle ({verb})",
                "How do you know? Name what you saw at the target.",
                f"records that {verb}; nothing is run",
                tone=Tone.DANGER,
                warnings=("This closes the question for good. Look at the target first.",),
            ),
            lambda engine, caller, view, answer: engine.governance.settle(
                caller, view.row.id, outcome=outcome, note=answer.words
            ),
            said,
            undo="What was settled stays settled; another action can put it right.",
        )

    return run


# Open again


def _cannot_reopen(ctx: Context) -> str | None:
    reason = no_action(ctx)
    if reason is not None:
        return reason
    row = current(ctx).row
    if row.approval_status in REOPENABLE:
        return None
    return f"Action {row.id}: {presenter.row_chip(row).words}. It cannot be opened again."


def _arm_reopen(ctx: Context) -> Armed:
    shown, view = holder(ctx), current(ctx)
    row = view.row
    return Armed(
        title=f"Ask for a decision about action {row.id} again?",
        facts=facts_of(view),
        go="judges it anew and lets it wait for a decision",
        act=lambda: _reopen(ctx),
        still=lambda: moved(shown, row),
    )


def _reopen(ctx: Context) -> None:
    row = current(ctx).row

    def reopened(decided: DecidedAction) -> None:
        ctx.app.undo_log.add(
            Done("Opened again.", why_not="It waits for a decision now; x rejects it.")
        )
        ctx.app.say(f"Waits for a decision again: {cards.named(row)}.", Tone.SUCCESS)
        holder(ctx).reload()

    ctx.app.act(
        ctx.screen,
        lambda engine, caller: engine.governance.reopen(caller, row.id),
        reopened,
        doing="opening it again",
    )


COMMANDS: tuple[Command, ...] = (
    Command(
        "action.ask_back",
        "Ask back",
        GROUP,
        "Returns it with a question; it waits again once answered.",
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=cannot_decide,
        run=_ask_back,
        cli="cairnloop ask-back ID QUESTION",
    ),
    Command(
        "action.answer",
        "Answer the question",
        GROUP,
        "The action then waits for a decision again.",
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_answer,
        run=_answer,
        cli="cairnloop answer ID ANSWER",
    ),
    Command(
        "action.settle_confirmed",
        "Settle: it happened",
        GROUP,
        "For an unknown outcome, after a look at the target.",
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_settle,
        run=_settle("confirmed", "it happened", "Settled as done"),
        cli="cairnloop settle ID confirmed --note HOW",
    ),
    Command(
        "action.settle_failed",
        "Settle: it did not happen",
        GROUP,
        "For an unknown outcome, after a look at the target.",
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_settle,
        run=_settle("failed", "it did not happen", "Settled as not done"),
        cli="cairnloop settle ID failed --note HOW",
    ),
    Command(
        "action.reopen",
        "Open the action again",
        GROUP,
        "A deferred, returned, expired or invalidated one.",
        scope=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_reopen,
        arm=_arm_reopen,
        cli="cairnloop reopen-action ID",
    ),
)
