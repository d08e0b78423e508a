"""A seeded crowd: conversations and messages in bulk, in the shape that the services write.

Rows are made by the database itself from a seed, because the question that they answer is how
reads behave over many rows, not how fast rows come in. Message counts, states and waiting times
are spread so that every filter finds some and no index is trivially good.
"""

from __future__ import annotations

from sqlalchemy import text

from cairnloop_engine import Caller, Engine

CONVERSATIONS = """
INSERT INTO {conversations} (workspace, status, subject, customer_ref, assignee, revision,
  message_count, held_count, last_sequence, last_customer_position, last_customer_sequence,
  has_agent_reply, last_public_role, last_excerpt, last_message_at, waiting_since,
  resolved_at, resolved_by, inserted_at, updated_at)
SELECT :workspace,
  CASE WHEN kind < 60 THEN 'resolved' WHEN kind < 65 THEN 'archived' ELSE 'open' END,
  (ARRAY['Resetting my key', 'Refund for a double charge', 'Adding a teammate',
         'CI run skipped', 'Rotating an expired token'])[1 + n % 5] || ' ' || n,
  'customer-' || n, CASE WHEN n % 7 = 0 THEN 'maya' END, :messages, :messages, 0,
  :messages, :messages, CASE WHEN replied THEN :messages - 1 ELSE :messages END,
  kind < 90, CASE WHEN replied THEN 'agent' ELSE 'user' END, 'what message ' || n || ' says',
  moment, CASE WHEN kind >= 65 AND NOT replied THEN moment END,
  CASE WHEN kind < 60 THEN moment END, CASE WHEN kind < 60 THEN 'maya' END,
  moment - interval '1 day', moment
FROM (
  SELECT n, (n::bigint * 7919 + :seed) % 100 AS kind, (n::bigint * 104729 + :seed) % 2 = 0 AS coin,
    timestamptz '2026-01-01 00:00+00'
      + ((n::bigint * 15485863 + :seed) % 25000000) * interval '1 second' AS moment
  FROM generate_series(1, :count) AS n
) AS spread,
LATERAL (SELECT kind < 65 OR (kind < 90 AND coin) AS replied) AS turn
"""

MESSAGES = """
INSERT INTO {messages} (workspace, conversation_id, sequence, customer_position, role, delivery,
  content, author_kind, author_id, customer_ref, citations, metadata, inserted_at)
SELECT :workspace, c.id, s, s,
  CASE WHEN s % 2 = 1 THEN 'user' ELSE 'agent' END,
  CASE WHEN s % 2 = 1 THEN 'received' ELSE 'sent' END,
  'what message ' || s || ' of conversation ' || c.id || ' says, in one plain sentence',
  CASE WHEN s % 2 = 1 THEN 'customer' ELSE 'operator' END,
  CASE WHEN s % 2 = 1 THEN c.customer_ref ELSE 'maya' END,
  CASE WHEN s % 2 = 1 THEN c.customer_ref END, '[]'::jsonb, '{{}}'::jsonb,
  c.last_message_at - (:messages - s) * interval '10 minutes'
FROM {conversations} AS c, generate_series(1, :messages) AS s
WHERE c.workspace = :workspace
"""


async def fill(
    engine: Engine, workspace: str, *, conversations: int, messages_each: int, seed: int = 17
) -> None:
    """Fill a workspace; the caller sees to it that it was empty."""
    given = {
        "workspace": workspace,
        "count": conversations,
        "messages": messages_each,
        "seed": seed,
    }
    async with engine.db.work(Caller.system("crowd", workspace)) as work:
        # A bulk load is no business write: it may take its time.
        await work.session.execute(text("SET LOCAL statement_timeout = 0"))
        names = {
            "conversations": work.qualified("conversations"),
            "messages": work.qualified("messages"),
        }
        await work.session.execute(text(CONVERSATIONS.format(**names)), given)
        await work.session.execute(text(MESSAGES.format(**names)), given)
    async with engine.db.engine.connect() as connection:
        quick = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await quick.execute(text(f"VACUUM (ANALYZE) {names['conversations']}"))
        await quick.execute(text(f"ANALYZE {names['messages']}"))
