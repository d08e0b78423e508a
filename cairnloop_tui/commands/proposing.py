"""Asking for an action from a conversation, and putting one's own version in place of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.governance.views import ActionView, ToolView
from cairnloop_tui.actions import cards
from cairnloop_tui.actions.base import holder
from cairnloop_tui.commands import deciding
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.lifecycle import named
from cairnloop_tui.commands.registry import ACTION, ACTIONS, CARDS, CONVERSATION, Command, Takes
from cairnloop_tui.commands.sending import NOT_READ, screen_of
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.forms.screen import Errand, ToolForm
from cairnloop_tui.forms.tools import ToolList
from cairnloop_tui.text import one_line
from cairnloop_tui.theme.tokens import Tone

if TYPE_CHECKING:
    from cairnloop_engine.governance.proposals import Proposed

GROUP = "Action"
# An input of this name is where the action comes from: the screen knows it, nobody types it.
THREAD_FIELD = "conversation_id"


def _cannot_propose(ctx: Context) -> str | None:
    return NOT_READ if screen_of(ctx).row is None else None


def _tools(ctx: Context) -> None:
    """List the tools; the chosen one opens its form."""
    screen = screen_of(ctx)
    conversation_id, row = screen.conversation_id, screen.row
    assert row is not None

    def listed(tools: Sequence[ToolView]) -> None:
        if ctx.app.screen is screen:
            ctx.app.push_screen(
                ToolList(tools, about=f"#{conversation_id}"),
                lambda tool: None if tool is None else _form(ctx, tool, conversation_id),
            )

    ctx.app.ask(
        screen,
        lambda engine, caller: engine.governance.tools(caller),
        listed,
        doing="listing the tools",
        group="tools",
    )


def _form(ctx: Context, tool: ToolView, conversation_id: ConversationId) -> None:
    row = screen_of(ctx).row
    about = named(row) if row is not None and row.id == conversation_id else f"#{conversation_id}"

    async def send(engine: Engine, caller: Caller, given: JsonObject) -> Proposed:
        return await engine.governance.propose(
            caller, tool.name, given, conversation_id=conversation_id
        )

    errand = Errand(
        title=f"Propose “{one_line(tool.title, 60)}”",
        go="proposes it; nothing runs before somebody approves",
        tool=tool,
        send=send,
        fixed=_fixed(tool, conversation_id),
        facts=(("Tool", one_line(tool.title, 80)), ("About", about)),
        kept_as=f"propose {conversation_id} {tool.name}",
    )
    ctx.app.push_screen(ToolForm(errand), lambda made: _proposed(ctx, tool, made))


def _fixed(tool: ToolView, conversation_id: ConversationId | None) -> Mapping[str, JsonValue]:
    properties = tool.schema.get("properties")
    wants = isinstance(properties, dict) and THREAD_FIELD in properties
    return {THREAD_FIELD: conversation_id} if wants and conversation_id is not None else {}


def _proposed(ctx: Context, tool: ToolView, made: Proposed | None) -> None:
    if made is None:
        return
    title = one_line(tool.title, 60)
    if made.duplicate:
        ctx.app.warn(f"Action {made.proposal_id} already asks for exactly this; nothing was added.")
    elif made.approval_status == "pending":
        ctx.app.say(f"Proposed — pending review (#{made.proposal_id}): {title}.", Tone.SUCCESS)
    else:
        ctx.app.say(f"Proposed (#{made.proposal_id}): {title}; it runs by itself.", Tone.SUCCESS)
    ctx.app.undo_log.add(
        Done("Proposed.", why_not="A proposal stays in the trail; x rejects it with a reason.")
    )
    ctx.screen.reload()


# Amending


def _amend(ctx: Context) -> None:
    """Open the form of the action's tool with what it asks for, without its secrets."""
    view, screen = deciding.current(ctx), ctx.screen

    def listed(tools: Sequence[ToolView]) -> None:
        tool = next((one for one in tools if one.name == view.row.tool), None)
        if tool is None:
            ctx.app.warn("The tool of this action is not available any more.")
        elif ctx.app.screen is screen:
            _amending(ctx, view, tool)

    ctx.app.ask(
        screen,
        lambda engine, caller: engine.governance.tools(caller),
        listed,
        doing="reading the tool",
        group="tools",
    )


def _amending(ctx: Context, view: ActionView, tool: ToolView) -> None:
    row = view.row

    async def send(engine: Engine, caller: Caller, given: JsonObject) -> Proposed:
        return await engine.governance.amend(caller, row.id, given, expected_digest=row.digest)

    def amended(made: Proposed | None) -> None:
        if made is None:
            return
        ctx.app.say(
            f"Action {made.proposal_id} takes the place of {row.id}; you are its proposer.",
            Tone.SUCCESS,
        )
        ctx.app.undo_log.add(
            Done("Amended.", why_not="The version before stays superseded; e changes it again.")
        )
        holder(ctx).reload()

    before = view.raw_input if isinstance(view.raw_input, dict) else {}
    errand = Errand(
        title=f"Your version of action {row.id}",
        go=f"supersedes action {row.id}; yours waits for a decision",
        tool=tool,
        send=send,
        fixed=_fixed(tool, row.conversation_id),
        facts=(("Replaces", cards.named(row)),),
        kept_as=f"amend {row.id} {row.digest}",
        prefilled=before,
    )
    ctx.app.push_screen(ToolForm(errand), amended)


COMMANDS: tuple[Command, ...] = (
    Command(
        "action.propose",
        "Propose an action",
        GROUP,
        "Lists the tools, then asks for what the chosen one needs.",
        keys=("t",),
        scope=frozenset({CONVERSATION, CARDS}),
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_propose,
        run=_tools,
        cli="cairnloop propose TOOL",
    ),
    Command(
        "action.amend",
        "Edit the action",
        GROUP,
        "Your own version takes its place, with its own approval.",
        keys=("e",),
        scope=frozenset({CARDS, ACTIONS, ACTION}),
        takes=Takes.ONE,
        writes=True,
        why_not=deciding.cannot_decide,
        run=_amend,
        label="edit",
        cli="cairnloop amend ID",
    ),
)
