"""Who is listening: maps a changed conversation to the sockets of its customer.

A change names a conversation; sockets are kept by customer, because a customer's second socket
has to learn of a conversation that did not exist when it connected. The customer of a
conversation never changes, so one read for each conversation and process is enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from cairnloop_engine.channels.widget.ports import WidgetIdentity
from cairnloop_engine.conversations.facade import Conversations
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.changes import RESYNC, Change, ChangeFeed
from cairnloop_engine.core.errors import CairnloopError, NotFound
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.text import safe

log = logging.getLogger(__name__)

MOST_REMEMBERED = 50_000
MOST_UNKNOWN = 1_000

Key = tuple[str, str]
Wake = Callable[[], None]


class Desk(Protocol):
    """What the chat needs of the engine."""

    @property
    def conversations(self) -> Conversations: ...

    def changes(self, workspace: str | None = None) -> ChangeFeed:
        """The live feed of one workspace, or of all with None."""
        ...


@dataclass(slots=True)
class Audience:
    """The sockets of this process, and the feed that wakes them. A wake may be one too many."""

    desk: Desk
    listening: dict[Key, set[Wake]] = field(default_factory=dict)
    workspaces: dict[str, int] = field(default_factory=dict)
    feed: ChangeFeed | None = None
    _customers: OrderedDict[tuple[str, int], Key] = field(default_factory=OrderedDict)
    _unknown: dict[tuple[str, int], None] = field(default_factory=dict)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def join(self, identity: WidgetIdentity, wake: Wake) -> None:
        self.listening.setdefault(_key(identity), set()).add(wake)
        self.workspaces[identity.workspace] = self.workspaces.get(identity.workspace, 0) + 1

    def leave(self, identity: WidgetIdentity, wake: Wake) -> None:
        key = _key(identity)
        wakes = self.listening.get(key, set())
        if wake not in wakes:
            return
        wakes.discard(wake)
        if not wakes:
            del self.listening[key]
        self.workspaces[identity.workspace] -= 1
        if not self.workspaces[identity.workspace]:
            del self.workspaces[identity.workspace]

    def remember(self, identity: WidgetIdentity, conversation_id: int) -> None:
        """This conversation belongs to this customer; no need to ask."""
        self._remember(identity.workspace, conversation_id, _key(identity))

    def state(self) -> str:
        """How fresh the feed is: live, polling or offline."""
        return "offline" if self.feed is None else self.feed.state.value

    async def follow(self) -> None:
        """Dispatch changes for ever."""
        async with self.desk.changes(None) as feed:
            self.feed = feed
            async for change in feed:
                self.hear(change)

    async def look_up(self) -> None:
        """Find out, for ever, whose the conversations are that nobody here has seen."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            while self._unknown:
                await self._look_up_one()

    def hear(self, change: Change) -> None:
        """Wake whom this change concerns."""
        if change.kind == RESYNC:
            self.wake_all(change.workspace)
            return
        if change.kind != "conversation" or change.workspace not in self.workspaces:
            return
        known = self._customers.get((change.workspace, change.id))
        if known is not None:
            self._customers.move_to_end((change.workspace, change.id))
            self._wake(known)
            return
        if len(self._unknown) >= MOST_UNKNOWN:
            # One read for each socket is cheaper now than one for each change.
            self._unknown.clear()
            self.wake_all(change.workspace)
            return
        self._unknown[(change.workspace, change.id)] = None
        self._asked.set()

    def wake_all(self, workspace: str = "") -> None:
        """Everybody reads again; all workspaces with ""."""
        for (where, _), wakes in list(self.listening.items()):
            if workspace in ("", where):
                for wake in wakes:
                    wake()

    async def _look_up_one(self) -> None:
        workspace, conversation_id = next(iter(self._unknown))
        try:
            head = await self.desk.conversations.conversation(
                Caller.system("widget", workspace), ConversationId(conversation_id)
            )
        except NotFound:
            head = None
        except CairnloopError as error:
            # The database is away; its return is told by a resync, which covers this one too.
            log.info("a conversation could not be looked up", extra={"code": error.code})
            head = None
        finally:
            self._unknown.pop((workspace, conversation_id), None)
        if head is not None and head.customer_ref is not None:
            key = (workspace, head.customer_ref)
            self._remember(workspace, conversation_id, key)
            self._wake(key)

    def _wake(self, key: Key) -> None:
        for wake in self.listening.get(key, ()):
            wake()

    def _remember(self, workspace: str, conversation_id: int, key: Key) -> None:
        self._customers[(workspace, conversation_id)] = key
        self._customers.move_to_end((workspace, conversation_id))
        while len(self._customers) > MOST_REMEMBERED:
            self._customers.popitem(last=False)


def _key(identity: WidgetIdentity) -> Key:
    """The customer as a view shows them: two that look alike merely wake each other."""
    return (identity.workspace, safe(identity.customer_ref, limit=120))
