"""Keyset paging: a page of rows and the opaque cursor that leads to the next one."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cairnloop_engine.core.errors import Invalid, JsonValue

T = TypeVar("T")

MAX_LIMIT = 500
LARGEST_ID = 2**63 - 1
REFUSED_CURSOR = "This page cursor is not valid; start from the first page."


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursor for what follows; ``next`` is None on the last page."""

    items: tuple[T, ...]
    next: str | None = None


def encode_cursor(values: Sequence[JsonValue]) -> str:
    """Pack the sort key of the last row of a page."""
    packed = json.dumps(list(values), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode_cursor(cursor: str, *, length: int) -> list[JsonValue]:
    """Unpack a cursor of ``length`` values.

    Raises:
        Invalid: ``cursor_invalid`` when it was not made by :func:`encode_cursor`.
    """
    refused = Invalid("cursor_invalid", REFUSED_CURSOR)
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        values = json.loads(packed)
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise refused from error
    if not isinstance(values, list) or len(values) != length:
        raise refused
    return values


def decode_number(cursor: str) -> int:
    """Unpack a cursor that holds one whole number.

    Raises:
        Invalid: ``cursor_invalid``.
    """
    (value,) = decode_cursor(cursor, length=1)
    if not isinstance(value, int) or not 0 <= value <= LARGEST_ID:
        raise Invalid("cursor_invalid", REFUSED_CURSOR)
    return value


def checked_limit(limit: int) -> int:
    """The limit, when it is usable.

    Raises:
        Invalid: ``limit_invalid`` outside 1…500.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid("limit_invalid", f"A limit lies between 1 and {MAX_LIMIT}.", limit=limit)
    return limit
