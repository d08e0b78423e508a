"""What a host may plug in: facts about the customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cairnloop_engine.core.actors import Actor
from cairnloop_engine.core.errors import JsonValue

Sections = Mapping[str, Mapping[str, JsonValue]]


class ContextProvider(Protocol):
    """Tells what the host knows about a customer.

    Called outside transactions, with a deadline; an exception or a late answer is shown as
    "unavailable" and never stops the operator. An empty mapping means that nothing is known.
    """

    async def context(self, customer_ref: str, *, actor: Actor | None) -> Sections:
        """Sections of label → value; values are text, numbers, booleans or lists of those."""
        ...


class NoContext:
    """The default: the host has told us nothing."""

    async def context(self, customer_ref: str, *, actor: Actor | None) -> Sections:
        return {}
