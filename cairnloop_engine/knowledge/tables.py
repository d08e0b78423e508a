"""The rows of articles, their revisions, and the chunks of published revisions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from cairnloop_engine.core.tables import SCHEMA, Base, PrimaryKey, UtcTime, Words, one_of
from cairnloop_engine.knowledge.model import ArticleStatus, Origin, RevisionState


class StoredArticleRow(Base):
    """One article. ``title`` is that of its newest revision."""

    __tablename__ = "articles"
    __table_args__ = (
        CheckConstraint(one_of("status", ArticleStatus), name="status_known"),
        Index(
            "uq_articles_source_path",
            "workspace",
            "source_path",
            unique=True,
            postgresql_where=text("source_path IS NOT NULL"),
        ),
        Index("ix_articles_recent", "workspace", "updated_at", "id"),
        Index("ix_articles_status_recent", "workspace", "status", "updated_at", "id"),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    status: Mapped[ArticleStatus] = mapped_column(Words(ArticleStatus))
    title: Mapped[str] = mapped_column(Text)
    # The file that an imported article came from, relative to the imported folder.
    source_path: Mapped[str | None] = mapped_column(Text)
    # What the file said when it was last taken in; the same again is no change, even if the
    # article was edited here since.
    source_digest: Mapped[str | None] = mapped_column(Text)
    # Grows with every change, so that two people cannot overwrite each other unseen.
    edit_version: Mapped[int] = mapped_column(BigInteger)
    inserted_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class RevisionRow(Base):
    """One version of an article. A trigger keeps what was published from changing (0002)."""

    __tablename__ = "revisions"
    __table_args__ = (
        CheckConstraint(one_of("state", RevisionState), name="state_known"),
        CheckConstraint(one_of("origin", Origin), name="origin_known"),
        CheckConstraint(
            "state <> 'published' OR published_at IS NOT NULL", name="published_has_date"
        ),
        UniqueConstraint("article_id", "version"),
        Index(
            "uq_revisions_published",
            "article_id",
            unique=True,
            postgresql_where=text("state = 'published'"),
        ),
        Index(
            "uq_revisions_draft",
            "article_id",
            unique=True,
            postgresql_where=text("state = 'draft'"),
        ),
    )

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    article_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.articles.id", ondelete="CASCADE")
    )
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[RevisionState] = mapped_column(Words(RevisionState))
    origin: Mapped[Origin] = mapped_column(Words(Origin))
    title: Mapped[str] = mapped_column(Text)
    content: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)
    author_kind: Mapped[str] = mapped_column(Text)
    author_id: Mapped[str] = mapped_column(Text)
    published_at: Mapped[datetime | None] = mapped_column(UtcTime)
    published_by: Mapped[str | None] = mapped_column(Text)
    # When its vectors were last recorded; null means that only its words can be searched.
    indexed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    inserted_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class ChunkRow(Base):
    """One passage of a published revision. Kept for ever, because replies cite it."""

    __tablename__ = "chunks"
    __table_args__ = (UniqueConstraint("revision_id", "position"),)

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    revision_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.revisions.id", ondelete="CASCADE")
    )
    position: Mapped[int] = mapped_column(Integer)
    # The path of headings above the passage, outermost first, without the article's title.
    heading: Mapped[str] = mapped_column(Text)
    content: Mapped[str] = mapped_column(Text)


class ArticleLinkRow(Base):
    """A link that a revision makes to another article; its target may not exist (yet)."""

    __tablename__ = "article_links"
    __table_args__ = (Index("ix_article_links_target", "target_article_id"),)

    revision_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey(f"{SCHEMA}.revisions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    workspace: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(Text)
    # As it was written: a path of the imported folder, or ``article:12``.
    target: Mapped[str] = mapped_column(Text)
    target_article_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.articles.id", ondelete="SET NULL")
    )
