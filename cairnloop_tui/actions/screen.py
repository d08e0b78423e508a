"""One governed action in full, over the whole window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from textual.widget import Widget

from cairnloop_engine.core.changes import Change
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.governance.views import ActionView
from cairnloop_tui.actions.base import CardsScreen
from cairnloop_tui.actions.pane import ActionCards
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import ACTION
from cairnloop_tui.dialogs.choose import Choose
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.live import concerns
from cairnloop_tui.text import Line, muted
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.widgets.line_box import LineBox

KINDS = frozenset({"action"})
# The group of the commands that do something about an action.
STEPS = "Action"

# From an action and a step to the action beside it in the list that this was opened from.
Beside = Callable[[int, int], "int | None"]


class ActionScreen(CardsScreen):
    """Exactly what would run or ran, and everything that was decided about it."""

    scope = ACTION

    DEFAULT_CSS = """
    ActionScreen #card { height: 1fr; padding: 0 1; }
    ActionScreen #note { height: auto; }
    """

    def __init__(self, action_id: ProposalId, *, beside: Beside | None = None) -> None:
        super().__init__()
        self.action_id = action_id
        self._beside = beside
        self._missing = False

    def body(self) -> Iterable[Widget]:
        yield LineBox(self._note, id="note")
        yield ActionCards(self.look, glyphs=self.glyphs, id="card")

    def on_mount(self) -> None:
        self.card.focus()
        self.begin_reading()
        self.reload()

    @property
    def card(self) -> ActionCards:
        return self.query_one("#card", ActionCards)

    # Frame

    def crumbs(self) -> Sequence[str]:
        return ("Actions", f"#{self.action_id}")

    def moves(self) -> Movable | None:
        return self.card

    def panes(self) -> Sequence[Widget]:
        return (self.card,)

    def open_focused(self) -> None:
        if not self.card.toggle():
            self._list_steps()

    def _list_steps(self) -> None:
        """On the head of the card: what can be done about the action now."""
        ctx = Context(self.console, self)
        steps = [
            (command.id, command.title)
            for command in self.console.commands.in_scope(self.scope)
            if command.group == STEPS and self.console.reason_against(command, ctx) is None
        ]
        if not steps:
            self.console.say("Nothing is left to do about this action.")
            return

        def chosen(command_id: str | None) -> None:
            if command_id is not None:
                self.console.call(command_id)

        self.app.push_screen(Choose(f"Action {self.action_id}", steps), chosen)

    # Holding an action

    def action(self) -> ActionView | None:
        return self.card.of_id(self.action_id) if self.is_mounted else None

    def neighbour(self, step: int) -> int | None:
        """The action beside this one in the list that it was opened from."""
        return None if self._beside is None else self._beside(int(self.action_id), step)

    @property
    def has_list(self) -> bool:
        return self._beside is not None

    def go_to(self, action_id: ProposalId) -> None:
        """Show another action in this screen."""
        self.disarm()
        self.action_id = action_id
        self._missing = False
        self.card.forget()
        self.begin_reading()
        self.reload()
        self.refresh_chrome()

    # Reading

    def reload(self) -> None:
        action_id = self.action_id
        self.console.ask(
            self,
            lambda engine, caller: engine.governance.action(caller, action_id),
            self._show,
            doing="reading the action",
            group="action",
            failed=self._could_not_read,
        )

    def data_changed(self, changes: frozenset[Change]) -> None:
        if concerns(changes, KINDS, int(self.action_id)):
            self.reload()

    def minute_passed(self) -> None:
        self.card.draw_cards()

    def _show(self, view: ActionView) -> None:
        if view.row.id != self.action_id:
            return
        self._missing = False
        self.card.show_cards((view,))
        self.query_one("#note", LineBox).redraw()
        self.check_armed()
        self.have_read()
        self.refresh_chrome()

    def _could_not_read(self, trouble: Trouble, error: Exception) -> None:
        self._missing = self.action() is None and not trouble.database_away
        self.query_one("#note", LineBox).redraw()
        self.have_read()

    # Drawing

    def _note(self, width: int) -> list[Line]:
        if not self._missing:
            return []
        return [(muted(f"   Action {self.action_id} could not be read. Esc goes back."),)]
