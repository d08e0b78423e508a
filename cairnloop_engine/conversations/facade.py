"""The conversations slice as an edge sees it: one method, one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from cairnloop_engine.conversations import reads, release, service
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import (
    Activity,
    Citation,
    Ingested,
    Moved,
    Replied,
    Sort,
)
from cairnloop_engine.conversations.ports import ContextProvider, NoContext
from cairnloop_engine.conversations.reads import (
    ContextView,
    Counts,
    CustomerThread,
    InboxRow,
    MessageView,
    Thread,
)
from cairnloop_engine.conversations.service import CustomerMessage
from cairnloop_engine.core.actors import ActorKind, Caller
from cairnloop_engine.core.database import Database, assert_no_transaction
from cairnloop_engine.core.errors import Forbidden
from cairnloop_engine.core.ids import ConversationId, MessageId
from cairnloop_engine.core.paging import Page

log = logging.getLogger(__name__)

EVERYTHING = InboxFilter()


@dataclass(frozen=True, slots=True)
class ConversationsConfig:
    """Limits and windows of the slice, from the settings."""

    max_message_length: int = 10_000
    default_hold: timedelta = timedelta(0)
    reopen_window: timedelta = timedelta(days=14)
    context_deadline: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Conversations:
    """What an edge may do with conversations."""

    db: Database
    config: ConversationsConfig = field(default_factory=ConversationsConfig)
    context_provider: ContextProvider = field(default_factory=NoContext)

    async def inbox(
        self,
        caller: Caller,
        *,
        filter: InboxFilter = EVERYTHING,  # noqa: A002 - the word of the command line
        sort: Sort = Sort.WAITING,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[InboxRow]:
        """A page of the inbox; one statement whatever the size of the table."""
        async with self.db.read(caller) as read:
            return await reads.inbox(read, filter, sort=sort, cursor=cursor, limit=limit)

    async def counts(self, caller: Caller) -> Counts:
        async with self.db.read(caller) as read:
            return await reads.counts(read)

    async def conversation(self, caller: Caller, conversation_id: ConversationId) -> InboxRow:
        """One conversation without its messages.

        Raises:
            NotFound: ``conversation_not_found``.
        """
        async with self.db.read(caller) as read:
            return await reads.conversation(read, conversation_id)

    async def thread(
        self,
        caller: Caller,
        conversation_id: ConversationId,
        *,
        limit: int = 200,
        before: str | None = None,
    ) -> Thread:
        """A conversation with its latest messages.

        Raises:
            NotFound: ``conversation_not_found``.
        """
        async with self.db.read(caller) as read:
            return await reads.thread(read, conversation_id, before=before, limit=limit)

    async def next_waiting(
        self, caller: Caller, *, after: ConversationId | None = None
    ) -> ConversationId | None:
        """The conversation that has waited longest, other than ``after``; None when clear."""
        page = await self.inbox(caller, filter=InboxFilter.parse("is:waiting"), limit=2)
        others = [row.id for row in page.items if row.id != after]
        return others[0] if others else None

    async def customer_context(
        self, caller: Caller, conversation_id: ConversationId
    ) -> ContextView:
        """What the host knows about this conversation's customer; never raises for the host.

        Raises:
            NotFound: ``conversation_not_found``.
        """
        async with self.db.read(caller) as read:
            head = await reads.conversation(read, conversation_id)
        if head.customer_ref is None:
            return ContextView("empty")
        assert_no_transaction("the context provider")
        try:
            async with asyncio.timeout(self.config.context_deadline.total_seconds()):
                sections = await self.context_provider.context(
                    head.customer_ref, actor=caller.actor
                )
        except Exception:
            log.warning("the context provider failed", exc_info=True)
            return ContextView("unavailable")
        return reads.context_view(sections)

    async def ingest(
        self,
        caller: Caller,
        *,
        customer_ref: str,
        text: str,
        conversation_id: ConversationId | None = None,
        subject: str | None = None,
        client_id: str | None = None,
        start_new: bool = False,
    ) -> Ingested:
        """Record a customer's message; when this returns, it is durable.

        Raises:
            Forbidden: ``operator_missing`` or ``not_your_conversation``.
            Invalid, NotFound, Conflict: see :func:`service.ingest`.
        """
        actor = caller.acting()
        if actor.kind is ActorKind.CUSTOMER and actor.id != customer_ref:
            raise Forbidden("not_your_conversation", "A customer can only write as themselves.")
        message = CustomerMessage(
            customer_ref=customer_ref,
            text=text,
            conversation_id=conversation_id,
            subject=subject,
            client_id=client_id,
            start_new=start_new,
        )
        return await self.db.retrying(
            caller,
            lambda work: service.ingest(
                work,
                message,
                max_length=self.config.max_message_length,
                reopen_window=self.config.reopen_window,
            ),
        )

    async def customer_conversation(self, caller: Caller) -> CustomerThread | None:
        """The conversation that the calling customer continues."""
        customer_ref = _customer(caller)
        async with self.db.read(caller) as read:
            return await reads.customer_thread(read, customer_ref)

    async def customer_messages(
        self, caller: Caller, *, conversation_id: ConversationId, after: int = 0, limit: int = 200
    ) -> tuple[CustomerThread, tuple[MessageView, ...]]:
        """What the calling customer may see of a conversation, past a position.

        Raises:
            NotFound: ``conversation_not_found``, also for another customer's.
        """
        customer_ref = _customer(caller)
        async with self.db.read(caller) as read:
            return await reads.visible_messages(
                read, conversation_id, customer_ref=customer_ref, after=after, limit=limit
            )

    async def reply(
        self,
        caller: Caller,
        conversation_id: ConversationId,
        text: str,
        *,
        hold: float | None = None,
        expected_revision: int | None = None,
        citations: Sequence[Citation] = (),
    ) -> Replied:
        """Answer a customer; ``hold`` seconds pass before it is visible (default: the setting).

        Raises:
            Forbidden: ``operator_missing`` or ``operator_required``.
            NotFound, Invalid, Conflict: see :func:`release.post_reply`.
        """
        caller.acting_operator()
        held = self.config.default_hold if hold is None else timedelta(seconds=hold)
        async with self.db.work(caller) as work:
            return await release.post_reply(
                work,
                conversation_id,
                text,
                hold=held,
                max_length=self.config.max_message_length,
                citations=citations,
                expected_revision=expected_revision,
            )

    async def retract(self, caller: Caller, message_id: MessageId) -> MessageId:
        """Take back a held reply. Raises as :func:`release.retract`."""
        caller.acting_operator()
        async with self.db.work(caller) as work:
            return await release.retract(work, message_id)

    async def note(self, caller: Caller, conversation_id: ConversationId, text: str) -> MessageId:
        """Leave an internal note. Raises as :func:`release.post_note`."""
        caller.acting_operator()
        async with self.db.work(caller) as work:
            return await release.post_note(
                work, conversation_id, text, max_length=self.config.max_message_length
            )

    async def resolve(
        self, caller: Caller, conversation_id: ConversationId, *, force: bool = False
    ) -> Moved:
        """Close a conversation. Raises as :func:`service.resolve`."""
        caller.acting_operator()
        async with self.db.work(caller) as work:
            return await service.resolve(work, conversation_id, force=force)

    async def reopen(self, caller: Caller, conversation_id: ConversationId) -> Moved:
        caller.acting_operator()
        async with self.db.work(caller) as work:
            return await service.reopen(work, conversation_id)

    async def archive(self, caller: Caller, conversation_id: ConversationId) -> Moved:
        """Put a conversation away. Raises as :func:`service.archive`."""
        caller.acting_operator()
        async with self.db.work(caller) as work:
            return await service.archive(work, conversation_id)

    async def assign(
        self, caller: Caller, conversation_id: ConversationId, operator: str | None
    ) -> Moved:
        """Give a conversation to an operator, or to nobody. Raises as :func:`service.assign`."""
        caller.acting_operator()
        async with self.db.work(caller) as work:
            return await service.assign(work, conversation_id, operator)

    async def attend(
        self, caller: Caller, conversation_id: ConversationId, activity: Activity | None
    ) -> None:
        """Tell the others that the calling operator is here; None says that they left."""
        caller.acting_operator()
        async with self.db.work(caller) as work:
            await service.attend(work, conversation_id, activity)


def _customer(caller: Caller) -> str:
    actor = caller.acting()
    if actor.kind is not ActorKind.CUSTOMER:
        raise Forbidden("customer_required", "Only the customer themselves may read this view.")
    return actor.id
