"""What an operator says and does in a conversation: replies, notes, lifecycle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from cairnloop_cli.answers import Answer
from cairnloop_cli.batches import each
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.parameters import (
    LARGEST_ID,
    ConversationArg,
    ConversationsArg,
    Hold,
    TextArg,
    words,
)
from cairnloop_cli.phrases import at
from cairnloop_cli.values import moment
from cairnloop_engine.conversations.model import Delivery, Moved
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ConversationId, MessageId


def reply(
    ctx: typer.Context, conversation_id: ConversationArg, text: TextArg, hold: Hold = None
) -> None:
    """Answer a customer."""
    said = words(text)

    async def work(desk: Desk) -> Answer:
        done = await desk.engine.conversations.reply(
            desk.caller, ConversationId(conversation_id), said, hold=hold
        )
        data: JsonObject = {
            "conversation_id": done.conversation_id,
            "message_id": done.message_id,
            "delivery": done.delivery.value,
            "visible_at": moment(done.visible_at),
        }
        if done.delivery is Delivery.HELD:
            until = f"held until {at(done.visible_at)}; `cairnloop retract {done.message_id}`"
            return Answer(data, [f"Reply {done.message_id} is {until} takes it back."])
        return Answer(data, [f"Reply {done.message_id} is with the customer."])

    serve(ctx, work)


def retract(
    ctx: typer.Context,
    message_id: Annotated[
        int, typer.Argument(metavar="MESSAGE", min=1, max=LARGEST_ID, help="Its id.")
    ],
) -> None:
    """Take back a reply while it is held; its draft waits again."""

    async def work(desk: Desk) -> Answer:
        taken = await desk.engine.conversations.retract(desk.caller, MessageId(message_id))
        data: JsonObject = {"message_id": taken, "delivery": Delivery.RETRACTED.value}
        return Answer(data, [f"Reply {taken} was taken back; the customer never saw it."])

    serve(ctx, work)


def note(ctx: typer.Context, conversation_id: ConversationArg, text: TextArg) -> None:
    """Leave a note that customers never see."""
    said = words(text)

    async def work(desk: Desk) -> Answer:
        left = await desk.engine.conversations.note(
            desk.caller, ConversationId(conversation_id), said
        )
        data: JsonObject = {
            "conversation_id": conversation_id,
            "message_id": left,
            "delivery": Delivery.INTERNAL.value,
        }
        return Answer(data, [f"Note {left} is in conversation {conversation_id}."])

    serve(ctx, work)


def resolve(
    ctx: typer.Context,
    conversation_ids: ConversationsArg,
    force: Annotated[
        bool, typer.Option("--force", help="Also with a draft waiting or a reply on its way.")
    ] = False,
) -> None:
    """Close conversations in your name."""

    async def move(desk: Desk, one: ConversationId) -> Moved:
        return await desk.engine.conversations.resolve(desk.caller, one, force=force)

    serve(ctx, _moving(conversation_ids, move))


def reopen(ctx: typer.Context, conversation_ids: ConversationsArg) -> None:
    """Open resolved or archived conversations again."""

    async def move(desk: Desk, one: ConversationId) -> Moved:
        return await desk.engine.conversations.reopen(desk.caller, one)

    serve(ctx, _moving(conversation_ids, move))


def archive(ctx: typer.Context, conversation_ids: ConversationsArg) -> None:
    """Put conversations away for good."""

    async def move(desk: Desk, one: ConversationId) -> Moved:
        return await desk.engine.conversations.archive(desk.caller, one)

    serve(ctx, _moving(conversation_ids, move))


def assign(
    ctx: typer.Context,
    conversation_id: ConversationArg,
    operator: Annotated[
        str | None, typer.Argument(metavar="OPERATOR", help="Who takes it; leave out for --nobody.")
    ] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take it from whoever has it.")] = False,
) -> None:
    """Give a conversation to an operator, or to nobody."""
    if nobody == (operator is not None):
        raise typer.BadParameter("name an operator, or say --nobody")

    async def move(desk: Desk, one: ConversationId) -> Moved:
        return await desk.engine.conversations.assign(desk.caller, one, operator)

    serve(ctx, _moving([conversation_id], move))


def _moving(
    ids: list[int], move: Callable[[Desk, ConversationId], Awaitable[Moved]]
) -> Callable[[Desk], Awaitable[Answer]]:
    async def work(desk: Desk) -> Answer:
        async def act(one: int) -> JsonObject:
            moved = await move(desk, ConversationId(one))
            return {"status": moved.status.value, "changed": moved.changed}

        return await each(desk, "conversation_id", ids, act)

    return work
