"""The cards of governed actions as a widget: in a conversation's rail, or one action in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cairnloop_engine.governance.views import ActionView
from cairnloop_tui.actions import cards
from cairnloop_tui.actions.cards import Look
from cairnloop_tui.actions.openness import MORE_KEY, Openness, Part, block_key, of_block
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.text import Block, Para, muted, strong
from cairnloop_tui.theme.glyphs import Glyphs

NONE_YET = "No governed actions yet. t proposes one."


class ActionCards(BlockView):
    """Cards that open and close; what is open is the operator's and outlives every refresh."""

    def __init__(
        self,
        look: Callable[[Openness], Look],
        *,
        glyphs: Glyphs,
        empty: str = NONE_YET,
        id: str | None = None,  # noqa: A002 - the word of Textual
    ) -> None:
        super().__init__(glyphs=glyphs, id=id)
        self._look = look
        self._empty = empty
        self.opened = Openness()
        self.views: tuple[ActionView, ...] = ()
        self._has_more = False
        self._is_read = False

    def show_cards(self, views: Sequence[ActionView], *, has_more: bool = False) -> None:
        self.views, self._has_more, self._is_read = tuple(views), has_more, True
        self.draw_cards()

    def forget(self) -> None:
        """Another conversation is about to be shown."""
        self.views, self._has_more, self._is_read = (), False, False
        self.cursor_key = None
        self.draw_cards()

    def draw_cards(self) -> None:
        """Draw again, because time or openness moved on."""
        look = self._look(self.opened)
        blocks = cards.page_blocks(self.views, look, has_more=self._has_more)
        if not blocks and self._is_read:
            title = Para((strong(" Actions"),))
            blocks = (Block((title, Para((muted(f" {self._empty}"),), hang=1))),)
        self.show(blocks)

    def place(self) -> str:
        """Which action of how many, not which line."""
        ids = [int(view.row.id) for view in self.views]
        here = self.current()
        if here is None:
            return ""
        return f"action {ids.index(int(here.row.id)) + 1} of {len(ids)}"

    # Where the cursor stands

    def current(self) -> ActionView | None:
        """The action under the cursor."""
        if self.cursor_key is None or self.cursor_key == MORE_KEY:
            return None
        return self.of_id(of_block(self.cursor_key)[0])

    def current_part(self) -> Part | None:
        if self.current() is None or self.cursor_key is None:
            return None
        return of_block(self.cursor_key)[1]

    @property
    def is_at_more(self) -> bool:
        return self.cursor_key == MORE_KEY

    def of_id(self, action_id: int) -> ActionView | None:
        return next((view for view in self.views if view.row.id == action_id), None)

    def step(self, by: int) -> bool:
        """Go on by whole actions; False at either end."""
        ids = [int(view.row.id) for view in self.views]
        here = self.current()
        at = -1 if here is None else ids.index(int(here.row.id))
        if not ids or not 0 <= at + by < len(ids):
            return False
        return self.go_to(ids[at + by])

    def go_to(self, action_id: int) -> bool:
        """Put the cursor on the head of an action's card."""
        key = block_key(action_id)
        keys = self.keys()
        if key not in keys:
            return False
        self.move_to(keys.index(key))
        return True

    # Opening and closing

    def toggle(self) -> bool:
        """Open or close the part under the cursor; False on the head of a card."""
        view, part = self.current(), self.current_part()
        if view is None or part is None or part is Part.HEAD:
            return False
        self.opened.toggle(view, part)
        self.draw_cards()
        return True

    def set_all(self, *, is_open: bool) -> None:
        self.opened.set_all((int(view.row.id) for view in self.views), is_open=is_open)
        self.draw_cards()
