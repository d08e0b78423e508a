"""Gap events as front ends see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.core.database import Read
from cairnloop_engine.core.errors import Invalid, JsonValue
from cairnloop_engine.core.ids import ConversationId, GapEventId
from cairnloop_engine.core.paging import (
    LARGEST_ID,
    REFUSED_CURSOR,
    Page,
    checked_limit,
    decode_cursor,
    encode_cursor,
)
from cairnloop_engine.core.text import safe
from cairnloop_engine.retrieval import gap_queries
from cairnloop_engine.retrieval.gap_model import (
    EVIDENCE_LENGTH,
    EXCERPT_LENGTH,
    TITLE_LENGTH,
    OutcomeClass,
    Surface,
    UiSurface,
)
from cairnloop_engine.retrieval.gap_queries import GapPosition
from cairnloop_engine.retrieval.tables import GapEventRow

WORD_LENGTH = 60


@dataclass(frozen=True, slots=True)
class GapEvidence:
    """One passage that was at hand and did not answer."""

    source_type: str
    trust: str
    title: str
    excerpt: str
    match_reasons: tuple[str, ...]
    score: float | None


@dataclass(frozen=True, slots=True)
class GapEvent:
    """A question that the knowledge could not answer, safe to show.

    ``occurrences`` counts how often it was asked between ``occurred_at`` and ``last_seen_at``.
    """

    id: GapEventId
    occurred_at: datetime
    last_seen_at: datetime
    occurrences: int
    surface: Surface
    ui_surface: UiSurface
    outcome_class: OutcomeClass
    reason: str
    conversation_id: ConversationId | None
    excerpt: str
    canonical_hits: int
    assistive_hits: int
    attempts: int
    evidence: tuple[GapEvidence, ...]


async def recent(read: Read, *, cursor: str | None, limit: int) -> Page[GapEvent]:
    """A page of gap events, the one seen last first.

    Raises:
        Invalid: ``limit_invalid`` or ``cursor_invalid``.
    """
    after = _position(cursor) if cursor else None
    rows = await gap_queries.recent(read, after=after, limit=checked_limit(limit) + 1)
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        following = encode_cursor([last.last_seen_at.isoformat(), last.id])
    return Page(tuple(_event(row) for row in rows[:limit]), following)


def _event(row: GapEventRow) -> GapEvent:
    return GapEvent(
        id=GapEventId(row.id),
        occurred_at=row.occurred_at,
        last_seen_at=row.last_seen_at,
        occurrences=row.occurrences,
        surface=row.surface,
        ui_surface=row.ui_surface,
        outcome_class=row.outcome_class,
        reason=safe(row.reason, limit=WORD_LENGTH),
        conversation_id=None
        if row.conversation_id is None
        else ConversationId(row.conversation_id),
        excerpt=safe(row.excerpt, limit=EXCERPT_LENGTH),
        canonical_hits=row.canonical_hits,
        assistive_hits=row.assistive_hits,
        attempts=row.clarification_attempts,
        evidence=tuple(_evidence(one) for one in row.evidence),
    )


def _evidence(stored: Mapping[str, JsonValue]) -> GapEvidence:
    reasons = stored.get("match_reasons")
    score = stored.get("score")
    return GapEvidence(
        source_type=_text(stored.get("source_type"), WORD_LENGTH),
        trust=_text(stored.get("trust_level"), WORD_LENGTH),
        title=_text(stored.get("title"), TITLE_LENGTH),
        excerpt=_text(stored.get("content_excerpt"), EVIDENCE_LENGTH),
        match_reasons=tuple(_text(one, WORD_LENGTH) for one in reasons)
        if isinstance(reasons, list)
        else (),
        score=float(score) if isinstance(score, int | float) else None,
    )


def _text(value: JsonValue, limit: int) -> str:
    return safe(value, limit=limit) if isinstance(value, str) else ""


def _position(cursor: str) -> GapPosition:
    refused = Invalid("cursor_invalid", REFUSED_CURSOR)
    moment, row_id = decode_cursor(cursor, length=2)
    if not isinstance(moment, str) or not isinstance(row_id, int) or not 0 <= row_id <= LARGEST_ID:
        raise refused
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError as error:
        raise refused from error
    if parsed.tzinfo is None:
        raise refused
    return GapPosition(parsed, row_id)
