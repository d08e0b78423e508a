"""Every failure of a host's policy means that a person decides."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting.model import PolicyVerdict
from cairnloop_engine.drafting.policy import RequireApproval, policy_name, verdict
from cairnloop_engine.drafting.ports import AutomationPolicy, PolicyContext
from cairnloop_engine.drafting.proposal import Proposal
from tests.engine.drafting.builders import bundle, clarifying, escalating, proposal

CONTEXT = PolicyContext("default", ConversationId(1), "customer-1", bundle())


class Says:
    """A policy that answers one thing, whatever it is asked."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked = 0

    async def decide(self, proposal: Proposal, context: PolicyContext) -> PolicyVerdict:
        self.asked += 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]


class NeverAnswers:
    async def decide(self, proposal: Proposal, context: PolicyContext) -> PolicyVerdict:
        await asyncio.Event().wait()
        return PolicyVerdict.ALLOW


async def ask(policy: AutomationPolicy, about: Proposal | None = None) -> PolicyVerdict:
    return await verdict(policy, about or proposal(), CONTEXT, within=timedelta(milliseconds=50))


@pytest.mark.requirement("03-retrieval-drafting:89")
async def test_by_default_a_person_decides() -> None:
    assert await ask(RequireApproval()) is PolicyVerdict.REQUIRE_APPROVAL


@pytest.mark.parametrize("answer", PolicyVerdict)
async def test_a_known_answer_counts(answer: PolicyVerdict) -> None:
    assert await ask(Says(answer)) is answer
    assert await ask(Says(answer.value)) is answer


@pytest.mark.requirement("03-retrieval-drafting:107")
@pytest.mark.parametrize("answer", ["ALLOW", "yes", None, True, 1, [], ValueError("secret")])
async def test_an_unknown_answer_or_an_exception_means_approval(answer: object) -> None:
    assert await ask(Says(answer)) is PolicyVerdict.REQUIRE_APPROVAL


async def test_a_late_answer_means_approval() -> None:
    assert await ask(NeverAnswers()) is PolicyVerdict.REQUIRE_APPROVAL


@pytest.mark.parametrize("of", [clarifying(), escalating()])
async def test_questions_and_hand_overs_go_to_a_person_unasked(of: object) -> None:
    policy = Says(PolicyVerdict.ALLOW)

    answer = await ask(policy, proposal(of))  # type: ignore[arg-type]

    assert answer is PolicyVerdict.REQUIRE_APPROVAL
    assert policy.asked == 0


def test_a_policy_is_known_by_its_class() -> None:
    assert policy_name(Says(None)) == "Says"
