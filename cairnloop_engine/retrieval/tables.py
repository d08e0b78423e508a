"""The search index: what can be found right now, and nothing else.

A document is in these tables exactly while it may be found; archiving deletes it here. So no
search has to filter by state, and no index holds what no search may return.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.tables import SCHEMA, Base, PrimaryKey, UtcTime, Words, one_of
from cairnloop_engine.retrieval.gap_model import (
    EXCERPT_LENGTH,
    MOST_EVIDENCE,
    OutcomeClass,
    Surface,
    UiSurface,
)
from cairnloop_engine.retrieval.model import SourceType

# The models whose vectors have an index from the first day, with their dimensions.
INDEXED_MODELS = {"minilm-int8": 384, "hash-1024": 1024}


class CorpusRow(Base):
    """One corpus of one workspace, with the statistics that BM25F needs.

    Its row lock serialises the writers of the corpus, so the statistics are exact and two
    publications cannot deadlock over common words.
    """

    __tablename__ = "search_corpora"
    __table_args__ = (
        CheckConstraint(one_of("source_type", SourceType), name="source_type_known"),
        UniqueConstraint("workspace", "source_type"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    source_type: Mapped[SourceType] = mapped_column(Words(SourceType))
    n_docs: Mapped[int] = mapped_column(BigInteger)
    sum_title: Mapped[int] = mapped_column(BigInteger)
    sum_body: Mapped[int] = mapped_column(BigInteger)
    # The model whose vectors answer searches: the one that last covered the whole corpus.
    serving_model: Mapped[str | None] = mapped_column(Text)


class DocumentRow(Base):
    """One result that a search can return: an article by its current revision, or a case."""

    __tablename__ = "search_docs"
    __table_args__ = (
        CheckConstraint(
            "(article_id IS NULL) <> (case_id IS NULL)"
            " AND (article_id IS NULL) = (revision_id IS NULL)"
            " AND (case_id IS NULL) = (resolved_at IS NULL)",
            name="article_or_case",
        ),
        UniqueConstraint("corpus_id", "article_id"),
        UniqueConstraint("corpus_id", "case_id"),
        Index("ix_search_docs_workspace", "workspace", "id"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    corpus_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.search_corpora.id", ondelete="CASCADE")
    )
    article_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.articles.id", ondelete="CASCADE")
    )
    revision_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.revisions.id", ondelete="CASCADE")
    )
    case_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.resolved_cases.id", ondelete="CASCADE")
    )
    # When the case was resolved: older precedents count for less.
    resolved_at: Mapped[datetime | None] = mapped_column(UtcTime)
    title: Mapped[str] = mapped_column(Text)
    # Counted in indexed words, as the statistics of the corpus count them.
    len_title: Mapped[int] = mapped_column(Integer)
    len_body: Mapped[int] = mapped_column(Integer)
    # The text search configuration that read its words; null before that was recorded.
    language: Mapped[str | None] = mapped_column(Text)
    # The code of what went wrong when its vectors were last made; null when nothing did.
    vectors_error: Mapped[str | None] = mapped_column(Text)
    # When the making of its vectors was last asked for.
    queued_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class PostingRow(Base):
    """How often one word stands in one document, by field."""

    __tablename__ = "search_postings"
    __table_args__ = (
        Index(
            "ix_search_postings_lexeme",
            "corpus_id",
            "lexeme",
            postgresql_include=["doc_id", "tf_title", "tf_body", "len_title", "len_body"],
        ),
    )

    doc_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey(f"{SCHEMA}.search_docs.id", ondelete="CASCADE"),
        primary_key=True,
    )
    lexeme: Mapped[str] = mapped_column(Text, primary_key=True)
    corpus_id: Mapped[int] = mapped_column(BigInteger)
    tf_title: Mapped[int] = mapped_column(Integer)
    tf_body: Mapped[int] = mapped_column(Integer)
    # The document's lengths again: scoring then reads this index and nothing else.
    len_title: Mapped[int] = mapped_column(Integer)
    len_body: Mapped[int] = mapped_column(Integer)


class LexemeRow(Base):
    """In how many documents of a corpus a word stands.

    Identifiers stand among the words, under a mark that no word begins with.
    """

    __tablename__ = "search_lexemes"
    __table_args__ = (
        # Finds words that begin alike, whatever the collation of the database.
        Index(
            "ix_search_lexemes_beginning",
            "corpus_id",
            "lexeme",
            postgresql_ops={"lexeme": "text_pattern_ops"},
        ),
    )

    corpus_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey(f"{SCHEMA}.search_corpora.id", ondelete="CASCADE"),
        primary_key=True,
    )
    lexeme: Mapped[str] = mapped_column(Text, primary_key=True)
    n_docs: Mapped[int] = mapped_column(BigInteger)


class VectorRow(Base):
    """One vector: narrow, because an exact scan reads every row of a model.

    ``slot`` is what was embedded (see :class:`model.Slot`), ``chunk_id`` the passage of a chunk
    slot. ``model_id`` keeps the vectors of different models apart.
    """

    __tablename__ = "search_vectors"
    __table_args__ = (
        CheckConstraint("slot IN (0, 1, 2)", name="slot_known"),
        CheckConstraint("(slot = 2) = (chunk_id IS NOT NULL)", name="chunk_when_chunk"),
        Index("ix_search_vectors_corpus", "corpus_id", "model_id"),
        *(
            Index(
                f"ix_search_vectors_{model_id.replace('-', '_')}",
                literal_column(f"(embedding::halfvec({dim}))").label("unit"),
                postgresql_using="hnsw",
                postgresql_ops={"unit": "halfvec_cosine_ops"},
                postgresql_with={"m": 16, "ef_construction": 64},
                postgresql_where=text(f"model_id = '{model_id}'"),
            )
            for model_id, dim in INDEXED_MODELS.items()
        ),
    )

    doc_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey(f"{SCHEMA}.search_docs.id", ondelete="CASCADE"),
        primary_key=True,
    )
    model_id: Mapped[str] = mapped_column(Text, primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    corpus_id: Mapped[int] = mapped_column(BigInteger)
    # No foreign key: a vector leaves with its document, and a second way out would need an index.
    chunk_id: Mapped[int | None] = mapped_column(BigInteger)
    embedding: Mapped[Any] = mapped_column(HALFVEC)


class CaseRow(Base):
    """A resolved conversation as evidence: redacted, and here only while it may be found."""

    __tablename__ = "resolved_cases"
    __table_args__ = (Index("ix_resolved_cases_recent", "workspace", "resolved_at", "id"),)

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    conversation_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.conversations.id", ondelete="CASCADE"), unique=True
    )
    subject: Mapped[str] = mapped_column(Text)
    issue_summary: Mapped[str] = mapped_column(Text)
    resolution_note: Mapped[str] = mapped_column(Text)
    actions_taken: Mapped[list[str]] = mapped_column(ARRAY(Text))
    # The messages that it was made from, oldest first.
    message_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    resolved_at: Mapped[datetime] = mapped_column(UtcTime)
    inserted_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class CaseChunkRow(Base):
    """One passage of a resolved case."""

    __tablename__ = "case_chunks"
    __table_args__ = (UniqueConstraint("case_id", "position"),)

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    case_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.resolved_cases.id", ondelete="CASCADE")
    )
    position: Mapped[int] = mapped_column(Integer)
    heading: Mapped[str] = mapped_column(Text)
    content: Mapped[str] = mapped_column(Text)


class GapEventRow(Base):
    """A question that the knowledge could not answer, told without anything personal."""

    __tablename__ = "gap_events"
    __table_args__ = (
        CheckConstraint(one_of("surface", Surface), name="surface_known"),
        CheckConstraint(one_of("ui_surface", UiSurface), name="ui_surface_known"),
        CheckConstraint(one_of("outcome_class", OutcomeClass), name="outcome_class_known"),
        CheckConstraint("occurrences > 0", name="occurred"),
        CheckConstraint(
            "canonical_hits >= 0 AND assistive_hits >= 0 AND clarification_attempts >= 0",
            name="counts_possible",
        ),
        CheckConstraint("query_fingerprint ~ '^[0-9a-f]{64}$'", name="fingerprint_hex"),
        CheckConstraint(f"char_length(excerpt) <= {EXCERPT_LENGTH}", name="excerpt_bounded"),
        CheckConstraint(
            f"jsonb_typeof(evidence) = 'array' AND jsonb_array_length(evidence) <= {MOST_EVIDENCE}",
            name="evidence_bounded",
        ),
        UniqueConstraint("workspace", "dedupe_key"),
        Index("ix_gap_events_recent", "workspace", "last_seen_at", "id"),
        Index("ix_gap_events_fingerprint", "workspace", "query_fingerprint"),
        Index("ix_gap_events_conversation", "conversation_id"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    occurred_at: Mapped[datetime] = mapped_column(UtcTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcTime)
    occurrences: Mapped[int] = mapped_column(Integer)
    surface: Mapped[Surface] = mapped_column(Words(Surface))
    ui_surface: Mapped[UiSurface] = mapped_column(Words(UiSurface))
    outcome_class: Mapped[OutcomeClass] = mapped_column(Words(OutcomeClass))
    # A model.Reason, or another code of retrieval.
    reason: Mapped[str] = mapped_column(Text)
    conversation_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.conversations.id", ondelete="SET NULL")
    )
    # HMAC-SHA-256 of the normalised question, with a key that is not in the database.
    query_fingerprint: Mapped[str] = mapped_column(Text)
    excerpt: Mapped[str] = mapped_column(Text)
    canonical_hits: Mapped[int] = mapped_column(Integer)
    assistive_hits: Mapped[int] = mapped_column(Integer)
    clarification_attempts: Mapped[int] = mapped_column(Integer)
    evidence: Mapped[list[JsonObject]] = mapped_column(JSONB)
    # What makes two reports the same event: the message, or the question and its day.
    dedupe_key: Mapped[str] = mapped_column(Text)
    inserted_at: Mapped[datetime] = mapped_column(UtcTime)


class CalibrationRow(Base):
    """What labelled questions said about one embedder's scores on one knowledge base.

    ``threshold`` None means that no threshold kept the promise, which is an answer too.
    """

    __tablename__ = "grounding_calibrations"
    __table_args__ = (
        CheckConstraint("granted = (threshold IS NOT NULL)", name="granted_a_threshold"),
        Index(
            "uq_grounding_calibrations_current",
            "workspace",
            "model_id",
            unique=True,
            postgresql_where=text("superseded_at IS NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    model_id: Mapped[str] = mapped_column(Text)
    granted: Mapped[bool] = mapped_column(Boolean)
    # A probability that the first result answers; at or above it grounding is strong.
    threshold: Mapped[float | None] = mapped_column(Float)
    # The share of wrong strong answers that was promised at most.
    risk: Mapped[float] = mapped_column(Float)
    weights: Mapped[JsonObject] = mapped_column(JSONB)
    n_labels: Mapped[int] = mapped_column(Integer)
    auroc: Mapped[float | None] = mapped_column(Float)
    coverage: Mapped[float] = mapped_column(Float)
    report: Mapped[JsonObject] = mapped_column(JSONB)
    # The knowledge that the labels were asked about: when much of it changed, this expires.
    n_documents: Mapped[int] = mapped_column(BigInteger)
    revision_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    made_by: Mapped[str] = mapped_column(Text)
    superseded_at: Mapped[datetime | None] = mapped_column(UtcTime)
