"""Three refunds against the demo's billing system: one for each way to treat an unknown outcome.

They have two crash points of their own, on either side of the call: the product cannot name what
happens inside a host's tool.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

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
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.demo.billing import BillingAway, BillingClient, BillingRefused
from cairnloop_engine.governance.tools import ALLOWED

BEFORE_CALL, AFTER_CALL = "tool.before_call", "tool.after_call"


class RefundInput(ToolInput):
    order: str = Field(min_length=1, max_length=40)
    amount_cents: int = Field(gt=0)


class Refund(Tool[RefundInput], abstract=True):
    """Pays money back; every request that arrives is one payment."""

    Input = RefundInput
    risk_tier = RiskTier.LOW_WRITE
    timeout = timedelta(minutes=5)

    # Whether the run key goes along as idempotency key.
    keyed: ClassVar[bool] = False

    def __init__(self, billing: BillingClient) -> None:
        self.billing = billing

    def authorize(self, given: RefundInput, asker: Asker) -> Verdict:
        return ALLOWED

    async def run(self, given: RefundInput, run: Run) -> Done:
        crashpoint(BEFORE_CALL)
        try:
            effect = await self.billing.refund(
                run.run_key,
                amount_cents=given.amount_cents,
                currency="EUR",
                order=given.order,
                attempt=run.attempt,
                idempotent=self.keyed,
            )
        except BillingAway as error:
            raise Transient(str(error)) from error
        except BillingRefused as error:
            raise Permanent(str(error)) from error
        crashpoint(AFTER_CALL)
        return Done("Paid back.", {"effect": effect.id})


class PlainRefund(Refund):
    """Neither reconciles nor is idempotent: what a kill hides, a person settles."""

    name = "plain_refund"
    title = "Refund an order"


class IdempotentRefund(Refund):
    """Billing knows the run key, so running it again is harmless."""

    name = "idempotent_refund"
    title = "Refund an order by key"
    idempotent = True
    keyed = True


class ReconcilingRefund(Refund):
    """Billing can be asked what it did."""

    name = "reconciling_refund"
    title = "Refund an order and ask"

    async def reconcile(self, run_key: str) -> Reconciled:
        effect = await self.billing.find(run_key)
        if effect is None:
            return Reconciled(Trace.ABSENT)
        return Reconciled(Trace.CONFIRMED, Done("Paid back.", {"effect": effect.id}))


class KeyedReconcilingRefund(ReconcilingRefund):
    """As a tool that asks should be written: it sends the key as well.

    That nothing has happened yet is all that a target can say. That nothing will, as
    ``Trace.ABSENT`` promises, holds against a caller that stands still only with the key.
    """

    name = "keyed_reconciling_refund"
    title = "Refund an order by key and ask"
    idempotent = True
    keyed = True
