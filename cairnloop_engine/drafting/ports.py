"""The seams of drafting: who grounds, who writes, who decides what may go out by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ConversationId, DraftId, ProposalId
from cairnloop_engine.drafting.model import PolicyVerdict, SuggestionState
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.retrieval.model import GroundingBundle


@dataclass(frozen=True, slots=True)
class CustomerTurn:
    """What a query is made of: the subject and the customer's last words, newest first.

    ``unanswered`` counts those that came after the last reply; None when nobody replied yet.
    """

    subject: str | None
    messages: Sequence[str]
    unanswered: int | None = None


class Speaker(StrEnum):
    """Whose message it is. Notes and messages of the system have no speaker: none is shown."""

    CUSTOMER = "customer"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a thread, as its customer could read it."""

    speaker: Speaker
    text: str


class QueryBuilder(Protocol):
    """Turns a thread into the question that retrieval answers. Pure."""

    def __call__(self, turn: CustomerTurn) -> str: ...


class QueryRewriter(Protocol):
    """Words what a customer asks last as a question that stands on its own, say with a model.

    ``query`` is what would be searched without it, ``thread`` the last messages, oldest first.
    Called with no transaction open; whatever fails leaves the query as it was.
    """

    async def rewrite(self, query: str, thread: Sequence[Line]) -> str: ...


class Grounder(Protocol):
    """Finds what the knowledge says about a question; called with no transaction open.

    What retrieval can do without (a vector, an embedder) is a degraded bundle, never an error.
    Raises ``Unavailable`` when the database is away.
    """

    async def __call__(self, caller: Caller, query: str, *, attempts: int) -> GroundingBundle: ...


class DraftGenerator(Protocol):
    """Turns grounding into a proposal that a person reviews; called with no transaction open.

    An answer may be composed only when the grounding is strong; otherwise the generator asks
    for the missing detail or recommends a hand-over. A proposal that breaks this is replaced by
    the deterministic one. Raising ``Unavailable`` makes the job try again later.
    """

    async def generate(
        self, conversation_id: ConversationId, bundle: GroundingBundle
    ) -> Proposal: ...


@runtime_checkable
class ThreadedGenerator(Protocol):
    """A generator that also wants the thread; called in the place of :class:`DraftGenerator`.

    ``thread`` holds the last messages of customer and operators up to the one that is answered,
    oldest first. The same contract holds as without it.
    """

    async def generate_in_thread(
        self, conversation_id: ConversationId, bundle: GroundingBundle, thread: Sequence[Line]
    ) -> Proposal: ...


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """What a policy may look at beside the proposal."""

    workspace: str
    conversation_id: ConversationId
    customer_ref: str | None
    bundle: GroundingBundle


class AutomationPolicy(Protocol):
    """Says what may happen with a proposed reply; called with no transaction open.

    An unknown answer, an exception or a late answer counts as ``require_approval``.
    """

    async def decide(self, proposal: Proposal, context: PolicyContext) -> PolicyVerdict: ...


@dataclass(frozen=True, slots=True)
class SuggestedAction:
    """A tool of this site, and what it is to be given."""

    tool: str
    input: JsonObject


@dataclass(frozen=True, slots=True)
class SuggestionContext:
    """What a suggester may look at beside the proposal: whose thread it is, and their words."""

    workspace: str
    conversation_id: ConversationId
    customer_ref: str | None
    turn: CustomerTurn


class ActionSuggester(Protocol):
    """Names an action that would settle what the customer asks; called with no transaction open.

    What it names is proposed like any other action: the gates judge it, and a person decides. An
    exception, a late answer or anything that is no suggestion counts as none.
    """

    async def suggest(
        self, proposal: Proposal, context: SuggestionContext
    ) -> SuggestedAction | None: ...


class NoSuggestions:
    """The default: drafts suggest nothing to do."""

    async def suggest(
        self, proposal: Proposal, context: SuggestionContext
    ) -> SuggestedAction | None:
        return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What governance made of a suggestion; ``code`` says why it stopped it."""

    state: SuggestionState
    proposal_id: ProposalId | None = None
    code: str | None = None


class Proposer(Protocol):
    """Proposes what a draft suggests, through governance and in the name of drafting.

    The same draft never makes a second proposal, however often it is called. Called with no
    transaction open. Raises ``Unavailable`` when trying again later may help.
    """

    async def __call__(
        self,
        caller: Caller,
        draft_id: DraftId,
        conversation_id: ConversationId,
        action: SuggestedAction,
    ) -> Outcome: ...
