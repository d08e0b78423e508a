"""The filter grammar of the inbox: ``is:open who:me has:draft "double charge"``. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace

from cairnloop_engine.conversations.model import WAITING, State
from cairnloop_engine.core.errors import Invalid

_FIELD = re.compile(r"^(is|who|has|customer):(.*)$", re.IGNORECASE)

_STATES: dict[str, frozenset[State]] = {
    "new": frozenset({State.NEW}),
    "open": frozenset({State.OPEN}),
    "awaiting": frozenset({State.AWAITING_CUSTOMER}),
    "awaiting_customer": frozenset({State.AWAITING_CUSTOMER}),
    "resolved": frozenset({State.RESOLVED}),
    "archived": frozenset({State.ARCHIVED}),
    "waiting": WAITING,
    "active": frozenset({State.NEW, State.OPEN, State.AWAITING_CUSTOMER}),
}


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """Which conversations to list. Empty ``states`` means any; ``assignee`` "" means nobody."""

    states: frozenset[State] = frozenset()
    assignee: str | None = None
    customer_ref: str | None = None
    has_draft: bool = False
    has_held: bool = False
    has_action: bool = False
    text: str = ""

    @classmethod
    def parse(cls, expression: str, *, me: str | None = None) -> InboxFilter:
        """Read a filter expression; words without a field search subject, customer and excerpt.

        Raises:
            Invalid: ``filter_invalid``, naming the part that is not understood.
        """
        wanted = cls()
        words: list[str] = []
        for part in _parts(expression):
            match = _FIELD.match(part)
            if match is None:
                words.append(part)
            else:
                wanted = _narrowed(wanted, match[1].lower(), match[2], me)
        return replace(wanted, text=" ".join(words))


def _parts(expression: str) -> list[str]:
    try:
        return shlex.split(expression)
    except ValueError:
        # An unbalanced quote is half-typed text, not a mistake worth refusing.
        return expression.split()


def _narrowed(wanted: InboxFilter, field: str, value: str, me: str | None) -> InboxFilter:
    match field, value.lower():
        case "is", state if state in _STATES:
            return replace(wanted, states=wanted.states | _STATES[state])
        case "who", "me":
            if me is None:
                raise Invalid("filter_invalid", "`who:me` needs an operator; pass --operator NAME.")
            return replace(wanted, assignee=me)
        case "who", "nobody" | "none":
            return replace(wanted, assignee="")
        case "who", name if name:
            return replace(wanted, assignee=value)
        case "has", "draft":
            return replace(wanted, has_draft=True)
        case "has", "held":
            return replace(wanted, has_held=True)
        case "has", "action":
            return replace(wanted, has_action=True)
        case "customer", ref if ref:
            return replace(wanted, customer_ref=value)
    known = ", ".join(sorted(_STATES))
    raise Invalid(
        "filter_invalid",
        f"`{field}:{value}` is not a filter. Use is:({known}), who:me|nobody|NAME, "
        "has:draft|held|action, customer:REF, or plain words.",
        field=field,
    )
