"""What Trailmark knows about its customers, as a host would tell the engine."""

from __future__ import annotations

from cairnloop_engine.conversations.ports import Sections
from cairnloop_engine.core.actors import Actor
from cairnloop_engine.demo.files import cast, hostile_cast


class DemoContextProvider:
    """Answers for the customers of the scenario; nothing is known of anybody else.

    Name it in the settings: ``cairnloop_engine.demo.context:DemoContextProvider``.
    """

    def __init__(self) -> None:
        people = [*cast().customers.values(), *hostile_cast().values()]
        self._known = {person.ref: person.context for person in people}

    async def context(self, customer_ref: str, *, actor: Actor | None) -> Sections:
        """The sections of one customer; an empty mapping when nothing is known."""
        return self._known.get(customer_ref, {})
