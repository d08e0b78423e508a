"""Keeps the screens fresh: passes changes on, and notices when the database goes and returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.changes import Change, FeedState
from cairnloop_tui.frame import ConsoleScreen
from cairnloop_tui.live import RESYNC, Follower, Freshness
from cairnloop_tui.theme.tokens import Tone

if TYPE_CHECKING:
    from cairnloop_tui.app import ConsoleApp

# A burst of changes becomes one reload.
COALESCE_S = 0.1
LOOK_EVERY_S = 1.0


class Lookout:
    """One per application. What the live worker hears becomes reloads of the open screens."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._follower = Follower(app.session)
        self._waiting: set[Change] = set()
        self.freshness = Freshness()

    @property
    def is_quiet(self) -> bool:
        """Whether no change waits to be passed on."""
        return not self._waiting

    def start(self) -> None:
        app = self._app
        app.run_worker(self._follower.follow(self._heard), group="live", exit_on_error=False)
        app.set_interval(LOOK_EVERY_S, self._look)

    def unreachable(self) -> None:
        """A call found no database."""
        if not self.freshness.is_away:
            since = self._app.clock.now()
            self.freshness = Freshness(self._follower.state, since, opening=False)
            self._app.refresh_chrome()

    def reachable(self) -> None:
        """A call came back, so there is a database; what was missed meanwhile is read again."""
        was_away, was_opening = self.freshness.is_away, self.freshness.opening
        if not (was_away or was_opening):
            return
        self.freshness = Freshness(self._follower.state, None, opening=False)
        if was_away:
            self._app.say("The database is back.", Tone.SUCCESS)
            self._heard(Change(self._app.session.workspace, RESYNC, 0))
        self._app.refresh_chrome()

    def _look(self) -> None:
        """Show the feed's state; while the database is away, try whether it is back."""
        state = self._follower.state
        if self.freshness.is_away:
            self._probe("reconnecting")
        elif not self.freshness.opening and state != self.freshness.state:
            self.freshness = Freshness(state, None, opening=False)
            self._app.refresh_chrome()
            if state is FeedState.OFFLINE:
                self._probe("following changes")

    def _probe(self, doing: str) -> None:
        self._app.ask(self._app, _probe, lambda answer: None, doing=doing, group="probe")

    def _heard(self, change: Change) -> None:
        """Called by the live worker: collect, and pass on what a burst brought in one go."""
        if not self._waiting:
            self._app.set_timer(COALESCE_S, self._pass_on)
        self._waiting.add(change)

    def _pass_on(self) -> None:
        changes, self._waiting = frozenset(self._waiting), set()
        for screen in self._app.screen_stack:
            if isinstance(screen, ConsoleScreen):
                screen.data_changed(changes)


async def _probe(engine: Engine, caller: Caller) -> object:
    return await engine.conversations.counts(caller)
