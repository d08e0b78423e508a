"""The demo's tools: each acts on the demo's billing system, so that its effects can be counted."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, Field

from cairnloop_engine.core.errors import Unavailable
from cairnloop_engine.demo.billing import BillingAway, BillingClient, BillingRefused, BillingUnclear
from cairnloop_engine.governance.model import RiskTier, Target
from cairnloop_engine.governance.tools import (
    ALLOWED,
    Asker,
    Done,
    Permanent,
    Reconciled,
    Run,
    Tool,
    ToolInput,
    Trace,
    Transient,
    Unknown,
    Verdict,
    denied,
)
from cairnloop_engine.settings import Settings

BILLING_SCOPE = "billing"
# What support may give back without somebody from finance.
MOST_REFUNDED = Decimal(1000)
ORDER = r"^[A-Z]{2}-[0-9A-Z-]{1,30}$"
ACCOUNT = r"^[a-z0-9][a-z0-9-]{0,39}$"

InputT = TypeVar("InputT", bound=BaseModel)


class BillingTool(Tool[InputT], abstract=True):
    """A tool of the demo. Without an address of billing it refuses, before anything happens."""

    scopes = frozenset({BILLING_SCOPE})

    def __init__(self, url: str | None = None) -> None:
        self._url = url

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.demo_billing_url)

    @property
    def billing(self) -> BillingClient:
        """The client.

        Raises:
            Unavailable: ``demo_billing_missing``.
        """
        if self._url is None:
            raise Unavailable(
                "demo_billing_missing",
                "The demo's tools need its billing system: start `cairnloop demo`, and use the "
                "settings file that it names, or set CAIRNLOOP_DEMO_BILLING_URL.",
            )
        return BillingClient(self._url)

    def authorize(self, given: InputT, asker: Asker) -> Verdict:
        # The scope is the right; the approval is the barrier.
        return ALLOWED

    async def target(self, kind: str, name: str) -> Target:
        """An order or account of billing, at the revision that it has now."""
        record = await self.billing.record(kind, name)
        return Target(kind, name, str(record.revision))

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[BillingClient]:
        """Billing's answers in the words of a tool."""
        try:
            client = self.billing
        except Unavailable as error:
            raise Transient(error.message) from error
        try:
            yield client
        except BillingAway as error:
            raise Transient("Billing could not be reached; nothing happened.") from error
        except BillingRefused as error:
            raise Permanent("Billing refused; nothing happened.") from error
        except BillingUnclear as error:
            raise Unknown("Billing gave no clear answer.") from error


class RefundInput(ToolInput):
    """What is given back, and for which order."""

    order: str = Field(pattern=ORDER, description="The order, such as TM-2041.")
    amount: Decimal = Field(gt=0, le=10_000, decimal_places=2, description="How much.")
    currency: Literal["USD", "EUR"] = Field("USD", description="In which currency.")


class Refund(BillingTool[RefundInput]):
    """Billing has no idempotent refund, but can tell what became of a run key."""

    name = "refund"
    title = "Refund an order"
    description = "Gives money back to the card that paid for an order."
    risk_tier = RiskTier.HIGH_WRITE
    Input = RefundInput

    def authorize(self, given: RefundInput, asker: Asker) -> Verdict:
        if given.amount > MOST_REFUNDED:
            return denied("over_limit", f"Support refunds at most {MOST_REFUNDED}; ask finance.")
        return ALLOWED

    def preview(self, given: RefundInput) -> str:
        return (
            f"Gives {given.amount:.2f} {given.currency} back for order {given.order}, to the card "
            "that paid. It cannot be taken back."
        )

    def business_key(self, given: RefundInput) -> str:
        return f"refund:{given.order}"

    async def targets(self, given: RefundInput, asker: Asker) -> Sequence[Target]:
        return [await self.target("order", given.order)]

    async def run(self, given: RefundInput, run: Run) -> Done:
        async with self.calling() as billing:
            effect = await billing.refund(
                run.run_key,
                amount_cents=int(given.amount * 100),
                currency=given.currency,
                order=given.order,
                attempt=run.attempt,
            )
        return Done(
            f"Refunded {given.amount:.2f} {given.currency} for order {given.order}.",
            {"refund": effect.id, "order": given.order},
        )

    async def reconcile(self, run_key: str) -> Reconciled:
        effect = await self.billing.find(run_key)
        if effect is None:
            return Reconciled(Trace.ABSENT)
        done = Done("Billing confirms the refund.", {"refund": effect.id})
        return Reconciled(Trace.CONFIRMED, done)


class SeatsInput(ToolInput):
    """Whose seats, and how many."""

    account: str = Field(pattern=ACCOUNT, description="The account, such as globex.")
    seats: int = Field(ge=1, le=500, description="How many seats it pays for from now on.")


class ChangeSeats(BillingTool[SeatsInput]):
    """Billing does it once for each run key, so an unknown outcome is simply tried again."""

    name = "change_seats"
    title = "Change the number of seats"
    description = "Sets how many seats an account pays for."
    risk_tier = RiskTier.LOW_WRITE
    idempotent = True
    Input = SeatsInput

    def preview(self, given: SeatsInput) -> str:
        return (
            f"Sets the account {given.account} to {given.seats} seats. Its next invoice follows, "
            "and so do its pending invitations."
        )

    def business_key(self, given: SeatsInput) -> str:
        return f"seats:{given.account}"

    async def targets(self, given: SeatsInput, asker: Asker) -> Sequence[Target]:
        return [await self.target("account", given.account)]

    async def run(self, given: SeatsInput, run: Run) -> Done:
        async with self.calling() as billing:
            await billing.change_seats(
                run.run_key,
                account=given.account,
                seats=given.seats,
                attempt=run.attempt,
                idempotent=True,
            )
        return Done(f"{given.account} has {given.seats} seats now.", {"seats": given.seats})


class OrderInput(ToolInput):
    """Which order."""

    order: str = Field(pattern=ORDER, description="The order, such as TM-2041.")


class LookUpOrder(BillingTool[OrderInput]):
    """Reads only, so nobody has to approve it."""

    name = "look_up_order"
    title = "Look up an order"
    description = "Tells what was given back for an order so far."
    risk_tier = RiskTier.READ_ONLY
    idempotent = True
    Input = OrderInput

    def preview(self, given: OrderInput) -> str:
        return f"Reads what billing knows of order {given.order}. Nothing changes."

    async def run(self, given: OrderInput, run: Run) -> Done:
        async with self.calling() as billing:
            found = await billing.record("order", given.order)
        given_back = Decimal(found.refunded_cents) / 100
        return Done(
            f"Order {given.order}: {found.refunds} refunds, {given_back:.2f} in all.",
            {"refunds": found.refunds, "revision": found.revision},
        )


class AccountInput(ToolInput):
    """Which account."""

    account: str = Field(pattern=ACCOUNT, description="The account, such as globex.")


class CloseAccount(BillingTool[AccountInput]):
    """Destructive, so it is always blocked: nobody can approve it."""

    name = "close_account"
    title = "Close an account for good"
    description = "Deletes an account and everything in it."
    risk_tier = RiskTier.DESTRUCTIVE
    Input = AccountInput

    async def run(self, given: AccountInput, run: Run) -> Done:
        async with self.calling() as billing:
            await billing.close_account(run.run_key, account=given.account, attempt=run.attempt)
        return Done(f"{given.account} is closed.")


class ExportInput(AccountInput):
    """Which account, and how long billing takes over it."""

    takes_s: float = Field(10.0, ge=0, le=30, description="How long it takes, in seconds.")


class ExportUsage(BillingTool[ExportInput]):
    """Slow, to be looked at while it runs."""

    name = "export_usage"
    title = "Export a usage report"
    description = "Writes a usage report, which takes a while."
    risk_tier = RiskTier.LOW_WRITE
    idempotent = True
    timeout = timedelta(seconds=45)
    Input = ExportInput

    def preview(self, given: ExportInput) -> str:
        return f"Writes a usage report of {given.account}; it takes {given.takes_s:g} seconds."

    async def run(self, given: ExportInput, run: Run) -> Done:
        async with self.calling() as billing:
            patient = BillingClient(billing.base_url, timeout=self.timeout.total_seconds())
            await patient.export_usage(
                run.run_key,
                account=given.account,
                takes_s=given.takes_s,
                attempt=run.attempt,
                idempotent=True,
            )
        return Done(f"The usage report of {given.account} is written.")


class HighRiskInput(ToolInput):
    """Why it is wanted."""

    conversation_id: int = Field(gt=0, description="The conversation that it is about.")
    reason: str = Field(min_length=1, max_length=500, description="Why it is wanted.")


class HighRiskDemoAction(BillingTool[HighRiskInput]):
    """Does nothing but leave a trace at billing. Neither reconciles nor may be repeated."""

    name = "high_risk_demo"
    title = "High-risk demo action"
    description = "Shows how an action of high risk is governed; it changes nothing."
    risk_tier = RiskTier.HIGH_WRITE
    scopes = frozenset()
    Input = HighRiskInput

    def preview(self, given: HighRiskInput) -> str:
        return "Shows what a risky action looks like. Nothing changes but a line at billing."

    async def run(self, given: HighRiskInput, run: Run) -> Done:
        async with self.calling() as billing:
            await billing.demonstrate(
                run.run_key, conversation_id=given.conversation_id, attempt=run.attempt
            )
        return Done("The demonstration ran.", {"conversation_id": given.conversation_id})


class MoveInput(ToolInput):
    """From where to where, and whether the worker is to die in the middle."""

    account: str = Field(pattern=ACCOUNT, description="The account that has the subscription.")
    to: str = Field(pattern=ACCOUNT, description="The account that gets it.")
    dies_half_way: bool = Field(
        False, description="For the demo: the worker dies when billing has answered."
    )


class MoveSubscription(BillingTool[MoveInput]):
    """Old billing software: it cannot be asked, and it does everything twice that is sent twice.

    With ``dies_half_way`` the worker that runs it is killed between the effect and its record, as
    a power cut would. Only an engine that has the demo's billing system gets that far.
    """

    name = "move_subscription"
    title = "Move a subscription"
    description = "Moves what one account pays for to another account."
    risk_tier = RiskTier.HIGH_WRITE
    Input = MoveInput

    def preview(self, given: MoveInput) -> str:
        said = f"Moves the subscription of {given.account} to {given.to}."
        return f"{said} The worker dies half way, on purpose." if given.dies_half_way else said

    def business_key(self, given: MoveInput) -> str:
        return f"move:{given.account}"

    async def targets(self, given: MoveInput, asker: Asker) -> Sequence[Target]:
        return [await self.target("account", name) for name in sorted({given.account, given.to})]

    async def run(self, given: MoveInput, run: Run) -> Done:
        async with self.calling() as billing:
            await billing.move_subscription(
                run.run_key, account=given.account, to=given.to, attempt=run.attempt
            )
        if given.dies_half_way:
            os.kill(os.getpid(), signal.SIGKILL)
        return Done(f"The subscription of {given.account} belongs to {given.to} now.")
