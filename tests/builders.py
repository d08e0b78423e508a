"""Conversations as tests need them, made through the engine as a customer and an operator would."""

from __future__ import annotations

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ConversationId

MAYA = Caller.operator("maya")


async def new_conversation(
    engine: Engine,
    text: str = "My key leaked",
    *,
    customer_ref: str = "acme",
    workspace: str = "default",
) -> ConversationId:
    """A conversation whose only message waits for an answer."""
    received = await engine.conversations.ingest(
        Caller.customer(customer_ref, workspace),
        customer_ref=customer_ref,
        text=text,
        start_new=True,
    )
    return received.conversation_id


async def answered_conversation(engine: Engine, *, customer_ref: str = "acme") -> ConversationId:
    """A conversation in which it is the customer's turn."""
    conversation_id = await new_conversation(engine, customer_ref=customer_ref)
    await engine.conversations.reply(MAYA, conversation_id, "Revoke it first.", hold=0)
    return conversation_id


async def resolved_conversation(engine: Engine, *, customer_ref: str = "acme") -> ConversationId:
    """A conversation that was answered and resolved."""
    conversation_id = await answered_conversation(engine, customer_ref=customer_ref)
    await engine.conversations.resolve(MAYA, conversation_id)
    return conversation_id
