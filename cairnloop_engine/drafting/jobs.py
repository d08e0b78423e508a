"""The drafting job: read, ground and generate with no transaction open, then record in one.

It can die after any line. Until the last transaction commits nothing is written; that one takes
the request off the list and stores the draft together, under the lock of the conversation, and
stands down when the thread moved on meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from cairnloop_engine.conversations import queries as threads
from cairnloop_engine.core import pending, telemetry
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.crashpoints import crashpoint
from cairnloop_engine.core.database import Database, Read, Work
from cairnloop_engine.core.jobs import JobContext, Queues, TaskSpec
from cairnloop_engine.drafting import queries, service, suggestions, transcripts
from cairnloop_engine.drafting.making import Asked, Maker
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
    Line,
    NoSuggestions,
    PolicyContext,
    Proposer,
    QueryBuilder,
    QueryRewriter,
    SuggestedAction,
    SuggestionContext,
)
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.drafting.query import build_query
from cairnloop_engine.drafting.rewriting import rewritten
from cairnloop_engine.drafting.service import DRAFT_TASK, Finding
from cairnloop_engine.drafting.suggestions import DRAFTER, PROPOSE_TASK, Handing
from cairnloop_engine.retrieval import gaps
from cairnloop_engine.retrieval.gap_model import gap_of_draft

SPAN = "cairnloop.drafting.draft"


@dataclass(frozen=True, slots=True)
class DraftingParts:
    """What a draft is made with; a host may bring its own."""

    ground: Grounder
    generator: DraftGenerator
    policy: AutomationPolicy = field(default_factory=RequireApproval)
    build_query: QueryBuilder = build_query
    suggester: ActionSuggester = field(default_factory=NoSuggestions)
    rewriter: QueryRewriter | None = None


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
    thread: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Drafter:
    """Runs one drafting job from request to recorded draft."""

    db: Database
    parts: DraftingParts
    config: DraftingConfig

    @property
    def maker(self) -> Maker:
        return Maker(self.parts.ground, self.parts.generator, self.config)

    async def run(self, job: JobContext) -> None:
        """Draft for one request; monitoring hears of it as one span, without a word of it."""
        with telemetry.spanned(SPAN, {"openinference.span.kind": "AGENT"}):
            await self._run(job)

    async def _run(self, job: JobContext) -> None:
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
        thread = await transcripts.recent(read, request.conversation_id, until=question.sequence)
        turn = transcripts.turn(conversation.subject, thread)
        return Brief(
            question=question,
            revision=conversation.revision,
            customer_ref=conversation.customer_ref,
            turn=turn,
            query=self.parts.build_query(turn),
            attempts=await queries.clarifications_sent(read, request.conversation_id),
            thread=thread,
        )

    async def _find(self, caller: Caller, request: DraftRequest, brief: Brief) -> Finding:
        """Ground, generate and ask the policy; nothing is locked and nothing is written."""
        query = await rewritten(
            self.parts.rewriter, brief.query, brief.thread, within=self.config.rewrite_timeout
        )
        made = await self.maker.make(
            caller, Asked(request.conversation_id, query, brief.attempts, brief.thread)
        )
        proposal = made.proposal
        policy = await verdict(
            self.parts.policy,
            proposal,
            PolicyContext(
                caller.workspace, request.conversation_id, brief.customer_ref, made.bundle
            ),
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
            gap=gap_of_draft(made.bundle),
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
