"""Asking for drafts and recording them; nothing here can reach a customer."""

from __future__ import annotations

from dataclasses import dataclass

from cairnloop_engine.audit import service as audit
from cairnloop_engine.conversations.marks import mark_draft
from cairnloop_engine.conversations.tables import ConversationRow
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Conflict, Invalid
from cairnloop_engine.core.ids import ConversationId, DraftId
from cairnloop_engine.core.text import storable
from cairnloop_engine.drafting import queries, suggestions
from cairnloop_engine.drafting.events import AutoSendAllowed, DraftCreated, DraftDenied
from cairnloop_engine.drafting.model import (
    DiscardReason,
    DraftingConfig,
    DraftRequest,
    DraftStatus,
    PolicyVerdict,
    StandDown,
    stand_down,
)
from cairnloop_engine.drafting.outcomes import discard, locked_conversation
from cairnloop_engine.drafting.ports import SuggestedAction
from cairnloop_engine.drafting.proposal import Proposal
from cairnloop_engine.drafting.tables import DraftRecord
from cairnloop_engine.retrieval.gap_model import Gap
from cairnloop_engine.retrieval.model import EVIDENCE_VERSION

DRAFT_TASK = "drafting.draft"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the job brings back to be recorded: the question it read, and what came of it."""

    request: DraftRequest
    question: queries.Question
    revision: int
    proposal: Proposal
    policy: PolicyVerdict
    policy_name: str
    may_send: bool = False
    action: SuggestedAction | None = None
    gap: Gap | None = None


async def ask(work: Work, conversation_id: ConversationId) -> DraftRequest:
    """Ask for a fresh draft about the customer's newest message, now.

    What waits stays until the new draft takes its place. Asking again before that changes
    nothing.

    Raises:
        NotFound: ``conversation_not_found``.
        Conflict: ``conversation_not_open``.
        Invalid: ``nothing_to_answer`` when the customer has not written.
    """
    conversation = await locked_conversation(work, conversation_id)
    state = await queries.thread_state(work, conversation)
    if not state.is_open:
        raise Conflict(
            "conversation_not_open",
            "This conversation is closed. Reopen it before you ask for a draft.",
            conversation_id=conversation_id,
            status=state.status.value,
        )
    question = await queries.newest_question(work, conversation_id)
    if question is None:
        raise Invalid(
            "nothing_to_answer",
            "The customer has not written anything that could be answered.",
            conversation_id=conversation_id,
        )
    attempt = 1 + await queries.last_attempt(work, conversation_id, question.message_id)
    request = DraftRequest(conversation_id, question.message_id, attempt)
    await work.debounce(kind=DRAFT_TASK, key=request.key, due_at=work.now)
    await audit.record(
        work,
        "drafting.requested",
        subject=("conversation", conversation_id),
        conversation_id=conversation_id,
        source_message_id=question.message_id,
        attempt=attempt,
    )
    return request


async def still_wanted(
    work: Work, request: DraftRequest, conversation: ConversationRow, question: queries.Question
) -> StandDown | None:
    """Whether the thread still waits for this draft. The caller holds the conversation."""
    last = await queries.last_attempt(work, request.conversation_id, question.message_id)
    return stand_down(
        request,
        await queries.thread_state(work, conversation),
        source_sequence=question.sequence,
        already_drafted=last >= request.attempt,
    )


async def wait_for_reply(
    work: Work, conversation: ConversationRow, *, config: DraftingConfig
) -> None:
    """Look again once the reply on its way is out or was taken back."""
    state = await queries.thread_state(work, conversation)
    soonest = work.now + config.draft_delay
    await work.debounce(
        kind=DRAFT_TASK,
        key=DraftRequest(ConversationId(conversation.id)).key,
        due_at=max(soonest, state.held_until or soonest),
    )


async def create_draft(work: Work, finding: Finding) -> DraftId | None:
    """Store what a job found as the one draft that waits; None when the policy denied it.

    The caller holds the conversation and has made sure that the draft is still wanted.
    """
    conversation_id = finding.request.conversation_id
    waiting = await queries.lock_waiting(work, conversation_id)
    if finding.policy is PolicyVerdict.DENY:
        await _deny(work, finding, waiting)
        return None
    if waiting is not None:
        await discard(work, waiting, DiscardReason.SUPERSEDED, shown=False)
    draft = _drafted(work, finding)
    work.session.add(draft)
    await work.session.flush()
    draft_id = DraftId(draft.id)

    await mark_draft(work, conversation_id, draft_id=draft_id, draft_type=draft.proposal_type.value)
    await audit.record(
        work,
        "drafting.created",
        subject=("draft", draft.id),
        conversation_id=conversation_id,
        proposal_type=draft.proposal_type.value,
        source_message_id=draft.source_message_id,
        attempt=draft.attempt,
        generator=draft.generator,
        fallback_reason=draft.fallback_reason,
        policy=finding.policy.value,
        policy_name=finding.policy_name,
        reason=str(finding.proposal.grounding_metadata.get("reason")),
    )
    if finding.action is not None:
        await suggestions.keep(work, draft, finding.action)
    work.changed("draft", draft.id)
    work.changed("conversation", conversation_id)
    await work.emit(DraftCreated(conversation_id, draft_id, draft.proposal_type))
    if finding.policy is PolicyVerdict.ALLOW and finding.may_send:
        await work.emit(AutoSendAllowed(conversation_id, draft_id))
    return draft_id


def _drafted(work: Work, finding: Finding) -> DraftRecord:
    proposal = finding.proposal
    reply = proposal.customer_reply
    return DraftRecord(
        workspace=work.workspace,
        conversation_id=finding.request.conversation_id,
        source_message_id=finding.question.message_id,
        source_sequence=finding.question.sequence,
        attempt=finding.request.attempt,
        conversation_revision=finding.revision,
        version=1,
        status=DraftStatus.PENDING,
        proposal_type=proposal.proposal_type,
        operator_summary=storable(proposal.operator_summary),
        customer_reply=None if reply is None else storable(reply),
        content=storable(proposal.content),
        evidence_snapshot={
            "v": EVIDENCE_VERSION,
            "evidence": [one.to_json() for one in proposal.evidence],
        },
        grounding_metadata=proposal.grounding_metadata,
        clarification_attempts=proposal.clarification_attempts,
        generator=proposal.generator,
        model=proposal.model,
        fallback_reason=proposal.fallback_reason,
        policy=finding.policy,
        created_at=work.now,
        updated_at=work.now,
    )


async def _deny(work: Work, finding: Finding, waiting: DraftRecord | None) -> None:
    """Leave a trace of the refusal, and no draft; one about an older message goes as well."""
    outdated = waiting is not None and waiting.source_message_id != finding.question.message_id
    if waiting is not None and outdated:
        await discard(work, waiting, DiscardReason.SUPERSEDED)
    await audit.record(
        work,
        "drafting.denied",
        subject=("conversation", finding.request.conversation_id),
        conversation_id=finding.request.conversation_id,
        source_message_id=finding.question.message_id,
        policy_name=finding.policy_name,
        generator=finding.proposal.generator,
    )
    work.changed("conversation", finding.request.conversation_id)
    await work.emit(DraftDenied(finding.request.conversation_id, finding.question.message_id))
