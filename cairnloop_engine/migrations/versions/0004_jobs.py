"""What the job layer keeps beside the queue: troubles, dead letters, what workers say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from cairnloop_engine.core.tables import SCHEMA

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_dead_letters()
    op.create_table(
        "job_troubles",
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("outages", sa.Integer(), nullable=False),
        sa.Column("rescues", sa.Integer(), nullable=False),
        sa.Column("first_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_troubles")),
        schema=SCHEMA,
    )
    op.create_table(
        "job_workers",
        sa.Column("worker_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("queues", sa.Text(), nullable=True),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_job_workers")),
        schema=SCHEMA,
    )


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=True),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("args", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("error_text", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("rescues", sa.Integer(), nullable=False),
        sa.Column("enqueued_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("first_trouble_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("died_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("redrive_of", sa.BigInteger(), nullable=True),
        sa.Column("redriven_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("redriven_by", sa.Text(), nullable=True),
        sa.Column("new_job_id", sa.BigInteger(), nullable=True),
        sa.Column("dropped_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("dropped_by", sa.Text(), nullable=True),
        sa.Column("drop_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "reason IN ('failed', 'outage', 'stranded', 'task_unknown', 'unknown_outcome')",
            name=op.f("ck_dead_letters_reason_known"),
        ),
        sa.CheckConstraint(
            "redriven_at IS NULL OR dropped_at IS NULL", name=op.f("ck_dead_letters_settled_once")
        ),
        sa.CheckConstraint(
            "(redriven_at IS NULL) = (new_job_id IS NULL)"
            " AND (redriven_at IS NULL) = (redriven_by IS NULL)",
            name=op.f("ck_dead_letters_redriven_whole"),
        ),
        sa.CheckConstraint(
            "(dropped_at IS NULL) = (dropped_by IS NULL)"
            " AND (dropped_at IS NULL) = (drop_reason IS NULL)",
            name=op.f("ck_dead_letters_dropped_whole"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_dead_letters_same_work",
        "dead_letters",
        ["task", "fingerprint"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("redriven_at IS NULL AND dropped_at IS NULL"),
    )
    op.create_index(
        "ix_dead_letters_waiting",
        "dead_letters",
        ["queue", "id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("redriven_at IS NULL AND dropped_at IS NULL"),
    )
    op.create_index(
        "ix_dead_letters_new_job_id",
        "dead_letters",
        ["new_job_id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("new_job_id IS NOT NULL"),
    )
