"""What a draft suggests to do, beside what it suggests to say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from cairnloop_engine.core.tables import SCHEMA

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "draft_actions",
        sa.Column("draft_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("input", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposal_id", sa.BigInteger(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("settled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'proposed', 'blocked', 'refused')",
            name=op.f("ck_draft_actions_state_known"),
        ),
        sa.CheckConstraint("btrim(tool) <> ''", name=op.f("ck_draft_actions_names_a_tool")),
        sa.CheckConstraint(
            "(state = 'waiting') = (settled_at IS NULL)",
            name=op.f("ck_draft_actions_settled_at_a_moment"),
        ),
        sa.ForeignKeyConstraint(
            ["draft_id"],
            [f"{SCHEMA}.drafts.id"],
            name=op.f("fk_draft_actions_draft_id_drafts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["proposal_id"],
            [f"{SCHEMA}.tool_proposals.id"],
            name=op.f("fk_draft_actions_proposal_id_tool_proposals"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("draft_id", name=op.f("pk_draft_actions")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_draft_actions_proposal", "draft_actions", ["proposal_id"], unique=False, schema=SCHEMA
    )
