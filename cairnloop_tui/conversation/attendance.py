"""Tells the other operators who is in a conversation, and who writes there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnloop_engine.conversations.model import Activity
from cairnloop_engine.core.ids import ConversationId

if TYPE_CHECKING:
    from cairnloop_tui.app import ConsoleApp

# Others forget an operator who is not heard of for 45 s.
BEAT_S = 15.0


class Attendance:
    """What was told last about one conversation; the same thing is told again only as a beat."""

    def __init__(self, console: ConsoleApp, conversation_id: ConversationId) -> None:
        self._console = console
        self._conversation_id = conversation_id
        self._told: Activity | None = None

    def tell(self, activity: Activity, *, beat: bool = False) -> None:
        if beat or activity is not self._told:
            self._told = activity
            self._attend(activity)

    def leave(self) -> None:
        if self._told is not None:
            self._told = None
            self._attend(None)

    def _attend(self, activity: Activity | None) -> None:
        console, conversation_id = self._console, self._conversation_id
        if console.session.read_only_reason or console.freshness.is_away:
            return
        console.act(
            console,
            lambda engine, caller: engine.conversations.attend(caller, conversation_id, activity),
            lambda answer: None,
            doing="telling others who is here",
            quiet=True,
        )
