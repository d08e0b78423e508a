"""Words, tones and signs for stored states: the single source for all screens; pure and total."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cairnloop_engine.conversations.model import Delivery, Role, Sort, State
from cairnloop_engine.conversations.reads import InboxRow
from cairnloop_engine.core.text import humanise
from cairnloop_engine.governance import labels as actions
from cairnloop_tui.text import Line, Piece, one_line
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone


@dataclass(frozen=True, slots=True)
class Label:
    """A state in words, with its tone."""

    words: str
    tone: Tone = Tone.MUTED

    def chip(self, glyphs: Glyphs) -> Line:
        """Sign and words."""
        return (Piece(f"{glyphs.of(self.tone)} {self.words}", self.tone),)


_STATES: Mapping[State, Label] = MappingProxyType(
    {
        State.NEW: Label("New", Tone.AI),
        State.OPEN: Label("Open", Tone.INFO),
        State.AWAITING_CUSTOMER: Label("Awaiting", Tone.WARNING),
        State.RESOLVED: Label("Resolved", Tone.SUCCESS),
        State.ARCHIVED: Label("Archived", Tone.MUTED),
    }
)

_ROLES: Mapping[Role, Label] = MappingProxyType(
    {
        Role.USER: Label("Customer", Tone.INFO),
        Role.AGENT: Label("Agent", Tone.PRIMARY),
        Role.SYSTEM: Label("System", Tone.MUTED),
        Role.INTERNAL_NOTE: Label("Internal note", Tone.WARNING),
        Role.SYSTEM_OUTBOUND: Label("Outbound recovery", Tone.PRIMARY),
    }
)

_DRAFT_TYPES = MappingProxyType(
    {
        "reply": Label("Grounded reply", Tone.AI),
        "clarification": Label("Clarification required", Tone.AI),
        "escalation": Label("Escalation recommended", Tone.WARNING),
    }
)

_SOURCES = MappingProxyType(
    {
        "knowledge_base": Label("Knowledge Base", Tone.SUCCESS),
        "resolved_case": Label("Resolved case", Tone.INFO),
    }
)

_TRUST = MappingProxyType(
    {
        "canonical": Label("Canonical guidance", Tone.SUCCESS),
        "assistive": Label("Supporting evidence", Tone.INFO),
    }
)

_GROUNDING = MappingProxyType(
    {
        "strong": Label("Strong grounding", Tone.SUCCESS),
        "clarification": Label("Needs a detail", Tone.WARNING),
        "escalation": Label("Not grounded", Tone.WARNING),
    }
)

_REASONS = MappingProxyType(
    {
        "canonical_results": "Published knowledge answers this.",
        "canonical_insufficient_detail": "Published knowledge touches this without answering it.",
        "articles_tie": "Two articles fit equally well.",
        "clarification_limit_reached": "The customer was asked often enough already.",
        "assistive_only_results": "Only earlier cases fit, no published knowledge.",
        "no_canonical_results": "No published knowledge fits.",
        "provider_timeout": "The search took too long.",
        "index_unavailable": "The search index could not be read.",
        "embedder_unavailable": "The knowledge could be searched by words only.",
        "unexpected_error": "The search failed.",
    }
)

_DEGRADED = MappingProxyType(
    {
        "embedder_unavailable": "without the sentence model, by words alone",
        "search_timed_out": "the search took too long",
        "index_busy": "the index was busy",
        "query_shortened": "only the beginning of the question was used",
        "cases_unavailable": "resolved cases could not be searched",
        "search_failed": "the search failed",
        "reranker_unavailable": "without the second ranking",
    }
)

# Why a model that was to be asked did not write a draft.
_FALLBACKS = MappingProxyType(
    {
        "no_key": "no key for it is configured",
        "weak_grounding": "it is asked only when the sources carry a reply",
        "no_quote": "it found no words in the sources that answer",
        "timeout": "it took too long",
        "http_429": "its provider limits how often it is asked",
        "empty": "it answered nothing",
        "truncated": "its answer was cut off",
        "too_long": "its answer was too long",
        "uncited": "a sentence of its answer cited nothing",
        "citation_unknown": "its answer cited a source that does not exist",
        "number_unsupported": "its answer held a number that no source has",
        "link_unsupported": "its answer held an address that no source has",
        "promise_unsupported": "its answer promised what no source does",
        "unsupported": "its answer said what no source says",
        "placeholder": "its answer left something to fill in",
        "hidden_text": "its answer held hidden characters",
        "model_failed": "it could not be asked",
    }
)

_SORTS = MappingProxyType({Sort.WAITING: "oldest waiting first", Sort.RECENT: "most recent first"})


_TONES = MappingProxyType(
    {
        actions.Tone.SUCCESS: Tone.SUCCESS,
        actions.Tone.INFO: Tone.INFO,
        actions.Tone.WARNING: Tone.WARNING,
        actions.Tone.DANGER: Tone.DANGER,
        actions.Tone.AI: Tone.AI,
        actions.Tone.NEUTRAL: Tone.MUTED,
    }
)


def shown(label: actions.Label) -> Label:
    """A label of the engine in the console's tones."""
    return Label(label.words, _TONES[label.tone])


def title_of(row: InboxRow) -> str:
    """What a conversation is called: its subject, else its last words."""
    return one_line(row.subject) or one_line(row.last_excerpt, 80) or "No subject"


def state_label(state: State) -> Label:
    return _STATES.get(state) or Label(humanise(str(state)))


def role_label(role: Role) -> Label:
    return _ROLES.get(role) or Label(humanise(str(role)))


def draft_type_label(proposal_type: str) -> Label:
    return _DRAFT_TYPES.get(proposal_type) or Label(humanise(proposal_type), Tone.AI)


def source_label(source_type: str) -> Label:
    return _SOURCES.get(source_type) or Label(humanise(source_type))


def trust_label(trust: str) -> Label:
    return _TRUST.get(trust) or Label(humanise(trust))


def grounding_label(status: str) -> Label:
    return _GROUNDING.get(status) or Label("Grounding needs review", Tone.WARNING)


def reason_words(reason: str) -> str:
    return _REASONS.get(reason) or "Grounding needs review."


def degraded_words(degraded: Iterable[str]) -> str:
    """What a search had to do without; nothing when it had everything."""
    return "; ".join(_DEGRADED.get(word) or humanise(word).lower() for word in map(str, degraded))


def fallback_words(reason: str) -> str:
    """Why the model did not write it, in calm words."""
    if reason.startswith("http_") and reason not in _FALLBACKS:
        return f"its provider answered with status {reason.removeprefix('http_')}"
    return _FALLBACKS.get(reason) or humanise(reason).lower()


def sort_words(sort: Sort) -> str:
    return _SORTS.get(sort) or humanise(str(sort))


def delivery_words(delivery: Delivery) -> str:
    """How far a message has come; nothing for what needs no words."""
    match delivery:
        case Delivery.HELD:
            return "not sent yet"
        case Delivery.RETRACTED:
            return "taken back, never sent"
        case Delivery.SENT:
            return "sent"
        case Delivery.RECEIVED | Delivery.INTERNAL:
            return ""
