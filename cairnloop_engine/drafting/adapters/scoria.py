"""Scoria: the deterministic generator, which needs no key and never leaves the process."""

from __future__ import annotations

from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting import compose
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.retrieval.model import GroundingBundle


class Scoria:
    """Composes a cited reply, one targeted question, or a hand-over, from the bundle alone."""

    async def generate(self, conversation_id: ConversationId, bundle: GroundingBundle) -> Proposal:
        return compose.propose(conversation_id, bundle)
