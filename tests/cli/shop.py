"""Tools of a shop whose effects are lines in a file, so that a test can count them."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

from pydantic import Field

from cairnloop_engine import Asker, Done, Permanent, RiskTier, Run, Tool, ToolInput, Verdict
from cairnloop_engine.drafting.ports import SuggestedAction, SuggestionContext
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.governance.tools import ALLOWED, denied

SINK = "TEST_SHOP_EFFECTS"


class RefundInput(ToolInput):
    order: str = Field(min_length=1, max_length=40)
    amount: Decimal = Field(gt=0, decimal_places=2)
    iban: str | None = Field(None, json_schema_extra={"sensitive": True})
    card_token: str | None = Field(None, json_schema_extra={"sensitive": True})


class Refund(Tool[RefundInput]):
    """Pays back; an order called LOST has an effect and then no answer."""

    name = "refund"
    title = "Refund an order"
    risk_tier = RiskTier.LOW_WRITE
    Input = RefundInput

    def authorize(self, given: RefundInput, asker: Asker) -> Verdict:
        return denied("too_much", "That is too much.") if given.amount > 5000 else ALLOWED

    def preview(self, given: RefundInput) -> str:
        return f"Pays {given.amount} back for order {given.order}."

    async def run(self, given: RefundInput, run: Run) -> Done:
        if given.order == "GONE":
            raise Permanent("There is no such order.")
        with Path(os.environ[SINK]).open("a", encoding="utf-8") as sink:
            sink.write(f"{run.run_key} {given.order} {given.amount}\n")
        if given.order == "LOST":
            raise ConnectionResetError
        return Done(f"Paid {given.amount} back.", {"order": given.order})


class Suggester:
    """Suggests a refund to whoever writes about an order."""

    async def suggest(
        self, proposal: Proposal, context: SuggestionContext
    ) -> SuggestedAction | None:
        order = "A-17" if "A-17" in context.turn.messages[0] else "B-1"
        amount = "82.00" if order == "A-17" else "9999.00"
        return SuggestedAction("refund", {"order": order, "amount": amount})


class Payout(Refund):
    """The same, but too risky for one person alone, and only for those with the right."""

    name = "payout"
    title = "Pay out"
    risk_tier = RiskTier.HIGH_WRITE
    scopes = frozenset({"billing"})
