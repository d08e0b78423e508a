"""Looking at action cards: sections, the conversation behind one, dialogs that are answered."""

from __future__ import annotations

from collections.abc import Callable

from cairnloop_tui.actions.base import holder
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import ACTION, ACTIONS, CARDS, FORM, REASON, Command
from cairnloop_tui.dialogs.reason import Reason
from cairnloop_tui.forms.screen import ToolForm

GROUP = "Card"
SCOPE = frozenset({CARDS, ACTIONS, ACTION})
ANSWERED = frozenset({REASON, FORM})


def _no_cards(ctx: Context) -> str | None:
    return None if holder(ctx).action_cards().views else "There is no card here."


def _toggle(ctx: Context) -> None:
    if not holder(ctx).action_cards().toggle():
        ctx.app.say("Go down to a section (j); v opens and closes it. z e opens all.")


def _all(*, is_open: bool) -> Callable[[Context], None]:
    return lambda ctx: holder(ctx).action_cards().set_all(is_open=is_open)


def _no_thread(ctx: Context) -> str | None:
    if holder(ctx).thread_of_action() is None:
        return "This action belongs to no conversation."
    return None


def _open_thread(ctx: Context) -> None:
    conversation_id = holder(ctx).thread_of_action()
    assert conversation_id is not None
    ctx.app.open_conversation(conversation_id)


def _copy(ctx: Context) -> None:
    view = holder(ctx).action()
    assert view is not None
    ctx.app.copy_to_clipboard(str(view.row.id))
    ctx.app.say(f"Copied {view.row.id}.")


def _nothing_to_copy(ctx: Context) -> str | None:
    return None if holder(ctx).action() else "No action is selected."


def _dialog(ctx: Context) -> Reason | ToolForm:
    assert isinstance(ctx.screen, Reason | ToolForm)
    return ctx.screen


def _arm_answer(ctx: Context) -> Armed:
    return _dialog(ctx).armed_answer()


COMMANDS: tuple[Command, ...] = (
    Command(
        "card.section",
        "Open or close the section",
        GROUP,
        "Inputs, history, policy, trace.",
        keys=("v",),
        scope=SCOPE,
        why_not=_no_cards,
        run=_toggle,
    ),
    Command(
        "card.expand",
        "Open all sections",
        GROUP,
        "All but what identifies an action.",
        keys=("z e",),
        scope=SCOPE,
        why_not=_no_cards,
        run=_all(is_open=True),
    ),
    Command(
        "card.collapse",
        "Close all sections",
        GROUP,
        "What decides stays visible.",
        keys=("z c",),
        scope=SCOPE,
        why_not=_no_cards,
        run=_all(is_open=False),
    ),
    Command(
        "action.thread",
        "Open its conversation",
        GROUP,
        "What the action is about.",
        keys=("o",),
        scope=frozenset({ACTIONS, ACTION}),
        why_not=_no_thread,
        run=_open_thread,
    ),
    Command(
        "action.copy",
        "Copy the id of the action",
        GROUP,
        "To the clipboard of your terminal (OSC 52).",
        keys=("y",),
        scope=SCOPE,
        why_not=_nothing_to_copy,
        run=_copy,
    ),
    Command(
        "dialog.submit",
        "Show what is recorded",
        GROUP,
        "Enter then confirms it.",
        keys=("ctrl+s", "f9"),
        scope=ANSWERED,
        in_text=ANSWERED,
        why_not=lambda ctx: _dialog(ctx).not_ready(),
        arm=_arm_answer,
        label="continue",
        in_palette=False,
    ),
)
