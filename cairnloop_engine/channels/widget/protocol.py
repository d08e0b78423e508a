"""The frames of the chat socket, version 1: what a client may say and what the server says.

Pure: no socket, no clock, no database. Every frame is one JSON object in one text message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

VERSION = 1

# Numbers cross JavaScript, where whole numbers are exact up to here.
LARGEST_NUMBER = 2**53 - 1
LONGEST_TOKEN = 8192
LONGEST_CLIENT_ID = 64

RowNumber = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]
Position = Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
ClientId = Annotated[
    str, Field(min_length=1, max_length=LONGEST_CLIENT_ID, pattern=r"\A[A-Za-z0-9_-]+\z")
]


class Close(IntEnum):
    """Why the server ends a socket; the close reason carries the refusal's code."""

    GOING_AWAY = 1001
    NO_BINARY = 1003
    ABUSE = 1008
    TRY_LATER = 1013
    UNSUPPORTED = 4400
    UNAUTHORIZED = 4401
    OTHER_IDENTITY = 4403
    NOT_FOUND = 4404
    NO_HELLO = 4408
    TOKEN_EXPIRED = 4410
    TOO_MANY = 4429


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Hello(_Frame):
    """The first frame: who is there, and how far they have read.

    ``after`` is the last position the client holds of ``conversation_id``; the server sends
    what follows. Without them it sends the customer's current conversation from the start.
    Said again on an open socket by the same identity it renews the token, nothing else.
    """

    type: Literal["hello"]
    v: Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
    token: Annotated[str, Field(min_length=1, max_length=LONGEST_TOKEN, repr=False)]
    conversation_id: RowNumber | None = None
    after: Position = 0


class Send(_Frame):
    """A message. ``client_id`` is the client's name for it: sending it again is harmless."""

    type: Literal["message"]
    client_id: ClientId
    text: Annotated[str, Field(repr=False)]


class Ping(_Frame):
    """Are you there? Answered by a pong; for browsers, which cannot see websocket pings."""

    type: Literal["ping"]


ClientFrame = Hello | Send | Ping
_client_frames: TypeAdapter[ClientFrame] = TypeAdapter(
    Annotated[ClientFrame, Field(discriminator="type")]
)


class Limits(_Frame):
    """What the client must keep to."""

    message_chars: int
    frame_bytes: int
    messages_per_minute: int


class Welcome(_Frame):
    """The token is good. ``conversation_id`` is None until the customer has written.

    ``cursor`` is the last position there is now, ``after`` the one after which the server
    starts sending: smaller than what the client asked for means "throw away what you hold".
    ``scope`` names the identity without telling it, for what a browser keeps.
    """

    type: Literal["welcome"] = "welcome"
    v: int = VERSION
    conversation_id: int | None
    cursor: int
    after: int
    status: str | None
    name: str | None
    scope: str
    limits: Limits


class Accepted(_Frame):
    """The message is in the database; only now the client may forget its copy."""

    type: Literal["accepted"] = "accepted"
    client_id: str
    conversation_id: int
    message_id: int
    position: int
    duplicate: bool


class Message(_Frame):
    """A message that the customer may see, their own ones included, in order of position."""

    type: Literal["message"] = "message"
    conversation_id: int
    message_id: int
    position: int
    role: Literal["customer", "operator", "system"]
    author: str
    text: Annotated[str, Field(repr=False)]
    at: datetime


class Conversation(_Frame):
    """What follows belongs to this conversation; its positions start at 1."""

    type: Literal["conversation"] = "conversation"
    conversation_id: int
    status: str


class StatusChanged(_Frame):
    """The conversation is now open, resolved or archived."""

    type: Literal["status"] = "status"
    conversation_id: int
    status: str


class Refused(_Frame):
    """Something was turned down: a message when ``client_id`` is there, otherwise a frame.

    With ``retry_after`` (seconds) the same thing may well succeed later.
    """

    type: Literal["refused"] = "refused"
    code: str
    message: str
    client_id: str | None = None
    retry_after: float | None = None


class Pong(_Frame):
    type: Literal["pong"] = "pong"


class Draining(_Frame):
    """The server is about to stop; come back in ``retry_after`` seconds."""

    type: Literal["draining"] = "draining"
    retry_after: float


ServerFrame = (
    Welcome | Accepted | Message | Conversation | StatusChanged | Refused | Pong | Draining
)


@dataclass(frozen=True, slots=True)
class BadFrame:
    """What is wrong with a frame, in words that quote nothing of it."""

    code: str
    message: str

    def refused(self) -> Refused:
        return Refused(code=self.code, message=self.message)


def parse(raw: str) -> ClientFrame | BadFrame:
    """Read a text frame; whatever it holds, this returns."""
    try:
        return _client_frames.validate_json(raw)
    except ValidationError as error:
        return _explained(error.errors(include_url=False, include_context=False)[0])


def encode(frame: ServerFrame) -> str:
    """The text of a server frame."""
    return frame.model_dump_json()


def _explained(first: ErrorDetails) -> BadFrame:
    match first["type"]:
        case "json_invalid" | "model_attributes_type" | "model_type" | "dict_type":
            return BadFrame("frame_invalid", "A frame is one JSON object.")
        case "union_tag_invalid" | "union_tag_not_found":
            return BadFrame(
                "type_unknown", "The frame's type is not one of hello, message and ping."
            )
        case "extra_forbidden":
            return BadFrame("frame_invalid", "The frame holds a field that is not known.")
        case _:
            # The location starts with the frame's type, then the field: both are our own words.
            where = ".".join(str(part) for part in first["loc"][1:2])
            return BadFrame("frame_invalid", f"The field {where} is missing or not valid.")
