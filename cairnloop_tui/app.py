"""The console application: what lives as long as the console runs, and the way in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from textual import events, on
from textual.app import App
from textual.filter import LineFilter
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.worker import Worker, WorkerCancelled, WorkerFailed, WorkerState

from cairnloop_engine.core.clock import Clock, SystemClock
from cairnloop_engine.core.ids import ArticleId, ConversationId, RevisionId
from cairnloop_tui.asking import (
    READ_WITHIN_S,
    Answered,
    Ask,
    Call,
    Failed,
    Reads,
    Troubled,
    is_gone,
    make_call,
)
from cairnloop_tui.commands.catalogue import all_commands
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import EVERYWHERE, Command, CommandTable
from cairnloop_tui.commands.undo import UndoLog
from cairnloop_tui.conversation.screen import ConversationScreen
from cairnloop_tui.crash import log_bug, show_crash
from cairnloop_tui.frame import AnyScreen, ConsoleScreen
from cairnloop_tui.home.screen import HomeScreen
from cairnloop_tui.hostile import NoControl
from cairnloop_tui.inbox.screen import InboxScreen
from cairnloop_tui.keeping import kept_file
from cairnloop_tui.keys.desk import KeyDesk
from cairnloop_tui.keys.guard import Guard
from cairnloop_tui.keys.keymap import Keymap
from cairnloop_tui.knowledge.article import ArticleScreen
from cairnloop_tui.knowledge.kept import UnsavedArticles
from cairnloop_tui.live import Freshness
from cairnloop_tui.lookout import Lookout
from cairnloop_tui.notices import Notice, Notices
from cairnloop_tui.preferences import Preferences
from cairnloop_tui.session import Session
from cairnloop_tui.theme import glyphs as glyph_sets
from cairnloop_tui.theme import themes
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import trouble_of
from cairnloop_tui.unsent import UnsentTexts

T = TypeVar("T")

NOTICE_LASTS_S = 8.0
# What the engine may still take to answer when the operator leaves.
PATIENCE_S = 3.0
TIMES_AGE_S = 30.0


class ConsoleApp(App[int], inherit_bindings=False):
    """Holds session, commands, notices and the live feed; screens and commands do the rest."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "Cairnloop"
    SCREENS = {"home": HomeScreen, "inbox": InboxScreen}
    PAUSE_GC_ON_SCROLL = True

    def __init__(
        self,
        session: Session,
        *,
        state_folder: Path | None = None,
        clock: Clock | None = None,
        monotonic: Callable[[], float] | None = None,
        ascii_only: bool = False,
        no_color: bool = False,
    ) -> None:
        super().__init__()
        self.session = session
        self.clock = clock or SystemClock()
        self.ascii_only = ascii_only
        self.glyphs = glyph_sets.ASCII if ascii_only else glyph_sets.UNICODE
        self.commands = CommandTable(all_commands())
        self.guard = Guard(monotonic or time.monotonic)
        # An event bears the time of its arrival; a test with a clock of its own wants that.
        self._keys_bear_time = monotonic is None
        self.desk = KeyDesk(self, Keymap(self.commands, EVERYWHERE), self.guard, super().on_event)
        self.notices = Notices()
        self.undo_log = UndoLog()
        # Words of dialogs that were left, by what they were about; offered again there.
        self.left_typed: dict[str, str] = {}
        self.bugs: list[Exception] = []
        self.lookout = Lookout(self)
        # Textual has read NO_COLOR already.
        self.no_color = no_color or self.no_color
        owners = (session.operator or "nobody", session.workspace)
        self.unsent = UnsentTexts(kept_file(state_folder, "unsent", *owners))
        self.unsaved_articles = UnsavedArticles(kept_file(state_folder, "articles", *owners))
        self.preferences = Preferences(kept_file(state_folder, "preferences", owners[0]))
        self._last_line = (NoControl(), *((glyph_sets.AsciiOnly(),) if ascii_only else ()))
        self._reads = Reads()
        self._take_theme()

    def _take_theme(self) -> None:
        """Before anything is drawn: every style refers to a colour of a theme."""
        for theme in themes.themes():
            self.register_theme(theme)
        self.theme = themes.first_theme(
            self.preferences.theme,
            no_color=self.no_color,
            few_colors=self.console.color_system == "standard",
        )

    # Start and stop

    def get_default_screen(self) -> Screen[Any]:
        return self.get_screen("home")

    def on_mount(self) -> None:
        self.run_worker(self._hold_open(), group="engine", exit_on_error=False)
        self._serve_keys()
        self.lookout.start()
        self.set_interval(TIMES_AGE_S, self._times_age)

    def _serve_keys(self) -> None:
        self.run_worker(self.desk.serve(), group="keys", exit_on_error=False)

    async def _hold_open(self) -> None:
        try:
            await self.session.hold_open()
        except Exception as error:
            # The console cannot work without an engine; the way in says why.
            self.start_error = error
            self.exit(return_code=getattr(error, "exit_code", 70))

    start_error: Exception | None = None

    def leave(self) -> None:
        """Close the console; whoever asks has made sure that nothing is lost."""
        self.run_worker(self.close_calmly(), group="leave", exit_on_error=False)

    async def close_calmly(self) -> None:
        """Let what was asked of the engine end first: a confirmed send is not cut off."""
        self.go_home()
        under_way = [worker for worker in self.workers if worker.group in {"act", "read"}]
        try:
            async with asyncio.timeout(PATIENCE_S):
                for worker in under_way:
                    await worker.wait()
        except (TimeoutError, WorkerFailed, WorkerCancelled):
            # The database is away; what was not sent is kept.
            pass
        self.session.close()
        self.exit(return_code=0)

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), *self._last_line]

    def _fatal_error(self) -> None:
        """A bug that nothing caught: leave without locals, which hold message bodies."""
        show_crash(self)

    # Commands and keys

    @property
    def console_screen(self) -> AnyScreen | None:
        return self.screen if isinstance(self.screen, ConsoleScreen) else None

    async def on_event(self, event: events.Event) -> None:
        """Keys and pastes wait for their turn at the desk; all else goes Textual's way."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        # A key shows that the terminal has the focus again; some do not report it.
        self.app_focus = True
        self.desk.put(event, at=event.time if self._keys_bear_time else None)

    def call(
        self, command_id: str, count: int | None = None, *, guard: Guard | None = None
    ) -> None:
        """Run a command, or say why it cannot run now."""
        screen = self.console_screen
        if screen is None:
            return
        command = self.commands[command_id]
        ctx = Context(self, screen, count)
        if self.notices.settle():
            screen.refresh_chrome()
        reason = self.reason_against(command, ctx)
        if reason is None and command.arm is not None and guard is not None:
            reason = guard.why_not()
        if reason is not None:
            self.warn(reason)
            return
        if command.arm is not None:
            arm = command.arm
            self.safely(f"preparing “{command.title}”", lambda: screen.arm(arm(ctx)))
        elif command.run is not None:
            run = command.run
            self.safely(f"doing “{command.title}”", lambda: run(ctx))
        self.refresh_chrome()

    def safely(self, doing: str, act: Callable[[], object]) -> None:
        """Run something of ours; a bug in it is said and logged, and the console goes on."""
        try:
            act()
        except Exception as error:
            self._bug(error, doing)

    def _bug(self, error: Exception, doing: str) -> None:
        self.bugs.append(error)
        trouble = trouble_of(error, doing, reference=log_bug(error, doing))
        self.say(trouble.text, trouble.tone, lasting=True)

    def reason_against(self, command: Command, ctx: Context) -> str | None:
        """Why a command cannot act now, or None when it can."""
        if command.writes and (read_only := self.session.read_only_reason):
            return read_only
        return command.why_not(ctx)

    # Where to

    def go_home(self) -> None:
        """Close everything that stands over the home screen."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def open_inbox(self, tab: str | None = None) -> None:
        """Show the inbox, on one of its tabs."""
        inbox = cast(InboxScreen, self.get_screen("inbox"))
        if inbox in self.screen_stack:
            while self.screen is not inbox:
                self.pop_screen()
        else:
            self.go_home()
            self.push_screen(inbox)
        if tab is not None and tab != inbox.tab:
            inbox.show_tab(tab)

    def open_conversation(self, conversation_id: ConversationId) -> None:
        """Show a conversation over whatever is shown, or in place of another one."""
        if isinstance(self.screen, ConversationScreen):
            self.screen.go_to(conversation_id)
        else:
            self.push_screen(ConversationScreen(conversation_id))

    def open_article(self, article_id: ArticleId, *, revision_id: RevisionId | None = None) -> None:
        """Show an article over whatever is shown, or in place of another one."""
        if isinstance(self.screen, ArticleScreen):
            self.screen.go_to(article_id)
        else:
            self.push_screen(ArticleScreen(article_id, revision_id=revision_id))

    # Words to the operator

    def say(self, text: str, tone: Tone = Tone.INFO, *, lasting: bool = False) -> None:
        """Put a sentence on the status line and into the log (F2)."""
        notice = Notice(text, tone, self.clock.now(), lasting)
        self.notices.say(notice)
        if not lasting:
            self.set_timer(NOTICE_LASTS_S, lambda: self._fade(notice))
        self.refresh_chrome()

    def warn(self, text: str) -> None:
        self.say(text, Tone.WARNING)

    def mention(self, text: str) -> None:
        """Say something of little weight: it waits for nobody and hides nothing that was said."""
        if self.notices.shown is None:
            self.say(text)

    def _fade(self, notice: Notice) -> None:
        if self.notices.fade(notice):
            self.refresh_chrome()

    def refresh_chrome(self) -> None:
        screen = self.console_screen
        if screen is not None:
            screen.refresh_chrome()

    @property
    def freshness(self) -> Freshness:
        return self.lookout.freshness

    def _times_age(self) -> None:
        screen = self.console_screen
        if screen is not None:
            screen.minute_passed()

    # Calls of the engine

    def ask(
        self,
        asker: MessagePump,
        ask: Ask[T],
        then: Callable[[T], None],
        *,
        doing: str,
        group: str,
        failed: Failed | None = None,
    ) -> None:
        """Read something; of several in one group only the newest answer counts."""
        call = Call(asker, ask, then, doing, failed, within_s=READ_WITHIN_S)
        if self._reads.take(group, call):
            self.run_worker(
                self._reads.run(self.session, group, call), group="read", exit_on_error=False
            )

    def act(
        self,
        asker: MessagePump,
        ask: Ask[T],
        then: Callable[[T], None],
        *,
        doing: str,
        failed: Failed | None = None,
        quiet: bool = False,
    ) -> None:
        """Change something; every call is made, none is dropped."""
        call = Call(asker, ask, then, doing, failed, quiet)
        self.run_worker(
            make_call(self.session, call, still_wanted=lambda: True),
            group="act",
            exit_on_error=False,
        )

    @on(Worker.StateChanged)
    def _worker_ended(self, event: Worker.StateChanged) -> None:
        """What no call catches is a bug in a worker of ours; it is said, and the console lives."""
        error = event.worker.error
        if event.state is WorkerState.ERROR and isinstance(error, Exception):
            self._bug(error, f"working ({event.worker.group})")
            if event.worker.group == "keys":
                self._serve_keys()

    @on(Answered)
    def _deliver(self, message: Answered) -> None:
        self.lookout.reachable()
        if not is_gone(message.asker):
            self.safely("showing what was read", message.deliver)

    @on(Troubled)
    def _explain(self, message: Troubled) -> None:
        trouble = message.trouble
        if trouble.database_away:
            self.lookout.unreachable()
        elif not message.quiet:
            self.say(trouble.text, trouble.tone, lasting=trouble.lasting)
        if is_gone(message.asker):
            return
        if message.deliver is not None:
            self.safely("showing a failure", message.deliver)
        if trouble.reload and isinstance(message.asker, ConsoleScreen):
            message.asker.reload()
