"""What every screen with action cards has: the action under the cursor, and how cards look."""

from __future__ import annotations

from typing import cast

from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.governance.views import ActionRow, ActionView
from cairnloop_tui.actions.cards import Look
from cairnloop_tui.actions.openness import Openness
from cairnloop_tui.actions.pane import ActionCards
from cairnloop_tui.commands.context import Context
from cairnloop_tui.frame import ConsoleScreen


class CardsScreen(ConsoleScreen[None]):
    """A screen with an action that can be decided about; it has exactly one pane of cards."""

    def action_cards(self) -> ActionCards:
        return self.query_one(ActionCards)

    def action(self) -> ActionView | None:
        """The action that a verb is about, as it was read last."""
        return self.action_cards().current() if self.is_mounted else None

    def action_of(self, action_id: int) -> ActionRow | None:
        """An action that is shown, as it was read last; None when it is shown no more."""
        view = self.action_cards().of_id(action_id)
        return None if view is None else view.row

    def marked_actions(self) -> tuple[ActionRow, ...]:
        """What is marked; nothing where nothing can be."""
        return ()

    def thread_of_action(self) -> ConversationId | None:
        """The conversation that the action belongs to."""
        view = self.action()
        return None if view is None else view.row.conversation_id

    def look(self, opened: Openness) -> Look:
        session = self.console.session
        return Look(
            self.console.clock.now(),
            self.glyphs,
            opened,
            may_act=session.read_only_reason is None,
        )


def holder(ctx: Context) -> CardsScreen:
    """The screen, known to hold actions because the command's scope says so."""
    return cast("CardsScreen", ctx.screen)
