"""The rows of drafts and of the decisions about them, and what ties a message to a decision."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cairnloop_engine.conversations.tables import MessageRow
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import DraftId
from cairnloop_engine.core.tables import SCHEMA, Base, PrimaryKey, UtcTime, Words, one_of
from cairnloop_engine.drafting.model import (
    Decision,
    DiscardReason,
    Draft,
    DraftStatus,
    PolicyVerdict,
    ProposalType,
    SuggestionState,
)
from cairnloop_engine.governance.tables import ProposalRow


class DraftRecord(Base):
    """One draft. What it proposes never changes; ``final_content`` is what an operator made of it.

    The constraints say what no code path may bring about: two drafts waiting in one
    conversation, an approved draft without its message, words to a customer in a hand-over.
    """

    __tablename__ = "drafts"
    __table_args__ = (
        CheckConstraint(one_of("status", DraftStatus), name="status_known"),
        CheckConstraint(one_of("proposal_type", ProposalType), name="type_known"),
        CheckConstraint(one_of("policy", PolicyVerdict), name="policy_known"),
        CheckConstraint(
            f"discard_reason IS NULL OR {one_of('discard_reason', DiscardReason)}",
            name="reason_known",
        ),
        CheckConstraint("policy <> 'deny'", name="denied_is_no_draft"),
        CheckConstraint("btrim(content) <> ''", name="has_content"),
        CheckConstraint("attempt >= 1 AND clarification_attempts >= 0", name="counts_positive"),
        CheckConstraint(
            "(proposal_type = 'escalation') = (customer_reply IS NULL)",
            name="escalation_sends_nothing",
        ),
        CheckConstraint(
            "(status = 'approved') = (sent_message_id IS NOT NULL)", name="approved_has_message"
        ),
        CheckConstraint(
            "status <> 'approved' OR (proposal_type <> 'escalation' AND final_content IS NOT NULL)",
            name="approved_has_words",
        ),
        CheckConstraint(
            "(status = 'discarded') = (discard_reason IS NOT NULL)", name="discarded_has_reason"
        ),
        CheckConstraint(
            "(status IN ('approved', 'discarded')) = (decided_at IS NOT NULL)"
            " AND (decided_at IS NULL) = (decided_by IS NULL)"
            " AND (decided_at IS NULL) = (decided_by_kind IS NULL)",
            name="decided_by_somebody",
        ),
        UniqueConstraint("conversation_id", "source_message_id", "attempt"),
        UniqueConstraint("sent_message_id"),
        Index(
            "uq_drafts_waiting",
            "conversation_id",
            unique=True,
            postgresql_where=text("status IN ('pending', 'edited')"),
        ),
        Index("ix_drafts_workspace_id", "workspace", "id"),
        Index("ix_drafts_workspace_status_id", "workspace", "status", "id"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    conversation_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.conversations.id", ondelete="CASCADE")
    )
    source_message_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.messages.id", ondelete="CASCADE")
    )
    source_sequence: Mapped[int] = mapped_column(BigInteger)
    attempt: Mapped[int] = mapped_column(Integer)
    conversation_revision: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(Integer)
    status: Mapped[DraftStatus] = mapped_column(Words(DraftStatus))
    proposal_type: Mapped[ProposalType] = mapped_column(Words(ProposalType))
    operator_summary: Mapped[str] = mapped_column(Text)
    customer_reply: Mapped[str | None] = mapped_column(Text)
    content: Mapped[str] = mapped_column(Text)
    evidence_snapshot: Mapped[JsonObject] = mapped_column(JSONB)
    grounding_metadata: Mapped[JsonObject] = mapped_column(JSONB)
    clarification_attempts: Mapped[int] = mapped_column(Integer)
    generator: Mapped[str] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    fallback_reason: Mapped[str | None] = mapped_column(Text)
    policy: Mapped[PolicyVerdict] = mapped_column(Words(PolicyVerdict))
    final_content: Mapped[str | None] = mapped_column(Text)
    edited_by: Mapped[str | None] = mapped_column(Text)
    discard_reason: Mapped[DiscardReason | None] = mapped_column(Words(DiscardReason))
    discard_note: Mapped[str | None] = mapped_column(Text)
    decided_by_kind: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[str | None] = mapped_column(Text)
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
    sent_message_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.messages.id")
    )
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)

    def draft(self) -> Draft:
        """The draft as decisions see it."""
        return Draft(
            id=DraftId(self.id),
            status=self.status,
            proposal_type=self.proposal_type,
            policy=self.policy,
            source_sequence=self.source_sequence,
            customer_reply=self.customer_reply,
            final_content=self.final_content,
            version=self.version,
        )


class DraftDecisionRecord(Base):
    """One decision about a draft. The database refuses to change it afterwards.

    ``content_digest`` is the SHA-256 of the exact text that the decision let out.
    """

    __tablename__ = "draft_decisions"
    __table_args__ = (
        CheckConstraint(one_of("decision", Decision), name="decision_known"),
        CheckConstraint(
            "(decision IN ('approved', 'edited', 'auto_allowed')) = (content_digest IS NOT NULL)",
            name="sending_names_the_text",
        ),
        CheckConstraint(
            "btrim(actor_kind) <> '' AND btrim(actor_id) <> ''", name="decided_by_somebody"
        ),
        # What a message refers to: a decision together with the draft that it is about.
        UniqueConstraint("draft_id", "id"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    draft_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.drafts.id", ondelete="CASCADE")
    )
    decision: Mapped[Decision] = mapped_column(Words(Decision))
    actor_kind: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime] = mapped_column(UtcTime)
    policy: Mapped[PolicyVerdict] = mapped_column(Words(PolicyVerdict))
    reason: Mapped[str | None] = mapped_column(Text)
    draft_version: Mapped[int] = mapped_column(Integer)
    content_digest: Mapped[str | None] = mapped_column(Text)


class DraftActionRecord(Base):
    """The one action that a draft suggests, and what became of the suggestion."""

    __tablename__ = "draft_actions"
    __table_args__ = (
        CheckConstraint(one_of("state", SuggestionState), name="state_known"),
        CheckConstraint("btrim(tool) <> ''", name="names_a_tool"),
        CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name="settled_at_a_moment"),
        Index("ix_draft_actions_proposal", "proposal_id"),
    )

    draft_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey(f"{SCHEMA}.drafts.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    workspace: Mapped[str] = mapped_column(Text)
    tool: Mapped[str] = mapped_column(Text)
    input: Mapped[JsonObject] = mapped_column(JSONB)
    state: Mapped[SuggestionState] = mapped_column(Words(SuggestionState))
    proposal_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(ProposalRow.id, ondelete="SET NULL")
    )
    code: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcTime)


# A message that came from a draft points at a decision about that very draft (P8); one decision
# lets out one message, and one draft has one message that is not retracted.
MessageRow.metadata.tables[f"{SCHEMA}.messages"].append_constraint(
    ForeignKeyConstraint(
        [MessageRow.draft_id, MessageRow.draft_decision_id],
        [DraftDecisionRecord.draft_id, DraftDecisionRecord.id],
        name="fk_messages_draft_decision",
        # Drafts refer to messages as well; this half of the circle is added afterwards.
        use_alter=True,
    )
)
Index(
    "uq_messages_draft_decision",
    MessageRow.draft_decision_id,
    unique=True,
    postgresql_where=text("draft_decision_id IS NOT NULL"),
)
Index(
    "uq_messages_live_draft",
    MessageRow.draft_id,
    unique=True,
    postgresql_where=text("draft_id IS NOT NULL AND delivery <> 'retracted'"),
)
