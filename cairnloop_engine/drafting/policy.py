"""Asking the automation policy, so that every failure of it means that a person decides."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.drafting.model import PolicyVerdict, ProposalType
from cairnloop_engine.drafting.ports import AutomationPolicy, PolicyContext
from cairnloop_engine.drafting.proposal import Proposal

log = logging.getLogger(__name__)


class RequireApproval:
    """The default: an operator decides about everything."""

    async def decide(self, proposal: Proposal, context: PolicyContext) -> PolicyVerdict:
        return PolicyVerdict.REQUIRE_APPROVAL


async def verdict(
    policy: AutomationPolicy, proposal: Proposal, context: PolicyContext, *, within: timedelta
) -> PolicyVerdict:
    """The policy's answer about a reply; questions and hand-overs always go to a person.

    Fails closed: an exception, a late or an unknown answer is ``require_approval``.
    """
    assert_no_transaction("an automation policy")
    if proposal.proposal_type is not ProposalType.REPLY:
        return PolicyVerdict.REQUIRE_APPROVAL
    try:
        async with asyncio.timeout(within.total_seconds()):
            answer = await policy.decide(proposal, context)
        return PolicyVerdict(answer)
    except Exception as error:
        # Host code may fail in any way; the class says enough, its words may hold anything.
        log.warning(
            "automation policy failed, approval is required",
            extra={"policy": policy_name(policy), "error": type(error).__name__},
        )
        return PolicyVerdict.REQUIRE_APPROVAL


def policy_name(policy: AutomationPolicy) -> str:
    """How a policy is called in the audit trail."""
    return type(policy).__name__
