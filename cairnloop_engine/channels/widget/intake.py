"""A customer's message on its way into the database, and the honest answer to it."""

from __future__ import annotations

import asyncio

from cairnloop_engine.channels.widget import refusals
from cairnloop_engine.channels.widget.ports import WidgetIdentity
from cairnloop_engine.channels.widget.protocol import Accepted, Refused, Send
from cairnloop_engine.channels.widget.shared import Shared
from cairnloop_engine.conversations.model import Ingested
from cairnloop_engine.core.errors import CairnloopError
from cairnloop_engine.core.ids import ConversationId


async def take(
    shared: Shared, identity: WidgetIdentity, conversation_id: ConversationId | None, frame: Send
) -> Accepted | Refused:
    """Store one message. ``Accepted`` is only made after the commit."""
    if shared.draining:
        return refusals.turned_away("draining", frame.client_id, retry_after=1.0)
    wait = shared.rates.take(identity.key, now=shared.now())
    if wait > 0:
        return refusals.too_many_messages(
            shared.config.messages_per_minute, frame.client_id, wait=wait
        )
    try:
        ingested = await shared.to_the_end(_ingest(shared, identity, conversation_id, frame))
    except CairnloopError as error:
        return refusals.answer(error, frame.client_id)
    except TimeoutError:
        # It may have been stored all the same: the client asks again with the same client id.
        return refusals.turned_away(
            "unavailable", frame.client_id, retry_after=refusals.RETRY_AFTER_S
        )
    shared.audience.remember(identity, ingested.conversation_id)
    return Accepted(
        client_id=frame.client_id,
        conversation_id=ingested.conversation_id,
        message_id=ingested.message_id,
        position=ingested.customer_position,
        duplicate=ingested.duplicate,
    )


async def _ingest(
    shared: Shared, identity: WidgetIdentity, conversation_id: ConversationId | None, frame: Send
) -> Ingested:
    async with asyncio.timeout(shared.config.commit_timeout):
        return await shared.desk.conversations.ingest(
            identity.caller(),
            customer_ref=identity.customer_ref,
            text=frame.text,
            conversation_id=conversation_id,
            client_id=frame.client_id,
        )
