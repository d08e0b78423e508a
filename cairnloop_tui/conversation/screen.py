"""The conversation screen: thread, decision, actions, customer, composer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events, on
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget

from cairnloop_engine.conversations.model import Activity
from cairnloop_engine.conversations.reads import ContextView, InboxRow, MessageView, Thread
from cairnloop_engine.core.changes import Change
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting.reads import DraftView
from cairnloop_engine.retrieval.model import Hit
from cairnloop_tui.actions.base import CardsScreen
from cairnloop_tui.actions.screen import ActionScreen
from cairnloop_tui.commands.registry import CARDS, CONVERSATION
from cairnloop_tui.conversation import cards, decide, lines
from cairnloop_tui.conversation.attendance import BEAT_S, Attendance
from cairnloop_tui.conversation.composer import Composer
from cairnloop_tui.conversation.rail import Rail
from cairnloop_tui.conversation.reading import Work, read_work
from cairnloop_tui.conversation.window import Window
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.live import concerns
from cairnloop_tui.reader.screen import Reader
from cairnloop_tui.text import Block, many_lines, text_paras
from cairnloop_tui.trouble import Trouble
from cairnloop_tui.unsent import Kind, Unsent
from cairnloop_tui.widgets.line_box import LineBox

THREAD_KINDS = frozenset({"conversation", "presence"})
DRAFT_KINDS = frozenset({"draft"})
ACTION_KINDS = frozenset({"action"})
KEEP_AFTER_S = 0.5


class ConversationScreen(CardsScreen):
    """What to tell this customer, is any draft safe, is it done?"""

    scope = CONVERSATION

    CSS_PATH = "conversation.tcss"

    def __init__(self, conversation_id: ConversationId) -> None:
        super().__init__()
        self.conversation_id = conversation_id
        self.work: Work | None = None
        self.context: ContextView | None = None
        self.sending = self.missing = False
        self._window = Window()
        self._attendance: Attendance | None = None
        self._tick: Timer | None = None
        self._keep_run = 0
        self._last_typed = Unsent("")
        self._writing_since: int | None = None

    def body(self) -> Iterable[Widget]:
        yield LineBox(lambda width: lines.head(self, width), id="head")
        yield LineBox(lambda width: lines.pane_tabs(self, width), id="pane-tabs")
        yield Horizontal(
            Vertical(
                BlockView(glyphs=self.glyphs, follow=True, id="thread"),
                LineBox(lambda width: lines.decision(self, width), id="decision"),
                Composer(self.glyphs),
                id="left",
            ),
            Rail(self.look, self.glyphs),
            id="panes",
        )

    def on_mount(self) -> None:
        self._tick = self.set_interval(1.0, self._draw, pause=True)
        self.set_interval(BEAT_S, lambda: self._tell_presence(beat=True))
        self.thread.focus()
        self._take_up()

    def on_unmount(self) -> None:
        self._leave()

    # Parts

    @property
    def thread(self) -> BlockView:
        return self.query_one("#thread", BlockView)

    @property
    def rail(self) -> Rail:
        return self.query_one(Rail)

    @property
    def composer(self) -> Composer:
        return self.query_one(Composer)

    @property
    def row(self) -> InboxRow | None:
        return self.work.row if self.work else None

    @property
    def draft(self) -> DraftView | None:
        return self.work.draft if self.work else None

    # Frame

    def crumbs(self) -> Sequence[str]:
        return ("Inbox", f"#{self.conversation_id}")

    def moves(self) -> Movable | None:
        return self.rail.focused or self.thread

    def panes(self) -> Sequence[Widget]:
        composer = (self.composer.area,) if self.composer.display else ()
        rail = self.rail
        return (rail.decide, self.thread, *composer, rail.actions, rail.customer)

    def next_pane(self, step: int) -> None:
        """In a narrow window the panes stand behind each other, so hidden ones count too."""
        if not self.has_class("-narrow"):
            super().next_pane(step)
            return
        panes = self.panes()
        here = [number for number, pane in enumerate(panes) if pane.has_focus]
        self.focus_pane(panes[(here[0] + step) % len(panes) if here else 0])

    def focus_pane(self, pane: Widget) -> None:
        for name in lines.PANES:
            self.set_class(pane.id == name, f"-at-{name}")
        self.query_one("#pane-tabs", LineBox).redraw()
        # A pane that was hidden can take the focus only once it is laid out again.
        self.call_after_refresh(pane.focus, scroll_visible=False)

    def step_back(self) -> bool:
        """From the composer or a side pane back to the thread; then leave."""
        if self.thread.has_focus:
            return False
        self.focus_pane(self.thread)
        return True

    def open_focused(self) -> None:
        """The whole of the message, or of the action, under the cursor."""
        if self.rail.actions.has_focus:
            self._open_card()
            return
        message = self.message_under_cursor()
        if message is None or not self.thread.has_focus:
            return
        words = text_paras(many_lines(message.content, 1_000_000))
        self.app.push_screen(
            Reader((f"#{self.conversation_id}", f"Message {message.id}"), (Block(words),))
        )

    def _open_card(self) -> None:
        cards_pane, view = self.rail.actions, self.action()
        if cards_pane.is_at_more:
            self.rail.load_more()
        elif not cards_pane.toggle() and view is not None:
            self.app.push_screen(ActionScreen(view.row.id))

    def message_under_cursor(self) -> MessageView | None:
        key = self.thread.cursor_key
        return next((m for m in self.messages() if m.id == key), None)

    # Reading

    def _take_up(self) -> None:
        """Begin with the conversation that ``conversation_id`` names now."""
        unsent = self.console.unsent.of(self.conversation_id)
        self._last_typed = unsent or Unsent("")
        self.composer.fill(unsent)
        self._attendance = Attendance(self.console, self.conversation_id)
        if unsent is not None:
            self.console.say("Your unsent text from before is in the composer.")
        self._tell_presence()
        self.begin_reading()
        self.rail.take_up(self.conversation_id)
        self.reload()
        self.console.ask(
            self,
            lambda engine, caller: engine.conversations.customer_context(
                caller, self.conversation_id
            ),
            self._show_context,
            doing="reading the customer's context",
            group="context",
        )

    def go_to(self, conversation_id: ConversationId) -> None:
        """Show another conversation in this screen; what was typed here stays kept."""
        self._leave()
        self.conversation_id = conversation_id
        self.work, self.context, self.missing = None, None, False
        self._window, self._writing_since = Window(), None
        self.thread.cursor_key = None
        self.disarm()
        self.thread.show(())
        self._take_up()
        self.refresh_chrome()

    def reload(self) -> None:
        conversation_id = self.conversation_id
        self.console.ask(
            self,
            lambda engine, caller: read_work(engine, caller, conversation_id),
            self._show,
            doing="reading the conversation",
            group="thread",
            failed=self._could_not_read,
        )

    def load_older(self) -> None:
        cursor = self._window.cursor
        if cursor is None:
            return
        self.console.ask(
            self,
            lambda engine, caller: engine.conversations.thread(
                caller, self.conversation_id, before=cursor
            ),
            self._show_older,
            doing="reading earlier messages",
            group="older",
        )

    def data_changed(self, changes: frozenset[Change]) -> None:
        draft_id = int(self.draft.id) if self.draft else 0
        if concerns(changes, THREAD_KINDS, self.conversation_id) or concerns(
            changes, DRAFT_KINDS, draft_id
        ):
            self.reload()
        if concerns(changes, ACTION_KINDS):
            self.rail.read_actions()

    def minute_passed(self) -> None:
        self.rail.actions.draw_cards()
        self._draw()

    def messages(self) -> tuple[MessageView, ...]:
        """What is loaded, oldest first."""
        return self._window.messages

    def _show(self, work: Work) -> None:
        if work.row.id != self.conversation_id:
            return
        first_look = self.work is None
        self._window = self._window.refreshed(work.thread)
        self.work = work
        self.composer.recipient = cards.customer_of(work.row)
        self._draw()
        self.check_armed()
        beside = not self.has_class("-narrow") and not self.typing()
        if first_look and work.draft is not None and beside:
            self.focus_pane(self.rail.decide)
        self.have_read()

    def _show_older(self, thread: Thread) -> None:
        self._window = self._window.extended(thread)
        self._draw()

    def _show_context(self, context: ContextView) -> None:
        self.context = context
        self._draw()

    def _could_not_read(self, trouble: Trouble, error: Exception) -> None:
        self.missing = self.work is None and not trouble.database_away
        self._draw()
        self.have_read()

    @on(Rail.ActionsRead)
    def _actions_read(self, event: Rail.ActionsRead) -> None:
        self.set_class(bool(self.rail.actions.views), "-has-actions")
        self.check_armed()
        self.refresh_chrome()

    @on(BlockView.AtTop, "#thread")
    def _at_top(self, event: BlockView.AtTop) -> None:
        self.load_older()

    # Drawing

    def _draw(self) -> None:
        now = self.console.clock.now()
        if self.work is not None:
            row = self.work.row
            self.thread.show(
                cards.thread_blocks(
                    self.messages(),
                    has_older=self._window.cursor is not None,
                    now=now,
                    glyphs=self.glyphs,
                )
            )
            self.rail.decide.show(
                decide.decision_blocks(row, self.work.draft, now=now, glyphs=self.glyphs)
            )
            self.rail.customer.show(cards.context_blocks(self.context, row, self.glyphs))
        for name in ("#head", "#pane-tabs", "#decision"):
            self.query_one(name, LineBox).redraw()
        self._count_down()
        self.refresh_chrome()

    def _count_down(self) -> None:
        """The clock runs only while a reply is on its way."""
        if self._tick is None:
            return
        held = cards.held_of(self.work.thread if self.work else None)
        if held is not None and cards.seconds_left(held, self.console.clock.now()) > 0:
            self._tick.resume()
        else:
            self._tick.pause()

    # Writing

    def write(self, kind: Kind) -> None:
        """Put the cursor into the composer."""
        self.remove_class(*(f"-at-{name}" for name in lines.PANES))
        if self.composer.unsent.is_empty or self._writing_since is None:
            self._writing_since = self.row.revision if self.row else None
        self.composer.begin(kind)
        self.refresh_chrome()

    def arrived_while_writing(self) -> bool:
        """Whether the thread moved on since the operator began to write."""
        since = self._writing_since
        return self.row is not None and since is not None and self.row.revision != since

    def cite(self, hit: Hit) -> None:
        """Put a search result into the reply, as a marker and what it stands for."""
        if self.composer.kind is Kind.NOTE and not self.composer.unsent.is_empty:
            self.console.warn("The composer holds an internal note; citations go into replies.")
            return
        self.write(Kind.REPLY)
        citation = hit.citation
        number = self.composer.cite(
            citation.title, citation.source_type, citation.article_id, citation.chunk_id
        )
        self.console.say(f"Cited as [{number}].")

    def toggle_customer(self) -> None:
        """Show or hide what is known about the customer; in a narrow window, go there and back."""
        if not self.has_class("-narrow"):
            self.toggle_class("-no-context")
        elif self.has_class("-at-context"):
            self.focus_pane(self.thread)
        else:
            self.focus_pane(self.rail.customer)

    # Typed text and presence

    @on(Composer.Typed)
    def _typed(self, event: Composer.Typed) -> None:
        """Keep what is typed soon, but not at every key."""
        self._last_typed = self.composer.unsent
        self._keep_run += 1
        this_run = self._keep_run
        self.set_timer(KEEP_AFTER_S, lambda: self.keep() if this_run == self._keep_run else None)
        self._tell_presence()
        self.check_armed()

    def keep(self) -> None:
        """Remember the text in the composer; when the screen closes, the composer goes first."""
        for composer in self.query(Composer):
            self._last_typed = composer.unsent
        self.console.unsent.keep(self.conversation_id, self._last_typed)

    def _leave(self) -> None:
        self.keep()
        if self._attendance is not None:
            self._attendance.leave()

    def _tell_presence(self, *, beat: bool = False) -> None:
        at_it = self.composer.area.has_focus or self.armed is not None
        writing = at_it and not self.composer.unsent.is_empty
        if self._attendance is not None:
            activity = Activity.REPLYING if writing else Activity.VIEWING
            self._attendance.tell(activity, beat=beat)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The keys are those of the part that has the focus."""
        if self.is_mounted:
            self.scope = CARDS if self.rail.actions.has_focus else CONVERSATION
            self._tell_presence()
