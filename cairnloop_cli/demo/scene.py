"""What the stages of the golden path work with, and what one leaves for the next."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_cli.demo.processes import Crew
from cairnloop_cli.demo.stage import Place
from cairnloop_engine import Caller, Engine
from cairnloop_engine.conversations.reads import InboxRow, MessageView
from cairnloop_engine.core.ids import ConversationId, ProposalId
from cairnloop_engine.demo.billing import BillingClient
from cairnloop_engine.demo.scenario import Person

NO_CONVERSATION = ConversationId(0)
NO_ACTION = ProposalId(0)
WITHIN_S = 60.0
LOOK_EVERY_S = 0.1


@dataclass(slots=True)
class Scene:
    """The running demo as the stages see it."""

    engine: Engine
    place: Place
    crew: Crew
    operator: Caller
    # Decides about what the operator proposes.
    colleague: Caller
    customer: Person
    # Somebody else's conversation, on which a reply with a citation is tried.
    neighbour: ConversationId
    billing: BillingClient
    conversation_id: ConversationId = NO_CONVERSATION
    refund: ProposalId = NO_ACTION

    @property
    def token(self) -> str:
        return self.place.chat_link(self.customer).partition("#token=")[2]

    async def row(self) -> InboxRow:
        return await self.engine.conversations.conversation(self.operator, self.conversation_id)

    async def messages(self, conversation_id: ConversationId) -> tuple[MessageView, ...]:
        thread = await self.engine.conversations.thread(self.operator, conversation_id)
        return thread.messages
