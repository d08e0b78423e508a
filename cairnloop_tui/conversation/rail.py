"""The rail of a conversation: what is to be decided, its actions, its customer."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.paging import Page
from cairnloop_engine.governance.views import ActionView
from cairnloop_tui.actions.cards import Look
from cairnloop_tui.actions.openness import Openness
from cairnloop_tui.actions.pane import ActionCards
from cairnloop_tui.asking import Ask
from cairnloop_tui.frame import AnyScreen
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.trouble import Trouble

CARDS_EACH = 10


class Rail(Vertical):
    """Three panes; it reads the actions itself, page by page, apart from the thread."""

    class ActionsRead(Message):
        """The actions were read again, or could not be."""

    def __init__(self, look: Callable[[Openness], Look], glyphs: Glyphs) -> None:
        super().__init__(id="rail")
        self._glyphs = glyphs
        self.decide = BlockView(glyphs=glyphs, id="decide")
        self.actions = ActionCards(look, glyphs=glyphs, id="actions")
        self.customer = BlockView(glyphs=glyphs, id="context")
        self._conversation_id: ConversationId | None = None
        self._limit = CARDS_EACH

    def compose(self) -> ComposeResult:
        yield self.decide
        yield self.actions
        yield self.customer

    @property
    def focused(self) -> BlockView | None:
        panes = (self.decide, self.actions, self.customer)
        return next((pane for pane in panes if pane.has_focus), None)

    def take_up(self, conversation_id: ConversationId) -> None:
        """Another conversation; what was open in its cards stays open."""
        self._conversation_id, self._limit = conversation_id, CARDS_EACH
        self.actions.forget()
        self.read_actions()

    def read_actions(self) -> None:
        conversation_id, limit = self._conversation_id, self._limit
        if conversation_id is None:
            return
        read: Ask[Page[ActionView]] = lambda engine, caller: engine.governance.cards(  # noqa: E731
            caller, conversation_id, limit=limit
        )
        cast("AnyScreen", self.screen).console.ask(
            self,
            read,
            lambda page: self._show(conversation_id, page),
            doing="reading the actions",
            group="actions",
            failed=self._could_not_read,
        )

    def load_more(self) -> None:
        self._limit += CARDS_EACH
        self.read_actions()

    def _show(self, conversation_id: ConversationId, page: Page[ActionView]) -> None:
        if conversation_id != self._conversation_id:
            return
        self.actions.show_cards(page.items, has_more=page.next is not None)
        self.post_message(self.ActionsRead())

    def _could_not_read(self, trouble: Trouble, error: Exception) -> None:
        self.post_message(self.ActionsRead())
