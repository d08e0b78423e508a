"""Alembic's environment: runs on the connection that the runner hands over."""

from __future__ import annotations

from typing import Any

from alembic import context

from cairnloop_engine.core.tables import SCHEMA
from cairnloop_engine.migrations.metadata import complete_metadata


def admit(name: str | None, kind: str, parents: Any) -> bool:
    """Compare our schema only: procrastinate's tables are not ours to drop."""
    return name == SCHEMA if kind == "schema" else True


connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]
context.configure(
    connection=connection.execution_options(schema_translate_map={SCHEMA: schema}),
    target_metadata=complete_metadata(),
    version_table="alembic_version",
    version_table_schema=schema,
    include_schemas=True,
    include_name=admit,
)
context.run_migrations()
