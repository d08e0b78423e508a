"""The sealed chain of the audit trail, and personal values that can be forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from cairnloop_engine.core.tables import SCHEMA, qualified

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    schema = context.config.attributes["schema"]
    # Alembic's own ALTER statements would not follow the schema setting.
    events = qualified(schema, "audit_events")
    op.execute(f"ALTER TABLE {events} ALTER actor_id DROP NOT NULL")
    for name in ("personal", "salts", "digests"):
        op.execute(f"ALTER TABLE {events} ADD {name} jsonb NOT NULL DEFAULT '{{}}'")
    # The events of older releases bear the empty mark; whatever comes without any is a stranger.
    op.execute(f"ALTER TABLE {events} ADD mark bytea DEFAULT ''")
    op.execute(f"ALTER TABLE {events} ALTER mark DROP DEFAULT")
    for name in ("actor_id", "action"):
        op.create_index(
            f"ix_audit_events_{name.removesuffix('_id')}",
            "audit_events",
            ["workspace", name, "id"],
            unique=False,
            schema=SCHEMA,
        )
    op.create_table(
        "audit_seals",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("row_hash", sa.LargeBinary(), nullable=False),
        sa.Column("chain_hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_seals")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_seals_event_id")),
        schema=SCHEMA,
    )
    _salt_actors(schema)
    _allow_forgetting(schema)
    _guard_seals(schema)


def _salt_actors(schema: str) -> None:
    """Give the events of older releases the digest of their actor that new ones are born with."""
    table = qualified(schema, "audit_events")
    op.execute(f"ALTER TABLE {table} DISABLE TRIGGER audit_is_append_only_row")
    op.execute(
        f"UPDATE {table} SET salts = jsonb_build_object('actor',"  # noqa: S608 - our own name
        "  replace(gen_random_uuid()::text, '-', ''))"
    )
    op.execute(
        f"UPDATE {table} SET digests = jsonb_build_object("  # noqa: S608 - our own name
        "  'actor', encode(sha256(convert_to("
        "  (salts ->> 'actor') || ':actor:' || to_json(actor_id)::text, 'UTF8')), 'hex'))"
    )
    op.execute(f"ALTER TABLE {table} ENABLE TRIGGER audit_is_append_only_row")


def _allow_forgetting(schema: str) -> None:
    """Replace the guard of the rows: a personal value may go with its salt, nothing may change."""
    function, table = qualified(schema, "guard_audit_event"), qualified(schema, "audit_events")
    op.execute(
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql"  # noqa: S608 - our own
        " AS $$ BEGIN IF TG_OP = 'UPDATE'"
        "  AND to_jsonb(NEW) - ARRAY['actor_id', 'personal', 'salts']"
        "    = to_jsonb(OLD) - ARRAY['actor_id', 'personal', 'salts']"
        "  AND NOT EXISTS (SELECT FROM jsonb_each(NEW.personal) AS kept"
        "    WHERE OLD.personal -> kept.key IS DISTINCT FROM kept.value)"
        "  AND NOT EXISTS (SELECT FROM jsonb_each(NEW.salts) AS kept"
        "    WHERE OLD.salts -> kept.key IS DISTINCT FROM kept.value)"
        "  AND NOT EXISTS (SELECT FROM jsonb_object_keys(OLD.personal) AS name"
        "    WHERE (NEW.personal ? name) <> (NEW.salts ? name))"
        "  AND (NEW.actor_id IS NOT DISTINCT FROM OLD.actor_id AND"
        "        (NEW.salts -> 'actor') IS NOT DISTINCT FROM (OLD.salts -> 'actor')"
        "    OR NEW.actor_id IS NULL AND NOT NEW.salts ? 'actor' AND OLD.digests ? 'actor')"
        " THEN RETURN NEW; END IF;"
        " RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'restrict_violation';"
        " END $$"
    )
    op.execute(f"DROP TRIGGER audit_is_append_only_row ON {table}")
    op.execute(
        f"CREATE TRIGGER audit_is_append_only_row BEFORE UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {function}()"
    )


def _guard_seals(schema: str) -> None:
    function, table = qualified(schema, "refuse_audit_change"), qualified(schema, "audit_seals")
    for name, moment in (("row", "UPDATE OR DELETE"), ("all", "TRUNCATE")):
        level = "ROW" if name == "row" else "STATEMENT"
        op.execute(
            f"CREATE TRIGGER audit_is_append_only_{name} BEFORE {moment} ON {table}"
            f" FOR EACH {level} EXECUTE FUNCTION {function}()"
        )
