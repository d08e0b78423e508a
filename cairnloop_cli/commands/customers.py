"""Standing in for a customer: a signed chat token, and a chat in the terminal."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer
from cairnloop_cli.boundary import conclude, invocation
from cairnloop_engine.core.errors import JsonObject, Misconfigured

if TYPE_CHECKING:
    from cairnloop_engine import Settings

CHAT_LASTS = timedelta(hours=12)

CustomerOption = Annotated[
    str, typer.Option("--customer", metavar="REF", help="Who the token speaks for.")
]


def widget_token(
    ctx: typer.Context,
    customer: CustomerOption,
    name: Annotated[str | None, typer.Option("--name", help="The page greets them by it.")] = None,
    email: Annotated[str | None, typer.Option("--email")] = None,
    ttl: Annotated[
        int, typer.Option("--ttl", metavar="SECONDS", min=1, max=30 * 86_400, help="How long.")
    ] = 3600,
) -> None:
    """A signed chat token, as your product's own server would make it. For development."""
    asked = invocation(ctx)
    settings = asked.settings()
    token = minted(settings, customer, ttl=timedelta(seconds=ttl), name=name, email=email)
    data: JsonObject = {
        "token": token,
        "customer": customer,
        "workspace": settings.workspace,
        "expires_in": ttl,
    }
    conclude(asked.out, Answer(data, [token]))


def chat(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            help="The chat's address, or the page's whole link; without it, as in the settings.",
        ),
    ] = None,
    customer: Annotated[
        str | None,
        typer.Option("--customer", metavar="REF", help="Who you are; unless the link says it."),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, help="Stay this long after the input ends."
        ),
    ] = 0.0,
) -> None:
    """Chat as a customer, a line a message; Ctrl+D ends it. For demos."""
    from cairnloop_cli.chatting import Chat, door  # deferred: loads the websocket library

    asked = invocation(ctx)
    settings = asked.settings()
    place = door(url or f"ws://{settings.widget_host}:{settings.widget_port}")
    if place.token is None:
        if customer is None:
            raise typer.BadParameter("name yourself with --customer REF, or give a whole link")
        place = replace(place, token=minted(settings, customer, ttl=CHAT_LASTS))
    visit = Chat(place, asked.out)
    asyncio.run(visit.run(sys.stdin.fileno(), linger=wait))
    data: JsonObject = {
        "conversation_id": visit.conversation_id,
        "sent": [*visit.sent],
        "received": [*visit.received],
        "dropped": [*visit.dropped],
    }
    conclude(asked.out, Answer(data, ok=not visit.dropped))


def minted(
    settings: Settings,
    customer: str,
    *,
    ttl: timedelta,
    name: str | None = None,
    email: str | None = None,
) -> str:
    """A token for this customer, signed with the configured secret.

    Raises:
        Misconfigured: ``widget_secret_missing`` or ``widget_secret_short``.
        Forbidden: ``unauthorized`` when the reference names nobody.
    """
    from cairnloop_engine.channels.widget.tokens import (
        mint_token,
    )  # deferred: loads the JWT library

    if settings.widget_secret is None:
        raise Misconfigured(
            "widget_secret_missing",
            "No signing secret is set for the chat. Set CAIRNLOOP_WIDGET_SECRET to 32 random "
            "bytes or more.",
        )
    return mint_token(
        settings.widget_secret.get_secret_value(),
        customer_ref=customer,
        workspace=settings.workspace,
        ttl=ttl,
        name=name,
        email=email,
    )
