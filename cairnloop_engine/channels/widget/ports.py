"""What a host may plug into the chat: its own way to tell who a visitor is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.errors import Forbidden
from cairnloop_engine.core.text import is_blank, storable

LONGEST_REFERENCE = 200


@dataclass(frozen=True, slots=True)
class WidgetIdentity:
    """A visitor whose token was found right. ``expires_at`` None means: until they leave.

    Raises:
        Forbidden: ``unauthorized`` when the reference or the workspace cannot name anybody.
    """

    customer_ref: str
    workspace: str
    expires_at: datetime | None = None
    name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for value in (self.customer_ref, self.workspace):
            usable = (
                isinstance(value, str)
                and not is_blank(value)
                and len(value) <= LONGEST_REFERENCE
                and value == storable(value)
            )
            if not usable:
                raise unauthorized()

    @property
    def key(self) -> tuple[str, str]:
        """What makes two visitors the same one."""
        return (self.workspace, self.customer_ref)

    def caller(self) -> Caller:
        return Caller.customer(self.customer_ref, self.workspace)


class WidgetVerifier(Protocol):
    """Turns the token of a first frame into an identity.

    It is called outside any transaction, with a deadline. Whatever it raises counts as
    ``unauthorized``; a token that is not right is best answered by raising :func:`unauthorized`.
    """

    async def verify(self, token: str) -> WidgetIdentity:
        """Who holds this token. Raises anything when nobody may."""
        ...


def unauthorized() -> Forbidden:
    """The one answer to every wrong token; it does not say what was wrong."""
    return Forbidden(
        "unauthorized",
        "This chat link is not valid, or no longer. Open the chat again from where you came.",
    )
