"""From a question to a proposal: ground it, generate, and hold the answer to the contract.

The job that drafts, a replay of past drafts and an evaluation all go through here, so that what
is measured is what customers would get. Nothing here writes, and nothing can send.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting import compose
from cairnloop_engine.drafting.model import DraftingConfig, ProposalType
from cairnloop_engine.drafting.ports import DraftGenerator, Grounder, Line, ThreadedGenerator
from cairnloop_engine.drafting.proposal import (
    GroundingSnapshot,
    Proposal,
    fault,
    within_limit,
)
from cairnloop_engine.retrieval.model import GroundingBundle

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a draft is to answer.

    ``attempts`` counts the questions that were asked back already, ``thread`` holds the messages
    up to the one that is answered, oldest first.
    """

    conversation_id: ConversationId
    query: str
    attempts: int = 0
    thread: Sequence[Line] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A proposal, and the grounding that it was made from, after any second check of it."""

    bundle: GroundingBundle
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes proposals; called with no transaction open."""

    ground: Grounder
    generator: DraftGenerator
    config: DraftingConfig

    async def make(self, caller: Caller, asked: Asked) -> Made:
        """Ground a question and propose an answer.

        Raises:
            Unavailable: when the knowledge or the generator is away; trying later is safe.
        """
        assert_no_transaction("drafting")
        grounded = await self.ground(caller, asked.query, attempts=asked.attempts)
        bundle = within_limit(grounded, limit=self.config.clarification_limit)
        proposal = await self._proposal(asked, bundle)
        return Made(_as_judged(bundle, proposal), proposal)

    async def _proposal(self, asked: Asked, bundle: GroundingBundle) -> Proposal:
        """The generator's proposal, or the deterministic one when it broke the contract."""
        made = await self._generated(asked, bundle)
        broken = fault(made, bundle, max_length=self.config.max_length)
        if made.conversation_id != asked.conversation_id:
            broken = "other_conversation"
        if broken is None:
            return made
        log.warning("a proposal broke the contract", extra={"fault": broken})
        return compose.propose(asked.conversation_id, bundle, fallback_reason=broken)

    async def _generated(self, asked: Asked, bundle: GroundingBundle) -> Proposal:
        if isinstance(self.generator, ThreadedGenerator):
            return await self.generator.generate_in_thread(
                asked.conversation_id, bundle, asked.thread
            )
        return await self.generator.generate(asked.conversation_id, bundle)


def _as_judged(bundle: GroundingBundle, proposal: Proposal) -> GroundingBundle:
    """The bundle with the stricter grounding that a generator found on its second look."""
    if proposal.proposal_type is ProposalType.REPLY or not bundle.grounding.may_reply:
        return bundle
    found = GroundingSnapshot.from_json(proposal.grounding_metadata).grounding
    return bundle if found.may_reply else replace(bundle, grounding=found)
