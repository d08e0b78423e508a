"""Decisions about drafts: the only module of the slice that can turn a draft into a message.

Every way out takes the locks in one order, conversation then draft, looks at the state that it
then holds, and writes decision, message, draft and audit event in one transaction. Whoever comes
second finds the draft decided and sends nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cairnloop_engine.audit import service as audit
from cairnloop_engine.conversations.marks import mark_draft
from cairnloop_engine.conversations.model import Citation, Delivery, DraftLink, Replied
from cairnloop_engine.conversations.release import checked_content, post_reply
from cairnloop_engine.conversations.tables import ConversationRow
from cairnloop_engine.core.actors import ActorKind
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import Blocked, Conflict, Forbidden, Refused
from cairnloop_engine.core.ids import ConversationId, DraftDecisionId, DraftId, MessageId
from cairnloop_engine.drafting import model, outcomes, queries
from cairnloop_engine.drafting.events import DraftApproved, DraftEdited
from cairnloop_engine.drafting.model import (
    POLICY_PREFIX,
    Approval,
    Denied,
    DiscardReason,
    DraftingConfig,
    DraftStatus,
    Send,
)
from cairnloop_engine.drafting.proposal import citations
from cairnloop_engine.drafting.tables import DraftRecord
from cairnloop_engine.retrieval.model import evidence_from_json


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a draft; a message only when it was approved."""

    draft_id: DraftId
    conversation_id: ConversationId
    status: DraftStatus
    version: int
    message_id: MessageId | None = None
    delivery: Delivery | None = None
    visible_at: datetime | None = None


async def approve(
    work: Work,
    draft_id: DraftId,
    wish: Approval,
    *,
    hold: timedelta,
    config: DraftingConfig,
    expected_revision: int | None = None,
) -> Decided:
    """Send a draft, as it stands or with the operator's own words.

    Raises:
        Forbidden: ``operator_required`` for anybody but an operator.
        NotFound: ``draft_not_found``.
        Conflict: ``draft_already_decided``, ``draft_stale``, ``draft_changed``,
            ``conversation_not_open`` or ``thread_changed``.
        Blocked: ``draft_not_sendable``, ``draft_only`` or ``reply_on_its_way``.
        Invalid: ``message_blank``, ``message_too_long`` or ``hold_invalid``.
    """
    _check_actor(work, by_policy=wish.by_policy)
    if wish.edit is not None:
        # What is compared, stored and sent is one and the same text.
        checked = checked_content(wish.edit, max_length=config.max_length)
        wish = replace(wish, edit=checked)
    conversation, draft = await outcomes.locked_draft(work, draft_id)
    state = await queries.thread_state(work, conversation)

    outcome = model.approve(draft.draft(), state, wish)
    if isinstance(outcome, Denied):
        raise _refusal(outcome.code, draft, conversation)
    replied = await _send(
        work,
        draft,
        outcome,
        wish.citations,
        hold=hold,
        config=config,
        expected_revision=expected_revision,
    )
    return _decided(draft, replied)


async def edit(
    work: Work,
    draft_id: DraftId,
    text: str,
    *,
    config: DraftingConfig,
    expected_version: int | None = None,
) -> Decided:
    """Keep an operator's words on a draft without sending them.

    Raises:
        Forbidden: ``operator_required``.
        NotFound: ``draft_not_found``.
        Conflict: ``draft_already_decided``, ``draft_changed`` or ``conversation_not_open``.
        Blocked: ``draft_not_sendable``.
        Invalid: ``message_blank`` or ``message_too_long``.
    """
    _check_actor(work, by_policy=False)
    body = checked_content(text, max_length=config.max_length)
    conversation, draft = await outcomes.locked_draft(work, draft_id)
    state = await queries.thread_state(work, conversation)
    denied = model.save_edit(draft.draft(), state, expected_version=expected_version)
    if denied is not None:
        raise _refusal(denied.code, draft, conversation)

    draft.status = DraftStatus.EDITED
    draft.final_content = body
    draft.edited_by = work.actor.id
    draft.updated_at = work.now
    draft.version += 1
    await work.session.flush()
    await audit.record(
        work,
        "drafting.edited",
        subject=("draft", draft.id),
        conversation_id=draft.conversation_id,
        version=draft.version,
    )
    work.changed("draft", draft.id)
    await work.emit(DraftEdited(ConversationId(draft.conversation_id), draft_id))
    return _decided(draft)


async def discard(
    work: Work, draft_id: DraftId, *, note: str | None = None, expected_version: int | None = None
) -> Decided:
    """Drop a draft; it is recorded, and final.

    Raises:
        Forbidden: ``operator_required``.
        NotFound: ``draft_not_found``.
        Conflict: ``draft_already_decided`` or ``draft_changed``.
    """
    _check_actor(work, by_policy=False)
    conversation, draft = await outcomes.locked_draft(work, draft_id)
    if not draft.draft().is_actionable:
        raise outcomes.already_decided(draft)
    if expected_version is not None and expected_version != draft.version:
        raise _refusal("draft_changed", draft, conversation)
    await outcomes.discard(work, draft, DiscardReason.BY_OPERATOR, note=note)
    return _decided(draft)


async def auto_send(
    work: Work, conversation_id: ConversationId, draft_id: DraftId, *, config: DraftingConfig
) -> None:
    """Send a fresh draft because the host's policy allows it, under the checks of any approval.

    A refusal leaves the draft to a person; the trail says why it was not sent.
    """
    if not config.auto_send_enabled:
        return
    try:
        # The savepoint takes a decision back whose message was refused.
        async with work.session.begin_nested():
            await approve(
                work, draft_id, Approval(by_policy=True), hold=config.auto_send_hold, config=config
            )
    except Refused as refusal:
        await audit.record(
            work,
            "drafting.auto_send_refused",
            subject=("draft", draft_id),
            conversation_id=conversation_id,
            code=refusal.code,
        )


async def _send(
    work: Work,
    draft: DraftRecord,
    send: Send,
    also: tuple[Citation, ...],
    *,
    hold: timedelta,
    config: DraftingConfig,
    expected_revision: int | None,
) -> Replied:
    """Write the decision, the message that refers to it, and the draft that is now decided.

    The message cites the evidence whose markers stand in it, and ``also`` what an edit added.
    """
    conversation_id = ConversationId(draft.conversation_id)
    status = outcomes.moved(draft, send.decision)
    digest = hashlib.sha256(send.content.encode()).hexdigest()
    decision = await outcomes.decide(work, draft, send.decision, digest=digest)
    sources = evidence_from_json(draft.evidence_snapshot)
    replied = await post_reply(
        work,
        conversation_id,
        send.content,
        hold=hold,
        max_length=config.max_length,
        draft=DraftLink(DraftId(draft.id), DraftDecisionId(decision.id)),
        citations=(*citations(send.content, sources), *also),
        expected_revision=expected_revision,
    )

    draft.status = status
    draft.final_content = send.content
    draft.sent_message_id = replied.message_id
    outcomes.decided(work, draft)
    await work.session.flush()
    await mark_draft(work, conversation_id, draft_id=None)
    await audit.record(
        work,
        "drafting.approved",
        subject=("draft", draft.id),
        conversation_id=conversation_id,
        decision=send.decision.value,
        message_id=replied.message_id,
        delivery=replied.delivery.value,
        digest=digest,
    )
    work.changed("draft", draft.id)
    await work.emit(DraftApproved(conversation_id, DraftId(draft.id), replied.message_id))
    return replied


def _check_actor(work: Work, *, by_policy: bool) -> None:
    """A person decides; or, where the caller says so, a policy, under its own name."""
    actor = work.actor
    if by_policy:
        known = actor.kind is ActorKind.SYSTEM and actor.id.startswith(POLICY_PREFIX)
    else:
        known = actor.kind is ActorKind.OPERATOR
    if not known:
        raise Forbidden(
            "operator_required",
            "Only a named operator may decide about a draft.",
            actor_kind=actor.kind.value,
        )


def _decided(draft: DraftRecord, replied: Replied | None = None) -> Decided:
    return Decided(
        draft_id=DraftId(draft.id),
        conversation_id=ConversationId(draft.conversation_id),
        status=draft.status,
        version=draft.version,
        message_id=None if replied is None else replied.message_id,
        delivery=None if replied is None else replied.delivery,
        visible_at=None if replied is None else replied.visible_at,
    )


def _refusal(code: str, draft: DraftRecord, conversation: ConversationRow) -> Refused:
    """The words for a refusal of the model, with where draft and thread are now."""
    if code == "draft_already_decided":
        return outcomes.already_decided(draft)
    kind, words = _WORDS[code]
    return kind(
        code,
        words.format(status=conversation.status.value, editor=draft.edited_by or "somebody"),
        draft_id=draft.id,
        conversation_id=conversation.id,
        status=conversation.status.value,
        version=draft.version,
        revision=conversation.revision,
        draft_revision=draft.conversation_revision,
    )


_WORDS: dict[str, tuple[type[Refused], str]] = {
    "draft_not_sendable": (
        Blocked,
        "This draft recommends a person; it holds nothing that could be sent. "
        "Write a reply yourself, or discard it.",
    ),
    "conversation_not_open": (Conflict, "The conversation is {status}. Reopen it first."),
    "reply_on_its_way": (
        Blocked,
        "Another reply is still on its way to this customer. Wait until it is sent, or retract it.",
    ),
    "draft_stale": (
        Conflict,
        "The customer has written since this draft was made. Read it first; then wait for the "
        "new draft, or approve this one even if stale.",
    ),
    "draft_changed": (
        Conflict,
        "The draft has changed since you looked, by {editor}. Read it again first.",
    ),
    "draft_only": (
        Blocked,
        "The policy lets this draft be used, but not sent as it is. Edit it first.",
    ),
}
