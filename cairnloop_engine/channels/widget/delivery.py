"""What one customer has been shown so far, and what comes next. The only reader for a socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from cairnloop_engine.channels.widget.ports import WidgetIdentity
from cairnloop_engine.channels.widget.protocol import (
    Conversation,
    Message,
    ServerFrame,
    StatusChanged,
)
from cairnloop_engine.channels.widget.shared import Shared
from cairnloop_engine.conversations.model import Delivery, Role, Status
from cairnloop_engine.conversations.reads import CustomerThread, MessageView
from cairnloop_engine.core.errors import Unavailable
from cairnloop_engine.core.ids import ConversationId

log = logging.getLogger(__name__)

PAGE = 100

SendFrame = Callable[[ServerFrame], Awaitable[None]]

# Who speaks, as a customer is told. A role that is not here is never sent.
SPEAKERS: dict[Role, tuple[Literal["customer", "operator", "system"], str]] = {
    Role.USER: ("customer", "You"),
    Role.AGENT: ("operator", "Support"),
    Role.SYSTEM: ("system", "Support"),
    Role.SYSTEM_OUTBOUND: ("operator", "Support"),
}
VISIBLE = frozenset({Delivery.RECEIVED, Delivery.SENT})


@dataclass(slots=True)
class Reader:
    """A place in a customer's conversation: everything up to ``cursor`` has been sent."""

    shared: Shared
    identity: WidgetIdentity
    conversation_id: ConversationId | None = None
    status: Status | None = None
    cursor: int = 0
    last_position: int = 0

    async def open(self, conversation_id: int | None, after: int) -> None:
        """Find where the customer left off. A conversation they name must be their own.

        Raises:
            NotFound: ``conversation_not_found``, also for somebody else's.
            Unavailable: the database is away.
        """
        if conversation_id is not None:
            head, _ = await self._page(ConversationId(conversation_id), after, limit=1)
            self._turn_to(head)
            # A cursor past the end belongs to rows that are gone: begin again.
            self.cursor = after if after <= head.last_position else 0
            return
        current = await self._current()
        if current is not None:
            self._turn_to(current)

    async def catch_up(self, send: SendFrame) -> None:
        """Send everything that the customer may see and has not been sent, in order.

        The cursor moves only after a frame was sent, so a failure in between loses nothing.

        Raises:
            NotFound: ``conversation_not_found`` when it was erased meanwhile.
            Unavailable: the database is away.
        """
        if self.conversation_id is None:
            current = await self._current()
            if current is None:
                return
            await self._announce(current, send)
        await self._send_rest(send)
        while (newer := await self._newer()) is not None:
            await self._announce(newer, send)
            await self._send_rest(send)

    async def _send_rest(self, send: SendFrame) -> None:
        while self.conversation_id is not None:
            head, page = await self._page(self.conversation_id, self.cursor, limit=PAGE)
            for view in page:
                await self._send_one(view, send)
            self.last_position = head.last_position
            if len(page) == PAGE:
                continue
            if head.status is not self.status:
                self.status = head.status
                await send(StatusChanged(conversation_id=head.conversation_id, status=head.status))
            return

    async def _send_one(self, view: MessageView, send: SendFrame) -> None:
        frame = _shown(view)
        if frame is not None:
            await send(frame)
        self.cursor = view.customer_position or self.cursor

    async def _announce(self, head: CustomerThread, send: SendFrame) -> None:
        self._turn_to(head)
        await send(Conversation(conversation_id=head.conversation_id, status=head.status))

    async def _newer(self) -> CustomerThread | None:
        """Once a conversation is over, the customer's newer one takes its place."""
        if self.status is Status.OPEN or self.conversation_id is None:
            return None
        current = await self._current()
        if current is None or current.conversation_id <= self.conversation_id:
            return None
        return current

    def _turn_to(self, head: CustomerThread) -> None:
        self.conversation_id = head.conversation_id
        self.status = head.status
        self.cursor = 0
        self.last_position = head.last_position
        self.shared.audience.remember(self.identity, head.conversation_id)

    async def _current(self) -> CustomerThread | None:
        async with self._reading():
            return await self.shared.desk.conversations.customer_conversation(
                self.identity.caller()
            )

    async def _page(
        self, conversation_id: ConversationId, after: int, *, limit: int
    ) -> tuple[CustomerThread, tuple[MessageView, ...]]:
        async with self._reading():
            return await self.shared.desk.conversations.customer_messages(
                self.identity.caller(),
                conversation_id=conversation_id,
                after=after,
                limit=limit,
            )

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """A turn at the database, for no longer than a customer should wait."""
        shared = self.shared
        try:
            async with shared.reads, asyncio.timeout(shared.config.read_timeout):
                if shared.is_away:
                    raise Unavailable("database_unavailable", "The database is away.")
                yield
                shared.found_back()
        except TimeoutError as late:
            shared.found_away()
            raise Unavailable("database_timeout", "The database takes too long.") from late
        except Unavailable:
            if not shared.is_away:
                shared.found_away()
            raise


def _shown(view: MessageView) -> Message | None:
    """The frame of a message; None for one that is not for customers, whatever let it through."""
    speaker = SPEAKERS.get(view.role)
    if speaker is None or view.delivery not in VISIBLE or view.customer_position is None:
        log.error("a message that customers may not see was withheld", extra={"ref": view.id})
        return None
    role, author = speaker
    return Message(
        conversation_id=view.conversation_id,
        message_id=view.id,
        position=view.customer_position,
        role=role,
        author=author,
        text=view.content,
        at=view.released_at or view.inserted_at,
    )
