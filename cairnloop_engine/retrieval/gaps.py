"""Recording what the knowledge could not answer. Every function takes a Work.

A gap event is telemetry that a person reads: it changes nothing that anybody decided, names
nobody and is pruned, so it leaves no audit event of its own.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from cairnloop_engine.audit.service import install_key
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.ids import ConversationId, GapEventId, MessageId
from cairnloop_engine.retrieval import gap_queries
from cairnloop_engine.retrieval.gap_model import (
    FINGERPRINT_PURPOSE,
    Gap,
    draft_key,
    excerpt_of,
    fingerprint,
    search_key,
)

log = logging.getLogger(__name__)

# The same question on the same screen within this time is one event that occurred again.
REPEATED_WITHIN = timedelta(hours=24)


async def note_draft(
    work: Work, gap: Gap, *, conversation_id: ConversationId, message_id: MessageId
) -> GapEventId | None:
    """Record the failure behind a draft, once for the message that it is about.

    Never fails the transaction that it is part of: what cannot be recorded is left out, and
    logged. None when nothing was recorded.
    """
    try:
        async with work.session.begin_nested():
            return await _note_draft(work, gap, conversation_id, message_id)
    except Exception as error:
        # Also a bug in here: a customer's draft is worth more than a line of statistics.
        log.warning(
            "a gap was not recorded",
            extra={"conversation": conversation_id, "error": type(error).__name__},
        )
        return None


async def note_search(work: Work, gap: Gap) -> GapEventId | None:
    """Record the failure of an operator's search, or count the one that was recorded lately.

    None when this host lacks the install key: a fingerprint without it could be guessed.
    """
    told = await _told(work, gap)
    if told is None:
        return None
    key = search_key(gap, str(told["query_fingerprint"]))
    await gap_queries.close_window(work, key, opened_until=work.now - REPEATED_WITHIN)
    return await gap_queries.insert_or_count(work, dedupe_key=key, conversation_id=None, **told)


async def _note_draft(
    work: Work, gap: Gap, conversation_id: ConversationId, message_id: MessageId
) -> GapEventId | None:
    told = await _told(work, gap)
    if told is None:
        return None
    return await gap_queries.insert_once(
        work, dedupe_key=draft_key(gap, message_id), conversation_id=conversation_id, **told
    )


async def _told(work: Work, gap: Gap) -> dict[str, Any] | None:
    """What a row may say about a gap."""
    key = await install_key(work)
    if key is None:
        log.warning("a gap was not recorded", extra={"code": "install_key_missing"})
        return None
    secret = key.derived(FINGERPRINT_PURPOSE)
    return {
        "occurred_at": work.now,
        "last_seen_at": work.now,
        "surface": gap.surface,
        "ui_surface": gap.ui_surface,
        "outcome_class": gap.outcome_class,
        "reason": gap.reason,
        "query_fingerprint": fingerprint(secret, work.workspace, gap.query),
        "excerpt": excerpt_of(gap.query),
        "canonical_hits": gap.canonical_hits,
        "assistive_hits": gap.assistive_hits,
        "clarification_attempts": gap.attempts,
        "evidence": list(gap.evidence),
    }
