"""Drafts: what they hold, what may follow what, and when one may be sent. No IO in this module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cairnloop_engine.conversations.model import Citation, Status
from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId

# A system actor whose name begins like this is a host's policy: the only one that may decide
# about a draft without a person (P8).
POLICY_PREFIX = "policy:"


class ProposalType(StrEnum):
    """What a draft proposes: answer, ask one question, or hand over to a person."""

    REPLY = "reply"
    CLARIFICATION = "clarification"
    ESCALATION = "escalation"


class DraftStatus(StrEnum):
    PENDING = "pending"
    EDITED = "edited"
    APPROVED = "approved"
    DISCARDED = "discarded"


# A draft that still waits for somebody; at most one per conversation.
ACTIONABLE = frozenset({DraftStatus.PENDING, DraftStatus.EDITED})


class Decision(StrEnum):
    """What was decided about a draft; each is a row of its own that never changes."""

    APPROVED = "approved"
    EDITED = "edited"
    AUTO_ALLOWED = "auto_allowed"
    DISCARDED = "discarded"
    SUPERSEDED = "superseded"
    RETRACTED = "retracted"


class DiscardReason(StrEnum):
    """Why a draft was dropped without being sent."""

    BY_OPERATOR = "discarded_by_operator"
    SUPERSEDED = "superseded"
    ANSWERED_BY_OPERATOR = "answered_by_operator"
    CONVERSATION_CLOSED = "conversation_closed"


class PolicyVerdict(StrEnum):
    """What the host's automation policy says about a proposed reply."""

    ALLOW = "allow"
    DRAFT_ONLY = "draft_only"
    REQUIRE_APPROVAL = "require_approval"
    DENY = "deny"


class SuggestionState(StrEnum):
    """What became of the action that a draft suggests.

    ``blocked``: it was proposed and a gate stopped it, which is a row of its own. ``refused``: it
    could not even be proposed, for instance because no tool has that name.
    """

    WAITING = "waiting"
    PROPOSED = "proposed"
    BLOCKED = "blocked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class DraftingConfig:
    """The knobs of drafting.

    ``draft_delay`` is how long a conversation must be quiet before it is drafted,
    ``clarification_limit`` how many questions may be asked in a row, ``default_hold`` the send
    window of an approval that names none, ``max_length`` the longest message in characters.
    """

    draft_delay: timedelta = timedelta(seconds=5)
    clarification_limit: int = 1
    auto_send_enabled: bool = False
    auto_send_hold: timedelta = timedelta(seconds=5)
    default_hold: timedelta = timedelta(0)
    max_length: int = 10_000
    policy_timeout: timedelta = timedelta(seconds=5)
    suggestion_timeout: timedelta = timedelta(seconds=5)
    rewrite_timeout: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """Which draft is wanted: the one for the newest customer message, or an explicit new one.

    A request of an operator names the message and the attempt, so that running it twice makes
    one draft; without them it is the first attempt for whatever the customer wrote last.
    """

    conversation_id: ConversationId
    source_message_id: MessageId | None = None
    attempt: int = 1

    @property
    def is_explicit(self) -> bool:
        """Whether an operator asked, which also holds after a reply."""
        return self.source_message_id is not None

    def is_about(self, message_id: MessageId) -> bool:
        """Whether the customer's newest message is the one that this request means."""
        return self.source_message_id is None or self.source_message_id == message_id

    @property
    def key(self) -> str:
        """The name of this request among waiting work."""
        if self.source_message_id is None:
            return str(self.conversation_id)
        return f"{self.conversation_id}:{self.source_message_id}:{self.attempt}"

    @classmethod
    def parse(cls, key: str) -> DraftRequest:
        """Read back what :attr:`key` wrote."""
        parts = [int(part) for part in key.split(":")]
        if len(parts) == 1:
            return cls(ConversationId(parts[0]))
        conversation_id, source_message_id, attempt = parts
        return cls(ConversationId(conversation_id), MessageId(source_message_id), attempt)


@dataclass(frozen=True, slots=True)
class ThreadState:
    """What a decision about a draft must know of its conversation, read under its lock.

    ``held_replies`` counts replies on their way; ``held_sequence`` and ``held_until`` are those
    of the newest, ``last_reply_sequence`` that of the newest reply that the customer has.
    """

    status: Status
    last_customer_sequence: int
    held_replies: int
    last_reply_sequence: int = 0
    held_sequence: int = 0
    held_until: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.status is Status.OPEN


@dataclass(frozen=True, slots=True)
class Draft:
    """One stored draft, as far as decisions look at it."""

    id: DraftId
    status: DraftStatus
    proposal_type: ProposalType
    policy: PolicyVerdict
    source_sequence: int
    customer_reply: str | None
    final_content: str | None
    version: int

    @property
    def is_actionable(self) -> bool:
        return self.status in ACTIONABLE

    @property
    def is_sendable(self) -> bool:
        """Whether there is anything that a customer could be sent."""
        return self.proposal_type is not ProposalType.ESCALATION

    @property
    def text(self) -> str:
        """What approving would send as it stands: the saved edit, else the proposal."""
        return self.final_content or self.customer_reply or ""

    def is_stale(self, thread: ThreadState) -> bool:
        """Whether the customer has written since this draft was made."""
        return thread.last_customer_sequence > self.source_sequence


@dataclass(frozen=True, slots=True)
class Denied:
    """A refusal as a value; the service turns the code into an error with words."""

    code: str


@dataclass(frozen=True, slots=True)
class Send:
    """This exact text may go out, under this decision."""

    decision: Decision
    content: str


@dataclass(frozen=True, slots=True)
class Approval:
    """What somebody wants when approving: the draft as seen, or with other words.

    ``citations`` are what an operator's own words rest on beside the draft's evidence.
    """

    edit: str | None = None
    even_if_stale: bool = False
    expected_version: int | None = None
    by_policy: bool = False
    citations: tuple[Citation, ...] = ()


def approve(draft: Draft, thread: ThreadState, wish: Approval) -> Send | Denied:
    """Whether a draft may be sent now, and with which words.

    A decided draft is refused first, whatever else is true: nothing is ever sent twice.
    """
    if not draft.is_actionable:
        return Denied("draft_already_decided")
    if not draft.is_sendable:
        return Denied("draft_not_sendable")
    if not thread.is_open:
        return Denied("conversation_not_open")
    if thread.held_replies:
        return Denied("reply_on_its_way")
    if wish.expected_version is not None and wish.expected_version != draft.version:
        return Denied("draft_changed")
    if draft.is_stale(thread) and not wish.even_if_stale:
        return Denied("draft_stale")

    content = draft.text if wish.edit is None else wish.edit
    changed = content != draft.customer_reply
    if wish.by_policy:
        return Denied("draft_changed") if changed else Send(Decision.AUTO_ALLOWED, content)
    if draft.policy is PolicyVerdict.DRAFT_ONLY and draft.final_content is None and not wish.edit:
        return Denied("draft_only")
    return Send(Decision.EDITED if changed else Decision.APPROVED, content)


def save_edit(draft: Draft, thread: ThreadState, *, expected_version: int | None) -> Denied | None:
    """Whether an operator's words may be kept on a draft without sending them."""
    if not draft.is_actionable:
        return Denied("draft_already_decided")
    if not draft.is_sendable:
        return Denied("draft_not_sendable")
    if not thread.is_open:
        return Denied("conversation_not_open")
    if expected_version is not None and expected_version != draft.version:
        return Denied("draft_changed")
    return None


def after(status: DraftStatus, decision: Decision) -> DraftStatus | Denied:
    """The transition table: where a decision takes a draft, or that it cannot be taken."""
    match decision:
        case Decision.APPROVED | Decision.EDITED if status in ACTIONABLE:
            return DraftStatus.APPROVED
        case Decision.AUTO_ALLOWED if status is DraftStatus.PENDING:
            return DraftStatus.APPROVED
        case Decision.DISCARDED | Decision.SUPERSEDED if status in ACTIONABLE:
            return DraftStatus.DISCARDED
        case Decision.RETRACTED if status is DraftStatus.APPROVED:
            return DraftStatus.PENDING
        case _:
            return Denied("draft_already_decided")


def after_retraction(thread: ThreadState, *, another_waits: bool) -> DiscardReason | None:
    """What becomes of a draft whose reply was taken back: None means that it waits again."""
    if not thread.is_open:
        return DiscardReason.CONVERSATION_CLOSED
    return DiscardReason.SUPERSEDED if another_waits else None


def answers(*, reply_sequence: int, source_sequence: int) -> bool:
    """Whether a reply was written after the message that a draft is about.

    A reply that was held while the customer wrote again does not answer the newer message.
    """
    return reply_sequence > source_sequence


class StandDown(StrEnum):
    """Why no draft is recorded although one was asked for."""

    CONVERSATION_CLOSED = "conversation_closed"
    NOTHING_TO_ANSWER = "nothing_to_answer"
    NEWER_MESSAGE = "newer_message"
    ALREADY_ANSWERED = "already_answered"
    ALREADY_DRAFTED = "already_drafted"
    REPLY_ON_ITS_WAY = "reply_on_its_way"


def stand_down(
    request: DraftRequest,
    thread: ThreadState,
    *,
    source_sequence: int,
    already_drafted: bool,
) -> StandDown | None:
    """Whether drafting for the message at ``source_sequence`` is pointless by now."""
    if not thread.is_open:
        return StandDown.CONVERSATION_CLOSED
    if not thread.last_customer_sequence:
        return StandDown.NOTHING_TO_ANSWER
    if thread.last_customer_sequence != source_sequence:
        return StandDown.NEWER_MESSAGE
    if already_drafted:
        return StandDown.ALREADY_DRAFTED
    if request.is_explicit:
        return None
    if answers(reply_sequence=thread.last_reply_sequence, source_sequence=source_sequence):
        return StandDown.ALREADY_ANSWERED
    if answers(reply_sequence=thread.held_sequence, source_sequence=source_sequence):
        return StandDown.REPLY_ON_ITS_WAY
    return None
