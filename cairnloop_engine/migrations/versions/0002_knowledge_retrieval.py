"""Articles, revisions and chunks; the search index made from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects import postgresql

from cairnloop_engine.core.tables import SCHEMA, qualified

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    schema = context.config.attributes["schema"]
    _create_knowledge()
    _keep_published_text(schema)
    _create_documents()
    _create_postings()
    _create_vectors(schema)


def _create_knowledge() -> None:
    op.create_table(
        "articles",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("source_path", sa.Text(), nullable=True),
        sa.Column("edit_version", sa.BigInteger(), nullable=False),
        sa.Column("inserted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'published', 'archived')", name=op.f("ck_articles_status_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_articles")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_articles_recent",
        "articles",
        ["workspace", "updated_at", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_articles_status_recent",
        "articles",
        ["workspace", "status", "updated_at", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "uq_articles_source_path",
        "articles",
        ["workspace", "source_path"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("source_path IS NOT NULL"),
    )
    op.create_table(
        "revisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("author_kind", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Text(), nullable=False),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("published_by", sa.Text(), nullable=True),
        sa.Column("indexed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("inserted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "origin IN ('editor', 'import')", name=op.f("ck_revisions_origin_known")
        ),
        sa.CheckConstraint(
            "state <> 'published' OR published_at IS NOT NULL",
            name=op.f("ck_revisions_published_has_date"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'published', 'archived')", name=op.f("ck_revisions_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["article_id"],
            [f"{SCHEMA}.articles.id"],
            name=op.f("fk_revisions_article_id_articles"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revisions")),
        sa.UniqueConstraint("article_id", "version", name=op.f("uq_revisions_article_id_version")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_revisions_draft",
        "revisions",
        ["article_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'draft'"),
    )
    op.create_index(
        "uq_revisions_published",
        "revisions",
        ["article_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'published'"),
    )
    op.create_table(
        "chunks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("revision_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"],
            [f"{SCHEMA}.revisions.id"],
            name=op.f("fk_chunks_revision_id_revisions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
        sa.UniqueConstraint("revision_id", "position", name=op.f("uq_chunks_revision_id_position")),
        schema=SCHEMA,
    )


def _create_documents() -> None:
    op.create_table(
        "search_corpora",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("n_docs", sa.BigInteger(), nullable=False),
        sa.Column("sum_title", sa.BigInteger(), nullable=False),
        sa.Column("sum_body", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "source_type IN ('knowledge_base', 'resolved_case')",
            name=op.f("ck_search_corpora_source_type_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_corpora")),
        sa.UniqueConstraint(
            "workspace", "source_type", name=op.f("uq_search_corpora_workspace_source_type")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "search_docs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("corpus_id", sa.BigInteger(), nullable=False),
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("revision_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("len_title", sa.Integer(), nullable=False),
        sa.Column("len_body", sa.Integer(), nullable=False),
        sa.Column("vectors_error", sa.Text(), nullable=True),
        sa.Column("queued_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"],
            [f"{SCHEMA}.articles.id"],
            name=op.f("fk_search_docs_article_id_articles"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["corpus_id"],
            [f"{SCHEMA}.search_corpora.id"],
            name=op.f("fk_search_docs_corpus_id_search_corpora"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["revision_id"],
            [f"{SCHEMA}.revisions.id"],
            name=op.f("fk_search_docs_revision_id_revisions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_docs")),
        sa.UniqueConstraint(
            "corpus_id", "article_id", name=op.f("uq_search_docs_corpus_id_article_id")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_search_docs_workspace", "search_docs", ["workspace", "id"], unique=False, schema=SCHEMA
    )


def _create_postings() -> None:
    op.create_table(
        "search_lexemes",
        sa.Column("corpus_id", sa.BigInteger(), nullable=False),
        sa.Column("lexeme", sa.Text(), nullable=False),
        sa.Column("n_docs", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["corpus_id"],
            [f"{SCHEMA}.search_corpora.id"],
            name=op.f("fk_search_lexemes_corpus_id_search_corpora"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corpus_id", "lexeme", name=op.f("pk_search_lexemes")),
        schema=SCHEMA,
    )
    op.create_table(
        "search_postings",
        sa.Column("doc_id", sa.BigInteger(), nullable=False),
        sa.Column("lexeme", sa.Text(), nullable=False),
        sa.Column("corpus_id", sa.BigInteger(), nullable=False),
        sa.Column("tf_title", sa.Integer(), nullable=False),
        sa.Column("tf_body", sa.Integer(), nullable=False),
        sa.Column("len_title", sa.Integer(), nullable=False),
        sa.Column("len_body", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["doc_id"],
            [f"{SCHEMA}.search_docs.id"],
            name=op.f("fk_search_postings_doc_id_search_docs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("doc_id", "lexeme", name=op.f("pk_search_postings")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_search_postings_lexeme",
        "search_postings",
        ["corpus_id", "lexeme"],
        unique=False,
        schema=SCHEMA,
        postgresql_include=["doc_id", "tf_title", "tf_body", "len_title", "len_body"],
    )


def _create_vectors(schema: str) -> None:
    op.create_table(
        "search_vectors",
        sa.Column("doc_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("corpus_id", sa.BigInteger(), nullable=False),
        sa.Column("chunk_id", sa.BigInteger(), nullable=True),
        sa.Column("embedding", HALFVEC(), nullable=False),
        sa.CheckConstraint(
            "(slot = 2) = (chunk_id IS NOT NULL)", name=op.f("ck_search_vectors_chunk_when_chunk")
        ),
        sa.CheckConstraint("slot IN (0, 1, 2)", name=op.f("ck_search_vectors_slot_known")),
        sa.ForeignKeyConstraint(
            ["doc_id"],
            [f"{SCHEMA}.search_docs.id"],
            name=op.f("fk_search_vectors_doc_id_search_docs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "doc_id", "model_id", "slot", "position", name=op.f("pk_search_vectors")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_search_vectors_corpus",
        "search_vectors",
        ["corpus_id", "model_id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_search_vectors_hash_1024",
        "search_vectors",
        [sa.literal_column("(embedding::halfvec(1024))").label("unit")],
        unique=False,
        schema=SCHEMA,
        postgresql_using="hnsw",
        postgresql_ops={"unit": "halfvec_cosine_ops"},
        postgresql_with={"m": 16, "ef_construction": 64},
        postgresql_where=sa.text("model_id = 'hash-1024'"),
    )
    op.create_index(
        "ix_search_vectors_minilm_int8",
        "search_vectors",
        [sa.literal_column("(embedding::halfvec(384))").label("unit")],
        unique=False,
        schema=SCHEMA,
        postgresql_using="hnsw",
        postgresql_ops={"unit": "halfvec_cosine_ops"},
        postgresql_with={"m": 16, "ef_construction": 64},
        postgresql_where=sa.text("model_id = 'minilm-int8'"),
    )
    # Inline, not in a side table: a scan reads every vector.
    op.execute(
        f"ALTER TABLE {qualified(schema, 'search_vectors')}"
        " ALTER COLUMN embedding SET STORAGE PLAIN"
    )


def _keep_published_text(schema: str) -> None:
    """What was published once stays as it was: citations point at it."""
    function = qualified(schema, "keep_published_revision")
    op.execute(
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF OLD.article_id <> NEW.article_id OR OLD.version <> NEW.version"
        " OR OLD.workspace <> NEW.workspace OR (OLD.state <> 'draft'"
        " AND (NEW.state = 'draft' OR OLD.title <> NEW.title OR OLD.content <> NEW.content"
        " OR OLD.digest <> NEW.digest))"
        " OR (OLD.state = 'archived' AND NEW.state <> 'archived') THEN"
        " RAISE EXCEPTION 'a published revision does not change'"
        " USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        f"CREATE TRIGGER published_revisions_stay BEFORE UPDATE ON {qualified(schema, 'revisions')}"
        f" FOR EACH ROW EXECUTE FUNCTION {function}()"
    )
