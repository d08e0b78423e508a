"""From a row of the search to a result that a person can read. No IO in this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.ids import ArticleId, ChunkId, ConversationId, RevisionId
from cairnloop_engine.core.text import safe
from cairnloop_engine.retrieval.identifiers import MARK
from cairnloop_engine.retrieval.model import CaseDetail, Hit, SourceType, Trust, Why
from cairnloop_engine.retrieval.terms import Terms
from cairnloop_engine.retrieval.texts import telling_sentences

EXCERPT_LENGTH = 280
TITLE_LENGTH = 200
CASE_LENGTH = 2_000
MOST_ACTIONS = 10
WORD_LENGTH = 80


def article_hit(row: Mapping[str, Any], terms: Terms) -> Hit:
    """An article: canon, which may carry a reply."""
    return _hit(
        row,
        terms,
        source_type=SourceType.KNOWLEDGE_BASE,
        trust=Trust.CANONICAL,
        article_id=ArticleId(row["article_id"]),
        revision_id=RevisionId(row["revision_id"]),
    )


def case_hit(row: Mapping[str, Any], terms: Terms) -> Hit:
    """A resolved case: it supports, and never carries a reply."""
    return _hit(
        row,
        terms,
        source_type=SourceType.RESOLVED_CASE,
        trust=Trust.ASSISTIVE,
        article_id=None,
        revision_id=None,
        conversation_id=ConversationId(row["conversation_id"]),
        case=CaseDetail(
            issue_summary=_lines(row["issue_summary"]),
            resolution_note=_lines(row["resolution_note"]),
            actions_taken=tuple(_lines(one) for one in row["actions_taken"][:MOST_ACTIONS]),
            resolved_at=row["resolved_at"],
        ),
    )


def _hit(
    row: Mapping[str, Any],
    terms: Terms,
    *,
    source_type: SourceType,
    trust: Trust,
    article_id: ArticleId | None,
    revision_id: RevisionId | None,
    conversation_id: ConversationId | None = None,
    case: CaseDetail | None = None,
) -> Hit:
    title = safe(row["title"], limit=TITLE_LENGTH)
    lexemes = tuple(row["lexemes"] or ())
    told = telling_sentences(row["content"], lexemes)
    return Hit(
        source_type=source_type,
        trust=trust,
        title=title,
        heading=safe(row["heading"], limit=TITLE_LENGTH),
        excerpt=safe(" ".join(told), limit=EXCERPT_LENGTH),
        score=float(row["score"]),
        why=_why(row, lexemes, terms),
        citation=Citation(
            title=title,
            source_type=source_type.value,
            article_id=article_id,
            chunk_id=row["chunk_id"],
        ),
        article_id=article_id,
        revision_id=revision_id,
        chunk_id=ChunkId(row["chunk_id"]),
        content=row["content"],
        sentences=told,
        updated_at=row["updated_at"],
        conversation_id=conversation_id,
        case=case,
    )


def _why(row: Mapping[str, Any], lexemes: tuple[str, ...], terms: Terms) -> Why:
    matched = set(lexemes)
    return Why(
        cos_title=row["cos_title"],
        cos_doc=row["cos_doc"],
        cos_chunk=row["cos_chunk"],
        bm25_share=float(row["share"]),
        lexemes=tuple(_word(one) for one in lexemes if not one.startswith(MARK)),
        identifiers=tuple(_word(one.removeprefix(MARK)) for one in lexemes if one.startswith(MARK)),
        read_as=tuple(_word(one.asked) for one in terms.read_as if one.lexeme in matched),
    )


def _word(lexeme: str) -> str:
    return safe(lexeme, limit=WORD_LENGTH)


def _lines(text: str) -> str:
    return safe(text, multiline=True, limit=CASE_LENGTH)
