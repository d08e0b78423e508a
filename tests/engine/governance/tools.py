"""Tools whose effects are counted here, so that a test can say how often something happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import Field

from cairnloop_engine import (
    Asker,
    Done,
    Permanent,
    Reconciled,
    RiskTier,
    Run,
    Tool,
    ToolInput,
    Trace,
    Transient,
    Verdict,
)
from cairnloop_engine.governance.model import Target
from cairnloop_engine.governance.tools import ALLOWED, denied


@dataclass(slots=True)
class Ledger:
    """What really happened, as the outside world saw it."""

    effects: list[tuple[str, str]] = field(default_factory=list)
    calls: list[Run] = field(default_factory=list)
    revisions: dict[str, str] = field(default_factory=dict)
    traces: list[Reconciled] = field(default_factory=list)
    # What the next calls do instead of succeeding, first one first.
    troubles: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def effect(self, run: Run, what: str) -> None:
        """One call of a tool: trouble first, the effect when there is none."""
        self.calls.append(run)
        if self.troubles:
            await self.troubles.pop(0)()
        self.effects.append((run.run_key, what))

    def fail(self, *errors: Exception) -> None:
        """Let the next calls fail like this, before any effect."""
        for error in errors:
            self.troubles.append(_raising(error))


def _raising(error: Exception) -> Callable[[], Awaitable[None]]:
    async def trouble() -> None:
        raise error

    return trouble


class RefundInput(ToolInput):
    order: str = Field(min_length=1, max_length=40)
    amount: Decimal = Field(gt=0, decimal_places=2)
    card_token: str | None = Field(None, json_schema_extra={"sensitive": True})


class Counted(Tool[RefundInput], abstract=True):
    """A tool that writes into the ledger of a test."""

    Input = RefundInput

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def authorize(self, given: RefundInput, asker: Asker) -> Verdict:
        return denied("too_much", "That is too much.") if given.amount > 5000 else ALLOWED

    def preview(self, given: RefundInput) -> str | None:
        return f"Pays {given.amount} back for order {given.order}."

    async def run(self, given: RefundInput, run: Run) -> Done:
        await self.ledger.effect(run, f"{given.order}:{given.amount}")
        return Done(f"Paid {given.amount} back.", {"order": given.order})


class Refund(Counted):
    """Neither reconciles nor is idempotent: a person settles what nobody can know."""

    name = "refund"
    title = "Refund an order"
    risk_tier = RiskTier.HIGH_WRITE
    scopes = frozenset({"billing"})

    async def targets(self, given: RefundInput, asker: Asker) -> Sequence[Target]:
        return [Target("order", given.order, self.ledger.revisions.get(given.order, "1"))]


class Credit(Counted):
    """Declared harmless to run again with the same key."""

    name = "credit"
    title = "Credit an account"
    risk_tier = RiskTier.LOW_WRITE
    idempotent = True


class Reconciling(Counted):
    """Can be asked what became of a run key."""

    name = "charge"
    title = "Charge a card"
    risk_tier = RiskTier.LOW_WRITE

    async def reconcile(self, run_key: str) -> Reconciled:
        if self.ledger.traces:
            return self.ledger.traces.pop(0)
        seen = any(key == run_key for key, _ in self.ledger.effects)
        return Reconciled(Trace.CONFIRMED if seen else Trace.ABSENT)


class Lookup(Counted):
    """Reads only, so it needs nobody."""

    name = "lookup"
    title = "Look an order up"
    risk_tier = RiskTier.READ_ONLY


class Wipe(Counted):
    """Destructive, so nobody may."""

    name = "wipe"
    title = "Wipe an account"
    risk_tier = RiskTier.DESTRUCTIVE


class Grouped(Counted):
    """Two people who ask for the same order ask for one thing."""

    name = "grouped"
    title = "Refund once for each order"
    risk_tier = RiskTier.LOW_WRITE

    def business_key(self, given: RefundInput) -> str | None:
        return f"order:{given.order}"


class Unguarded(Tool[RefundInput]):
    """Has no policy of its own."""

    name = "unguarded"
    title = "Do what nobody allowed"
    risk_tier = RiskTier.LOW_WRITE
    Input = RefundInput


ALL = (Refund, Credit, Reconciling, Lookup, Wipe, Grouped)

__all__ = ["ALL", "Ledger", "Permanent", "Transient", "Unguarded"]
