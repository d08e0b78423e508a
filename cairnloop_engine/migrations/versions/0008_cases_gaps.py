"""Resolved cases beside articles in the index, gap events, calibrations, links of articles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from cairnloop_engine.core.tables import SCHEMA

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_cases()
    _index_cases(context.config.attributes["schema"])
    _create_gap_events()
    _create_calibrations()
    _create_article_links()


def _create_cases() -> None:
    op.create_table(
        "resolved_cases",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issue_summary", sa.Text(), nullable=False),
        sa.Column("resolution_note", sa.Text(), nullable=False),
        sa.Column("actions_taken", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("message_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("resolved_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("inserted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            [f"{SCHEMA}.conversations.id"],
            name=op.f("fk_resolved_cases_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolved_cases")),
        sa.UniqueConstraint("conversation_id", name=op.f("uq_resolved_cases_conversation_id")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_resolved_cases_recent",
        "resolved_cases",
        ["workspace", "resolved_at", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "case_chunks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            [f"{SCHEMA}.resolved_cases.id"],
            name=op.f("fk_case_chunks_case_id_resolved_cases"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_chunks")),
        sa.UniqueConstraint("case_id", "position", name=op.f("uq_case_chunks_case_id_position")),
        schema=SCHEMA,
    )


def _index_cases(schema: str) -> None:
    # These statements are not translated to the chosen schema as the others are.
    op.add_column(
        "search_corpora", sa.Column("serving_model", sa.Text(), nullable=True), schema=schema
    )
    for column in ("article_id", "revision_id"):
        op.alter_column("search_docs", column, nullable=True, schema=schema)
    op.add_column(
        "search_docs", sa.Column("case_id", sa.BigInteger(), nullable=True), schema=schema
    )
    op.add_column(
        "search_docs",
        sa.Column("resolved_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        schema=schema,
    )
    op.create_foreign_key(
        op.f("fk_search_docs_case_id_resolved_cases"),
        "search_docs",
        "resolved_cases",
        ["case_id"],
        ["id"],
        source_schema=schema,
        referent_schema=schema,
        ondelete="CASCADE",
    )
    op.create_unique_constraint(
        op.f("uq_search_docs_corpus_id_case_id"),
        "search_docs",
        ["corpus_id", "case_id"],
        schema=schema,
    )
    op.create_check_constraint(
        op.f("ck_search_docs_article_or_case"),
        "search_docs",
        "(article_id IS NULL) <> (case_id IS NULL)"
        " AND (article_id IS NULL) = (revision_id IS NULL)"
        " AND (case_id IS NULL) = (resolved_at IS NULL)",
        schema=schema,
    )


def _create_gap_events() -> None:
    op.create_table(
        "gap_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("occurrences", sa.Integer(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("ui_surface", sa.Text(), nullable=False),
        sa.Column("outcome_class", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=True),
        sa.Column("query_fingerprint", sa.Text(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("canonical_hits", sa.Integer(), nullable=False),
        sa.Column("assistive_hits", sa.Integer(), nullable=False),
        sa.Column("clarification_attempts", sa.Integer(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("inserted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "surface IN ('draft_generation', 'search_modal', 'api', 'unspecified')",
            name=op.f("ck_gap_events_surface_known"),
        ),
        sa.CheckConstraint(
            "ui_surface IN ('conversation', 'inbox', 'settings', 'unspecified')",
            name=op.f("ck_gap_events_ui_surface_known"),
        ),
        sa.CheckConstraint(
            "outcome_class IN"
            " ('empty_recall', 'retrieval_error', 'weak_grounding', 'policy_limit')",
            name=op.f("ck_gap_events_outcome_class_known"),
        ),
        sa.CheckConstraint("occurrences > 0", name=op.f("ck_gap_events_occurred")),
        sa.CheckConstraint(
            "canonical_hits >= 0 AND assistive_hits >= 0 AND clarification_attempts >= 0",
            name=op.f("ck_gap_events_counts_possible"),
        ),
        sa.CheckConstraint(
            "query_fingerprint ~ '^[0-9a-f]{64}$'", name=op.f("ck_gap_events_fingerprint_hex")
        ),
        sa.CheckConstraint(
            "char_length(excerpt) <= 160", name=op.f("ck_gap_events_excerpt_bounded")
        ),
        sa.CheckConstraint(
            "jsonb_typeof(evidence) = 'array' AND jsonb_array_length(evidence) <= 5",
            name=op.f("ck_gap_events_evidence_bounded"),
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            [f"{SCHEMA}.conversations.id"],
            name=op.f("fk_gap_events_conversation_id_conversations"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gap_events")),
        sa.UniqueConstraint(
            "workspace", "dedupe_key", name=op.f("uq_gap_events_workspace_dedupe_key")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_gap_events_recent",
        "gap_events",
        ["workspace", "last_seen_at", "id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_gap_events_fingerprint",
        "gap_events",
        ["workspace", "query_fingerprint"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_gap_events_conversation",
        "gap_events",
        ["conversation_id"],
        unique=False,
        schema=SCHEMA,
    )


def _create_calibrations() -> None:
    op.create_table(
        "grounding_calibrations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("risk", sa.Float(), nullable=False),
        sa.Column("weights", postgresql.JSONB(), nullable=False),
        sa.Column("n_labels", sa.Integer(), nullable=False),
        sa.Column("auroc", sa.Float(), nullable=True),
        sa.Column("coverage", sa.Float(), nullable=False),
        sa.Column("report", postgresql.JSONB(), nullable=False),
        sa.Column("n_documents", sa.BigInteger(), nullable=False),
        sa.Column("revision_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("superseded_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "granted = (threshold IS NOT NULL)",
            name=op.f("ck_grounding_calibrations_granted_a_threshold"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grounding_calibrations")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_grounding_calibrations_current",
        "grounding_calibrations",
        ["workspace", "model_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("superseded_at IS NULL"),
    )


def _create_article_links() -> None:
    op.create_table(
        "article_links",
        sa.Column("revision_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("target_article_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["revision_id"],
            [f"{SCHEMA}.revisions.id"],
            name=op.f("fk_article_links_revision_id_revisions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["target_article_id"],
            [f"{SCHEMA}.articles.id"],
            name=op.f("fk_article_links_target_article_id_articles"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("revision_id", "position", name=op.f("pk_article_links")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_article_links_target",
        "article_links",
        ["target_article_id"],
        unique=False,
        schema=SCHEMA,
    )
