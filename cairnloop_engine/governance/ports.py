"""The seams of governance: who holds which right, and who may decide."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from cairnloop_engine.core.actors import Actor, ActorKind
from cairnloop_engine.governance.model import RiskTier


@dataclass(frozen=True, slots=True)
class DecisionAsked:
    """What an operator wants to decide."""

    workspace: str
    tool: str
    risk_tier: RiskTier
    proposed_by: Actor
    account_id: str | None
    conversation_id: int | None


class IdentityProvider(Protocol):
    """Tells which rights somebody holds now. Asked when an action is proposed and again before it
    runs, with no transaction open and a deadline.

    Raising ``Unavailable`` or being late postpones what depends on the answer; it never allows.
    """

    async def scopes(self, actor: Actor, workspace: str) -> Collection[str]:
        """The scopes that the actor holds at this moment."""
        ...

    async def may_decide(self, operator: Actor, asked: DecisionAsked) -> bool:
        """Whether this operator may approve, reject or settle this action."""
        ...


class ConfiguredIdentity:
    """The default: every operator holds the same configured scopes and may decide."""

    def __init__(
        self, *, operators: Collection[str] = (), automation: Collection[str] = ()
    ) -> None:
        self._held = {
            ActorKind.OPERATOR: frozenset(operators),
            ActorKind.SYSTEM: frozenset(automation),
        }

    async def scopes(self, actor: Actor, workspace: str) -> Collection[str]:
        return self._held.get(actor.kind, frozenset())

    async def may_decide(self, operator: Actor, asked: DecisionAsked) -> bool:
        return operator.kind is ActorKind.OPERATOR
