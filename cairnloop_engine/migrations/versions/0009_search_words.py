"""The language in which a document's words were read, and words by their beginning."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # These statements are not translated to the chosen schema as others are.
    schema = context.config.attributes["schema"]
    # Null says that the words were read before identifiers were: `retrieval rebuild` reads anew.
    op.add_column("search_docs", sa.Column("language", sa.Text(), nullable=True), schema=schema)
    op.create_index(
        "ix_search_lexemes_beginning",
        "search_lexemes",
        ["corpus_id", "lexeme"],
        unique=False,
        schema=schema,
        postgresql_ops={"lexeme": "text_pattern_ops"},
    )
