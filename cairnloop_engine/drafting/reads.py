"""Drafts as front ends see them: frozen views, safe to draw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from cairnloop_engine.conversations.model import Delivery, Status
from cairnloop_engine.core.database import Read
from cairnloop_engine.core.errors import Invalid, NotFound
from cairnloop_engine.core.ids import (
    ArticleId,
    ChunkId,
    ConversationId,
    DraftId,
    MessageId,
    ProposalId,
    RevisionId,
)
from cairnloop_engine.core.paging import Page, checked_limit, decode_number, encode_cursor
from cairnloop_engine.core.text import has_hidden, safe
from cairnloop_engine.drafting import queries
from cairnloop_engine.drafting.model import (
    ACTIONABLE,
    DiscardReason,
    DraftStatus,
    PolicyVerdict,
    ProposalType,
    SuggestionState,
)
from cairnloop_engine.drafting.proposal import GroundingSnapshot, cited_numbers
from cairnloop_engine.drafting.queries import DraftInThread
from cairnloop_engine.drafting.tables import DraftActionRecord
from cairnloop_engine.retrieval.model import (
    Evidence,
    GroundingStatus,
    SourceType,
    Trust,
    Why,
    evidence_from_json,
)

EXCERPT_LENGTH = 160
PASSAGE_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One passage that the decision saw. ``cited`` tells whether the reply refers to it, ``why``
    which signals found it."""

    number: int
    source_type: SourceType
    trust: Trust
    title: str
    heading: str
    excerpt: str
    content: str
    score: float
    groundable: bool
    cited: bool
    why: Why
    article_id: ArticleId | None
    revision_id: RevisionId | None
    chunk_id: ChunkId | None


@dataclass(frozen=True, slots=True)
class GroundingView:
    """How far the knowledge carried, as it was when the draft was made.

    ``quote`` are the words that a model named as the answer: empty when it named none, None when
    no model was asked.
    """

    status: GroundingStatus
    reason: str
    confidence: float
    calibrated: bool
    query: str
    embedder: str
    degraded: tuple[str, ...]
    quote: str | None


@dataclass(frozen=True, slots=True)
class SuggestedView:
    """The action that a draft suggests; ``action_id`` as soon as governance has a row of it.

    ``code`` says why it was blocked or could not be proposed.
    """

    tool: str
    state: SuggestionState
    action_id: ProposalId | None
    code: str | None


@dataclass(frozen=True, slots=True)
class DraftRow:
    """One draft in a list. ``stale`` means that the customer has written since."""

    id: DraftId
    conversation_id: ConversationId
    subject: str | None
    customer_ref: str | None
    status: DraftStatus
    proposal_type: ProposalType
    operator_summary: str
    excerpt: str
    grounding: GroundingStatus
    reason: str
    stale: bool
    sendable: bool
    revision: int
    generator: str
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class DraftView:
    """One draft with all that an operator decides on.

    ``customer_reply`` is what approving would send: an operator's saved edit, else the proposal,
    which ``proposed`` keeps. ``revision`` is that of the thread when the draft read it,
    ``conversation_revision`` that of now. ``version`` grows with every change of the draft:
    handing it back with a decision makes sure that what was seen is what is sent.
    ``can`` names what may be done now: ``approve``, ``edit``, ``discard``.
    """

    id: DraftId
    conversation_id: ConversationId
    subject: str | None
    customer_ref: str | None
    status: DraftStatus
    proposal_type: ProposalType
    operator_summary: str
    customer_reply: str | None
    proposed: str
    evidence: tuple[EvidenceView, ...]
    grounding: GroundingView
    policy: PolicyVerdict
    revision: int
    conversation_revision: int
    version: int
    attempt: int
    clarification_attempts: int
    stale: bool
    sendable: bool
    can: tuple[str, ...]
    hidden_characters: bool
    generator: str
    model: str | None
    fallback_reason: str | None
    source_message_id: MessageId
    edited_by: str | None
    suggested: SuggestedView | None
    message_id: MessageId | None
    delivery: Delivery | None
    visible_at: datetime | None
    discard_reason: DiscardReason | None
    discard_note: str | None
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None

    @property
    def action_id(self) -> ProposalId | None:
        """The action that was proposed for this draft, or None."""
        return None if self.suggested is None else self.suggested.action_id


async def drafts(
    read: Read, *, status: str | None, cursor: str | None, limit: int
) -> Page[DraftRow]:
    """A page of drafts, newest first; ``status`` may also be ``waiting``.

    Raises:
        Invalid: ``status_unknown``, ``cursor_invalid`` or ``limit_invalid``.
    """
    before = decode_number(cursor) if cursor else None
    rows = await queries.drafts(
        read, statuses=_statuses(status), before=before, limit=checked_limit(limit) + 1
    )
    shown = rows[:limit]
    following = encode_cursor([shown[-1].draft.id]) if len(rows) > limit else None
    return Page(tuple(_row(found) for found in shown), following)


async def draft(read: Read, draft_id: DraftId) -> DraftView:
    """One draft.

    Raises:
        NotFound: ``draft_not_found``, also for another workspace's.
    """
    found = await queries.draft(read, draft_id)
    if found is None:
        raise NotFound(
            "draft_not_found",
            f"There is no draft {draft_id} in this workspace.",
            draft_id=draft_id,
        )
    return _view(found)


async def waiting(read: Read, conversation_id: ConversationId) -> DraftView | None:
    """The draft that waits in a conversation; None when there is none."""
    found = await queries.waiting(read, conversation_id)
    return None if found is None else _view(found)


def _statuses(status: str | None) -> frozenset[DraftStatus]:
    if status is None:
        return frozenset()
    if status == "waiting":
        return ACTIONABLE
    if status not in set(DraftStatus):
        known = ", ".join(["waiting", *DraftStatus])
        raise Invalid("status_unknown", f"A draft's status is one of {known}.", status=status)
    return frozenset({DraftStatus(status)})


def _row(found: DraftInThread) -> DraftRow:
    draft = found.draft
    decision = draft.draft()
    snapshot = GroundingSnapshot.from_json(draft.grounding_metadata)
    return DraftRow(
        id=DraftId(draft.id),
        conversation_id=ConversationId(draft.conversation_id),
        subject=None if found.subject is None else safe(found.subject, limit=200),
        customer_ref=_name(found.customer_ref),
        status=draft.status,
        proposal_type=draft.proposal_type,
        operator_summary=safe(draft.operator_summary, limit=400),
        excerpt=safe(decision.text or draft.content, limit=EXCERPT_LENGTH),
        grounding=snapshot.grounding.status,
        reason=snapshot.grounding.reason.value,
        stale=found.stale,
        sendable=decision.is_sendable,
        revision=draft.conversation_revision,
        generator=safe(draft.generator, limit=80),
        created_at=draft.created_at,
        decided_by=_name(draft.decided_by),
        decided_at=draft.decided_at,
    )


def _view(found: DraftInThread) -> DraftView:
    draft = found.draft
    decision = draft.draft()
    said = decision.text if decision.is_sendable else draft.content
    return DraftView(
        id=DraftId(draft.id),
        conversation_id=ConversationId(draft.conversation_id),
        subject=None if found.subject is None else safe(found.subject, limit=200),
        customer_ref=_name(found.customer_ref),
        status=draft.status,
        proposal_type=draft.proposal_type,
        operator_summary=safe(draft.operator_summary, limit=400),
        customer_reply=safe(said, multiline=True) if decision.is_sendable else None,
        proposed=safe(draft.content, multiline=True),
        evidence=_evidence(found, said),
        grounding=_grounding(GroundingSnapshot.from_json(draft.grounding_metadata)),
        policy=draft.policy,
        revision=draft.conversation_revision,
        conversation_revision=found.revision,
        version=draft.version,
        attempt=draft.attempt,
        clarification_attempts=draft.clarification_attempts,
        stale=found.stale,
        sendable=decision.is_sendable,
        can=_can(found),
        hidden_characters=has_hidden(said),
        generator=safe(draft.generator, limit=80),
        model=_name(draft.model),
        fallback_reason=_name(draft.fallback_reason),
        source_message_id=MessageId(draft.source_message_id),
        edited_by=_name(draft.edited_by),
        suggested=_suggested(found.action),
        message_id=None if draft.sent_message_id is None else MessageId(draft.sent_message_id),
        delivery=found.delivery,
        visible_at=found.visible_at,
        discard_reason=draft.discard_reason,
        discard_note=None if draft.discard_note is None else safe(draft.discard_note, limit=400),
        created_at=draft.created_at,
        decided_by=_name(draft.decided_by),
        decided_at=draft.decided_at,
    )


def _suggested(action: DraftActionRecord | None) -> SuggestedView | None:
    if action is None:
        return None
    return SuggestedView(
        tool=safe(action.tool, limit=80),
        state=action.state,
        action_id=None if action.proposal_id is None else ProposalId(action.proposal_id),
        code=_name(action.code),
    )


def _can(found: DraftInThread) -> tuple[str, ...]:
    """What may be done with a draft now; staleness asks for a second wish, it forbids nothing."""
    decision = found.draft.draft()
    if not decision.is_actionable:
        return ()
    if not decision.is_sendable or found.status is not Status.OPEN:
        return ("discard",)
    only_as_edit = decision.policy is PolicyVerdict.DRAFT_ONLY and decision.final_content is None
    if only_as_edit or found.held_replies:
        return ("edit", "discard")
    return ("approve", "edit", "discard")


def _evidence(found: DraftInThread, said: str) -> tuple[EvidenceView, ...]:
    cited = cited_numbers(said)
    return tuple(
        _passage(one, cited=one.number in cited)
        for one in evidence_from_json(found.draft.evidence_snapshot)
    )


def _passage(one: Evidence, *, cited: bool) -> EvidenceView:
    article, chunk = one.citation.article_id, one.citation.chunk_id
    return EvidenceView(
        number=one.number,
        source_type=one.source_type,
        trust=one.trust,
        title=safe(one.title, limit=200),
        heading=safe(one.heading, limit=200),
        excerpt=safe(one.excerpt, limit=400),
        content=safe(one.content, multiline=True, limit=PASSAGE_LENGTH),
        score=one.score,
        groundable=one.groundable,
        cited=cited,
        why=replace(one.why, lexemes=tuple(safe(word, limit=80) for word in one.why.lexemes)),
        article_id=None if article is None else ArticleId(article),
        revision_id=one.revision_id,
        chunk_id=None if chunk is None else ChunkId(chunk),
    )


def _grounding(snapshot: GroundingSnapshot) -> GroundingView:
    return GroundingView(
        status=snapshot.grounding.status,
        reason=snapshot.grounding.reason.value,
        confidence=snapshot.grounding.confidence,
        calibrated=snapshot.grounding.calibrated,
        query=safe(snapshot.query, multiline=True, limit=PASSAGE_LENGTH),
        embedder=safe(snapshot.embedder, limit=80),
        degraded=tuple(safe(word, limit=80) for word in snapshot.degraded),
        quote=None
        if snapshot.quote is None
        else safe(snapshot.quote, multiline=True, limit=PASSAGE_LENGTH),
    )


def _name(text: str | None) -> str | None:
    return None if text is None else safe(text, limit=120)
