"""Every way in which the chat says no, in words for a customer."""

from __future__ import annotations

import logging
import math

from cairnloop_engine.channels.widget.protocol import Refused
from cairnloop_engine.core.errors import CairnloopError, Misconfigured, Unavailable
from cairnloop_engine.core.errors import Refused as TurnedDown

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5.0
RETRY_WHEN_BROKEN_S = 30.0

# What the services say to operators, said to a customer.
WORDS = {
    "message_blank": "There is nothing to read in this message yet. Write something first.",
    "client_id_reused": "This message was changed after it was sent. Send it as a new one.",
    "conversation_not_found": "There is no such conversation.",
}


def answer(error: CairnloopError, client_id: str | None = None) -> Refused:
    """An error of the engine in a customer's words."""
    match error:
        case Unavailable():
            return turned_away(
                "unavailable", client_id, retry_after=error.retry_after or RETRY_AFTER_S
            )
        case Misconfigured():
            log.error("the chat cannot work", extra={"code": error.code})
            return turned_away("unavailable", client_id, retry_after=RETRY_WHEN_BROKEN_S)
        case TurnedDown():
            message = WORDS.get(error.code, error.message)
            return Refused(code=error.code, message=message, client_id=client_id)
        case _:
            return turned_away("unavailable", client_id, retry_after=RETRY_AFTER_S)


def turned_away(code: str, client_id: str | None = None, *, retry_after: float) -> Refused:
    """Nothing is wrong with the request; the service is away for a moment."""
    return Refused(
        code=code,
        message="The chat cannot reach its service right now. It tries again by itself.",
        client_id=client_id,
        retry_after=retry_after,
    )


def too_many_messages(per_minute: int, client_id: str, *, wait: float) -> Refused:
    return Refused(
        code="rate_limited",
        message=(
            "That was a lot of messages at once. This one is sent again in a moment; "
            f"the limit is {per_minute} a minute."
        ),
        client_id=client_id,
        retry_after=math.ceil(wait * 10) / 10,
    )


def full() -> Refused:
    return Refused(
        code="too_many_connections",
        message="The chat is busy right now. It tries again by itself.",
        retry_after=15.0,
    )


def too_many(most: int) -> Refused:
    return Refused(
        code="too_many_connections",
        message=f"The chat is open in more than {most} places. Close one of them.",
        retry_after=30.0,
    )


def no_hello() -> Refused:
    return Refused(code="hello_required", message="A socket starts with a hello, and soon.")


def other_version() -> Refused:
    return Refused(
        code="version_unsupported", message="This server speaks version 1. Reload the page."
    )


def other_identity() -> Refused:
    return Refused(code="identity_changed", message="Another customer needs another socket.")


def not_found() -> Refused:
    return Refused(code="conversation_not_found", message="There is no such conversation.")


def no_binary() -> Refused:
    return Refused(code="binary_refused", message="Frames are text, never binary.")


def too_fast(wait: float) -> Refused:
    return Refused(
        code="rate_limited", message="Too many frames at once.", retry_after=round(wait, 2) + 0.01
    )


def too_many_mistakes() -> Refused:
    return Refused(code="too_many_errors", message="Too many frames were not understood.")
