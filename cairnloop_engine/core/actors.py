"""Who acts: the actor on every change, and the caller that an edge hands to the engine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cairnloop_engine.core.errors import Forbidden, Invalid
from cairnloop_engine.core.text import is_blank, storable

DEFAULT_WORKSPACE = "default"
LONGEST_NAME = 200


class ActorKind(StrEnum):
    OPERATOR = "operator"
    CUSTOMER = "customer"
    SYSTEM = "system"
    TOKEN = "token"  # noqa: S105 - an actor kind, not a secret


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody or something that changes state. There is no default actor.

    Raises:
        Invalid: ``actor_blank`` when the id holds nothing visible, ``actor_invalid`` when it
            cannot be stored, ``actor_too_long`` past 200 characters.
    """

    kind: ActorKind
    id: str

    def __post_init__(self) -> None:
        if is_blank(self.id):
            raise Invalid("actor_blank", "An actor needs a name that can be seen.")
        if storable(self.id) != self.id:
            raise Invalid("actor_invalid", "A name must be plain text.")
        if len(self.id) > LONGEST_NAME:
            raise Invalid(
                "actor_too_long",
                f"A name has at most {LONGEST_NAME} characters.",
                limit=LONGEST_NAME,
            )

    @classmethod
    def operator(cls, name: str) -> Actor:
        return cls(ActorKind.OPERATOR, name.strip())

    @classmethod
    def customer(cls, customer_ref: str) -> Actor:
        return cls(ActorKind.CUSTOMER, customer_ref)

    @classmethod
    def system(cls, name: str) -> Actor:
        return cls(ActorKind.SYSTEM, name)


@dataclass(frozen=True, slots=True)
class Caller:
    """An edge's standing: who asks, and in which workspace. Reads need no actor, writes do."""

    actor: Actor | None
    workspace: str = DEFAULT_WORKSPACE

    def __post_init__(self) -> None:
        if not self.workspace.strip():
            raise Invalid("workspace_blank", "A workspace needs a name that is not blank.")

    @classmethod
    def operator(cls, name: str | None, workspace: str = DEFAULT_WORKSPACE) -> Caller:
        """The caller of a console or a command line; a missing name leaves it read-only."""
        return cls(None if name is None or is_blank(name) else Actor.operator(name), workspace)

    @classmethod
    def customer(cls, customer_ref: str, workspace: str = DEFAULT_WORKSPACE) -> Caller:
        return cls(Actor.customer(customer_ref), workspace)

    @classmethod
    def system(cls, name: str, workspace: str = DEFAULT_WORKSPACE) -> Caller:
        return cls(Actor.system(name), workspace)

    def acting(self) -> Actor:
        """The actor, when there is one.

        Raises:
            Forbidden: ``operator_missing`` when nobody is named.
        """
        if self.actor is None:
            raise Forbidden(
                "operator_missing",
                "No operator is named, so nothing was changed. "
                "Pass --operator NAME or set CAIRNLOOP_OPERATOR.",
            )
        return self.actor

    def acting_operator(self) -> Actor:
        """The actor, when it is an operator.

        Raises:
            Forbidden: ``operator_missing`` or ``operator_required``.
        """
        actor = self.acting()
        if actor.kind is not ActorKind.OPERATOR:
            raise Forbidden(
                "operator_required",
                "Only a named operator may do this.",
                actor_kind=actor.kind.value,
            )
        return actor
