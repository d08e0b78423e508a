"""The drafting job: read, ground and generate with no transaction open, then record in one.

It can die after any line. Until the last transaction commits nothing is written; that one takes
the request off the list and stores the draft together, under the lock of the conversation, and
stands down when the thread moved on meanwhile.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from cairnloop_engine.conversations import queries as threads
from cairnloop_engine.conversations.model import Role
from cairnloop_engine.core import pending
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Database, Read, Work, assert_no_transaction
from cairnloop_engine.core.jobs import JobContext, Queues, TaskSpec
from cairnloop_engine.drafting import compose, queries, service, suggestions
from cairnloop_engine.drafting.model import (
    POLICY_PREFIX,
    DraftingConfig,
    DraftRequest,
    PolicyVerdict,
    StandDown,
    stand_down,
)
from cairnloop_engine.drafting.policy import RequireApproval, policy_name, verdict
from cairnloop_engine.drafting.ports import (
    ActionSuggester,
    AutomationPolicy,
    CustomerTurn,
    DraftGenerator,
    Grounder,
    NoSuggestions,
    PolicyContext,
    Proposer,
    QueryBuilder,
    SuggestedAction,
    SuggestionContext,
)
from cairnloop_engine.drafting.proposal import Proposal, fault, within_limit
from cairnloop_engine.drafting.query import MESSAGES, build_query
from cairnloop_engine.drafting.service import DRAFT_TASK, Finding
from cairnloop_engine.drafting.suggestions import DRAFTER, PROPOSE_TASK, Handing
from cairnloop_engine.retrieval import gaps
from cairnloop_engine.retrieval.gap_model import gap_of_draft
from cairnloop_engine.retrieval.model import GroundingBundle

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DraftingParts:
    """What a draft is made with; a host may bring its own."""

    ground: Grounder
    generator: DraftGenerator
    policy: AutomationPolicy = field(default_factory=RequireApproval)
    build_query: QueryBuilder = build_query
    suggester: ActionSuggester = field(default_factory=NoSuggestions)


def tasks(
    db: Database, parts: DraftingParts, config: DraftingConfig, *, propose: Proposer
) -> list[TaskSpec]:
    """The slice's tasks. ``propose`` is the only way from a draft to an action."""
    drafter = Drafter(db, parts, config)
    cap = timedelta(seconds=60)
    return [
        TaskSpec(DRAFT_TASK, Queues.DRAFTING, drafter.run, hard_cap=cap),
        TaskSpec(PROPOSE_TASK, Queues.DRAFTING, Handing(db, propose).run, hard_cap=cap),
    ]


@dataclass(frozen=True, slots=True)
class Brief:
    """What the job read of the thread."""

    question: queries.Question
    revision: int
    customer_ref: str | None
    turn: CustomerTurn
    query: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Drafter:
    """Runs one drafting job from request to recorded draft."""

    db: Database
    parts: DraftingParts
    config: DraftingConfig

    async def run(self, job: JobContext) -> None:
        caller = Caller.system(DRAFTER, job.workspace)
        request = DraftRequest.parse(job.text("key"))
        async with self.db.read(caller) as read:
            if not await pending.is_current(read, kind=DRAFT_TASK, job=job):
                return
            brief = await self._brief(read, request)
        finding = None if brief is None else await self._find(caller, request, brief)

        crashpoint("drafting.before_record")
        recorder = caller
        if finding is not None and finding.may_send:
            recorder = Caller.system(f"{POLICY_PREFIX}{finding.policy_name}", job.workspace)

        async def record(work: Work) -> None:
            await self._record(work, job, request, finding)
            crashpoint("drafting.before_commit")

        await self.db.retrying(recorder, record)
        crashpoint("drafting.after_record")

    async def _brief(self, read: Read, request: DraftRequest) -> Brief | None:
        """What the draft is to be about; None when there is no point in drafting."""
        conversation = await threads.conversation(read, request.conversation_id)
        question = await queries.newest_question(read, request.conversation_id)
        if conversation is None or question is None:
            return None
        last = await queries.last_attempt(read, request.conversation_id, question.message_id)
        pointless = stand_down(
            request,
            await queries.thread_state(read, conversation),
            source_sequence=question.sequence,
            already_drafted=last >= request.attempt,
        )
        if pointless is not None or not request.is_about(question.message_id):
            return None
        messages = await threads.recent_messages(
            read, request.conversation_id, roles=frozenset({Role.USER}), limit=MESSAGES
        )
        turn = CustomerTurn(conversation.subject, [message.content for message in messages])
        return Brief(
            question=question,
            revision=conversation.revision,
            customer_ref=conversation.customer_ref,
            turn=turn,
            query=self.parts.build_query(turn),
            attempts=await queries.clarifications_sent(read, request.conversation_id),
        )

    async def _find(self, caller: Caller, request: DraftRequest, brief: Brief) -> Finding:
        """Ground, generate and ask the policy; nothing is locked and nothing is written."""
        assert_no_transaction("drafting")
        grounded = await self.parts.ground(caller, brief.query, attempts=brief.attempts)
        bundle = within_limit(grounded, limit=self.config.clarification_limit)
        proposal = await self._proposal(request, bundle)
        policy = await verdict(
            self.parts.policy,
            proposal,
            PolicyContext(caller.workspace, request.conversation_id, brief.customer_ref, bundle),
            within=self.config.policy_timeout,
        )
        return Finding(
            request=request,
            question=brief.question,
            revision=brief.revision,
            proposal=proposal,
            policy=policy,
            policy_name=policy_name(self.parts.policy),
            may_send=policy is PolicyVerdict.ALLOW and self.config.auto_send_enabled,
            action=await self._action(caller, request, brief, proposal)
            if policy is not PolicyVerdict.DENY
            else None,
            gap=gap_of_draft(bundle),
        )

    async def _action(
        self, caller: Caller, request: DraftRequest, brief: Brief, proposal: Proposal
    ) -> SuggestedAction | None:
        return await suggestions.suggested(
            self.parts.suggester,
            proposal,
            SuggestionContext(
                caller.workspace, request.conversation_id, brief.customer_ref, brief.turn
            ),
            within=self.config.suggestion_timeout,
        )

    async def _proposal(self, request: DraftRequest, bundle: GroundingBundle) -> Proposal:
        """The generator's proposal, or the deterministic one when it broke the contract."""
        made = await self.parts.generator.generate(request.conversation_id, bundle)
        broken = fault(made, bundle, max_length=self.config.max_length)
        if made.conversation_id != request.conversation_id:
            broken = "other_conversation"
        if broken is None:
            return made
        log.warning("a proposal broke the contract", extra={"fault": broken})
        return compose.propose(request.conversation_id, bundle, fallback_reason=broken)

    async def _record(
        self, work: Work, job: JobContext, request: DraftRequest, finding: Finding | None
    ) -> None:
        conversation = await threads.lock_conversation(work, request.conversation_id)
        newest = await queries.newest_question(work, request.conversation_id)
        if conversation is None or newest is None or not request.is_about(newest.message_id):
            await pending.settle(work, kind=DRAFT_TASK, job=job)
            return
        about = newest if finding is None else finding.question
        reason = await service.still_wanted(work, request, conversation, about)
        if reason is StandDown.NEWER_MESSAGE:
            # That message brought its own request, which this run must not take off the list.
            return
        if not await pending.settle(work, kind=DRAFT_TASK, job=job):
            return

        if reason is StandDown.REPLY_ON_ITS_WAY:
            await service.wait_for_reply(work, conversation, config=self.config)
        elif reason is None and finding is None:
            # What made a draft pointless when the thread was read is gone: a retracted reply.
            await work.debounce(kind=DRAFT_TASK, key=request.key, due_at=work.now)
        elif reason is None and finding is not None:
            await service.create_draft(work, finding)
            if finding.gap is not None:
                await gaps.note_draft(
                    work,
                    finding.gap,
                    conversation_id=request.conversation_id,
                    message_id=finding.question.message_id,
                )
