"""What an article's file said when it was last taken in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # This statement is not translated to the chosen schema as others are.
    schema = context.config.attributes["schema"]
    # Null where the file was taken in before; then what the article says counts.
    op.add_column("articles", sa.Column("source_digest", sa.Text(), nullable=True), schema=schema)
