"""Search results made by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.ids import ArticleId, ChunkId, RevisionId
from cairnloop_engine.retrieval.model import Hit, SourceType, Trust, Why


def hit(
    *,
    cos_chunk: float | None = 0.8,
    cos_title: float | None = 0.8,
    share: float = 0.5,
    score: float = 0.7,
    trust: Trust = Trust.CANONICAL,
    article_id: int = 1,
) -> Hit:
    """One result with the given signals."""
    source = SourceType.KNOWLEDGE_BASE if trust is Trust.CANONICAL else SourceType.RESOLVED_CASE
    return Hit(
        source_type=source,
        trust=trust,
        title="Reset your key",
        heading="Steps",
        excerpt="Open settings.",
        score=score,
        why=Why(cos_title, 0.7, cos_chunk, share, ("reset", "key")),
        citation=Citation("Reset your key", source.value, article_id, 7),
        article_id=ArticleId(article_id),
        revision_id=RevisionId(3),
        chunk_id=ChunkId(7),
        content="Open settings. Press revoke.",
        sentences=("Open settings.",),
        updated_at=datetime(2026, 6, 26, tzinfo=UTC),
    )
