"""What a search finds and how sure it is. No IO in this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TypeVar

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.ids import ArticleId, ChunkId, ConversationId, RevisionId

# The layout of stored evidence; readers accept every version up to this one.
EVIDENCE_VERSION = 1

W = TypeVar("W", bound=StrEnum)


class SourceType(StrEnum):
    """Which corpus a result comes from."""

    KNOWLEDGE_BASE = "knowledge_base"
    RESOLVED_CASE = "resolved_case"


class Trust(StrEnum):
    """What a result may be used for: canon grounds a reply, an assistive one only supports."""

    CANONICAL = "canonical"
    ASSISTIVE = "assistive"


class Slot(IntEnum):
    """What a vector was made of. Several vectors an article, the nearest one counts."""

    DOCUMENT = 0
    TITLE = 1
    CHUNK = 2


class GroundingStatus(StrEnum):
    STRONG = "strong"
    CLARIFICATION = "clarification"
    ESCALATION = "escalation"


class Reason(StrEnum):
    """Why the grounding is what it is (spec 03 §1.6, §7, and the states that §18 adds)."""

    CANONICAL_RESULTS = "canonical_results"
    CANONICAL_INSUFFICIENT_DETAIL = "canonical_insufficient_detail"
    ARTICLES_TIE = "articles_tie"
    CLARIFICATION_LIMIT_REACHED = "clarification_limit_reached"
    ASSISTIVE_ONLY_RESULTS = "assistive_only_results"
    NO_CANONICAL_RESULTS = "no_canonical_results"
    PROVIDER_TIMEOUT = "provider_timeout"
    INDEX_UNAVAILABLE = "index_unavailable"
    # Searched by words alone, and they found nothing: that is no proof that nothing is known.
    EMBEDDER_UNAVAILABLE = "embedder_unavailable"
    UNEXPECTED_ERROR = "unexpected_error"


class Degraded(StrEnum):
    """What a search had to do without; an empty tuple of these means nothing."""

    EMBEDDER_UNAVAILABLE = "embedder_unavailable"
    SEARCH_TIMED_OUT = "search_timed_out"
    INDEX_BUSY = "index_busy"
    # Anything else that went wrong inside a search; the log tells what.
    SEARCH_FAILED = "search_failed"
    QUERY_SHORTENED = "query_shortened"
    # The articles were searched, the resolved cases could not be.
    CASES_UNAVAILABLE = "cases_unavailable"
    # The results stand in the order of the search.
    RERANKER_UNAVAILABLE = "reranker_unavailable"


# Nothing can be concluded from the absence of results after one of these.
FAILED = frozenset({Degraded.SEARCH_TIMED_OUT, Degraded.INDEX_BUSY, Degraded.SEARCH_FAILED})


@dataclass(frozen=True, slots=True)
class GroundingThresholds:
    """Where one embedder's scores mean something; measured for it, never borrowed.

    ``strong_chunk`` and ``off_topic`` are cosines of the best chunk, ``strong_fused`` is a fused
    score, ``margin`` the fused distance within which two articles count as tied.
    """

    strong_chunk: float
    strong_fused: float
    off_topic: float
    margin: float


@dataclass(frozen=True, slots=True)
class ReadAs:
    """A word that nobody uses, and the one that it was probably meant as; ``lexeme`` is indexed."""

    asked: str
    read: str
    lexeme: str


@dataclass(frozen=True, slots=True)
class Why:
    """Which signals brought a result here; a cosine is None when that vector does not exist.

    ``cos_chunk`` is that of the nearest passage, also when the passage shown is the one that names
    an identifier. ``read_as`` holds the words of the question that match only as corrected.
    """

    cos_title: float | None
    cos_doc: float | None
    cos_chunk: float | None
    bm25_share: float
    lexemes: tuple[str, ...]
    identifiers: tuple[str, ...] = ()
    read_as: tuple[str, ...] = ()

    @property
    def cosine(self) -> float | None:
        """The best cosine of any of the article's vectors."""
        known = [c for c in (self.cos_title, self.cos_doc, self.cos_chunk) if c is not None]
        return max(known, default=None)

    def to_json(self) -> JsonObject:
        return {
            "cos_title": self.cos_title,
            "cos_doc": self.cos_doc,
            "cos_chunk": self.cos_chunk,
            "bm25_share": self.bm25_share,
            "lexemes": list(self.lexemes),
            "identifiers": list(self.identifiers),
            "read_as": list(self.read_as),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, JsonValue]) -> Why:
        return cls(
            cos_title=_number(stored.get("cos_title")),
            cos_doc=_number(stored.get("cos_doc")),
            cos_chunk=_number(stored.get("cos_chunk")),
            bm25_share=_number(stored.get("bm25_share")) or 0.0,
            lexemes=_texts(stored.get("lexemes")),
            identifiers=_texts(stored.get("identifiers")),
            read_as=_texts(stored.get("read_as")),
        )


@dataclass(frozen=True, slots=True)
class CaseDetail:
    """What a resolved case tells beside its passage; redacted, and safe to show."""

    issue_summary: str
    resolution_note: str
    actions_taken: tuple[str, ...]
    resolved_at: datetime


@dataclass(frozen=True, slots=True)
class Hit:
    """One result, made for people: ``title``, ``heading`` and ``excerpt`` are safe to show.

    ``content`` is the raw text of the best passage, ``sentences`` its most telling sentences in
    reading order (also raw). A resolved case has ``conversation_id`` and ``case`` in the place of
    ``article_id`` and ``revision_id``.
    """

    source_type: SourceType
    trust: Trust
    title: str
    heading: str
    excerpt: str
    score: float
    why: Why
    citation: Citation
    article_id: ArticleId | None
    revision_id: RevisionId | None
    chunk_id: ChunkId | None
    content: str
    sentences: tuple[str, ...]
    updated_at: datetime
    conversation_id: ConversationId | None = None
    case: CaseDetail | None = None


@dataclass(frozen=True, slots=True)
class Grounding:
    """How far the results carry a reply.

    ``confidence`` is the chunk cosine of the first result (0 when unknown); it is a probability
    only when ``calibrated``. ``signals`` keeps every number that the decision looked at, so that
    :func:`grounding.replay` can decide again from what is stored.
    """

    status: GroundingStatus
    reason: Reason
    confidence: float
    calibrated: bool = False
    signals: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def may_reply(self) -> bool:
        return self.status is GroundingStatus.STRONG

    def to_json(self) -> JsonObject:
        return {
            "v": EVIDENCE_VERSION,
            "status": self.status.value,
            "reason": self.reason.value,
            "confidence": self.confidence,
            "calibrated": self.calibrated,
            "signals": dict(self.signals),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, JsonValue]) -> Grounding:
        """Read what :meth:`to_json` stored; unknown words read as the cautious ones."""
        signals = stored.get("signals")
        return cls(
            status=_word(GroundingStatus, stored.get("status"), GroundingStatus.ESCALATION),
            reason=_word(Reason, stored.get("reason"), Reason.NO_CANONICAL_RESULTS),
            confidence=_number(stored.get("confidence")) or 0.0,
            calibrated=stored.get("calibrated") is True,
            signals={k: _number(v) for k, v in signals.items()}
            if isinstance(signals, dict)
            else {},
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """One numbered passage as a draft keeps it: what the decision saw, replayable later.

    ``number`` counts from 1 and is what ``[n]`` in a reply refers to.
    """

    number: int
    source_type: SourceType
    trust: Trust
    title: str
    heading: str
    content: str
    excerpt: str
    sentences: tuple[str, ...]
    score: float
    groundable: bool
    why: Why
    citation: Citation
    revision_id: RevisionId | None = None

    def to_json(self) -> JsonObject:
        return {
            "v": EVIDENCE_VERSION,
            "number": self.number,
            "source_type": self.source_type.value,
            "trust": self.trust.value,
            "title": self.title,
            "heading": self.heading,
            "content": self.content,
            "excerpt": self.excerpt,
            "sentences": list(self.sentences),
            "score": self.score,
            "groundable": self.groundable,
            "why": self.why.to_json(),
            "article_id": self.citation.article_id,
            "chunk_id": self.citation.chunk_id,
            "revision_id": self.revision_id,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, JsonValue]) -> Evidence:
        """Read what :meth:`to_json` stored; missing parts read as empty, never as an error."""
        why = stored.get("why")
        title = _text(stored.get("title"))
        source = _word(SourceType, stored.get("source_type"), SourceType.KNOWLEDGE_BASE)
        revision = _integer(stored.get("revision_id"))
        return cls(
            number=_integer(stored.get("number")) or 0,
            source_type=source,
            trust=_word(Trust, stored.get("trust"), Trust.ASSISTIVE),
            title=title,
            heading=_text(stored.get("heading")),
            content=_text(stored.get("content")),
            excerpt=_text(stored.get("excerpt")),
            sentences=_texts(stored.get("sentences")),
            score=_number(stored.get("score")) or 0.0,
            groundable=stored.get("groundable") is True,
            why=Why.from_json(why if isinstance(why, dict) else {}),
            citation=Citation(
                title=title,
                source_type=source.value,
                article_id=_integer(stored.get("article_id")),
                chunk_id=_integer(stored.get("chunk_id")),
            ),
            revision_id=None if revision is None else RevisionId(revision),
        )


@dataclass(frozen=True, slots=True)
class Trace:
    """What a search did and took, for whoever asks it to explain itself.

    ``embedder`` made the vectors that were compared. ``search_ms`` is everything in the database,
    ``read_ms`` its part that reads the question and ``cases_ms`` the part for resolved cases.
    ``left_out`` are words too common to tell anything in a corpus of this size.
    """

    embedder: str
    fusion: str
    alpha: float
    embed_ms: float
    search_ms: float
    read_ms: float = 0.0
    cases_ms: float = 0.0
    rerank_ms: float = 0.0
    language: str = ""
    identifiers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to one search, best first, with what it had to do without."""

    query: str
    items: tuple[Hit, ...]
    grounding: Grounding
    degraded: tuple[Degraded, ...] = ()
    embedder: str = ""
    trace: Trace | None = None
    read_as: tuple[ReadAs, ...] = ()


@dataclass(frozen=True, slots=True)
class GroundingBundle:
    """All that a draft generator may know about the knowledge behind one question.

    ``evidence`` holds canonical passages first; only those with ``groundable`` may carry a
    reply. ``attempts`` counts clarifications already sent since the last real answer.
    """

    query: str
    evidence: tuple[Evidence, ...]
    grounding: Grounding
    attempts: int
    degraded: tuple[Degraded, ...]
    embedder: str

    @property
    def canonical(self) -> tuple[Evidence, ...]:
        return tuple(e for e in self.evidence if e.trust is Trust.CANONICAL)

    def evidence_json(self) -> JsonObject:
        """The snapshot that is stored with the draft."""
        return {
            "v": EVIDENCE_VERSION,
            "query": self.query,
            "embedder": self.embedder,
            "degraded": [d.value for d in self.degraded],
            "evidence": [e.to_json() for e in self.evidence],
        }


def evidence_from_json(snapshot: Mapping[str, JsonValue]) -> tuple[Evidence, ...]:
    """The passages of a snapshot made by :meth:`GroundingBundle.evidence_json`."""
    stored = snapshot.get("evidence")
    if not isinstance(stored, list):
        return ()
    return tuple(Evidence.from_json(item) for item in stored if isinstance(item, dict))


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _integer(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: JsonValue) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _word(words: type[W], value: JsonValue, otherwise: W) -> W:
    return words(value) if isinstance(value, str) and value in set(words) else otherwise
