"""The search index: what can be found right now, and nothing else.

A document is in these tables exactly while it may be found; archiving deletes it here. So no
search has to filter by state, and no index holds what no search may return.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from cairnloop_engine.core.tables import SCHEMA, Base, PrimaryKey, UtcTime, Words, one_of
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


class DocumentRow(Base):
    """One result that a search can return: an article by its current revision."""

    __tablename__ = "search_docs"
    __table_args__ = (
        UniqueConstraint("corpus_id", "article_id"),
        Index("ix_search_docs_workspace", "workspace", "id"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    corpus_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.search_corpora.id", ondelete="CASCADE")
    )
    article_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.articles.id", ondelete="CASCADE")
    )
    revision_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.revisions.id", ondelete="CASCADE")
    )
    title: Mapped[str] = mapped_column(Text)
    # Counted in indexed words, as the statistics of the corpus count them.
    len_title: Mapped[int] = mapped_column(Integer)
    len_body: Mapped[int] = mapped_column(Integer)
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
    """In how many documents of a corpus a word stands."""

    __tablename__ = "search_lexemes"

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
