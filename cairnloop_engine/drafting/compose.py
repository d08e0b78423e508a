"""Composing a draft from its bundle alone: quotes, one question, or a hand-over. No IO here.

Every sentence to the customer stands in a cited article. The Scoria generator is this and nothing
else, and it is what every other generator falls back to.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting.lexemes import lexemes
from cairnloop_engine.drafting.model import ProposalType
from cairnloop_engine.drafting.planted import gives_orders
from cairnloop_engine.drafting.proposal import Proposal, cited_numbers, grounding_metadata
from cairnloop_engine.drafting.prose import Unit, joined, units
from cairnloop_engine.retrieval.model import (
    Evidence,
    GroundingBundle,
    GroundingStatus,
    Reason,
)

NAME = "scoria"
QUOTE_LENGTH = 600
QUOTE_PIECES = 3
TITLE_LENGTH = 120
# A quote below this many characters says little; a longer one that covers as much is better.
THIN_QUOTE = 80
# Two articles are named in a question when the second is nearly as close as the first.
NEARLY = 0.9
# Another article joins a reply only when it answers this many words that the first does not.
WORTH_A_SECOND_SOURCE = 2

# A quote must not begin by pointing at a sentence that is not quoted.
_POINTING_WORDS = """
also and another but it its however otherwise so such that then these they this those thus therefore
"""
_POINTS_BACK = frozenset(_POINTING_WORDS.split())
_FAR_BACK = frozenset({"above", "former", "latter", "second", "third"})

_REASONS = {
    Reason.CANONICAL_RESULTS: "published articles answer the question",
    Reason.CANONICAL_INSUFFICIENT_DETAIL: "articles come close, one detail is missing",
    Reason.ARTICLES_TIE: "two articles fit equally well",
    Reason.CLARIFICATION_LIMIT_REACHED: "we already asked, and it is still not clear",
    Reason.ASSISTIVE_ONLY_RESULTS: "only past cases match, no published article does",
    Reason.NO_CANONICAL_RESULTS: "no published article answers this",
    Reason.PROVIDER_TIMEOUT: "the knowledge search took too long",
    Reason.INDEX_UNAVAILABLE: "the knowledge search is not available right now",
    Reason.EMBEDDER_UNAVAILABLE: "the knowledge could be searched by words only",
    Reason.UNEXPECTED_ERROR: "the knowledge search failed",
}


def propose(
    conversation_id: ConversationId,
    bundle: GroundingBundle,
    *,
    fallback_reason: str | None = None,
) -> Proposal:
    """The proposal for a bundle; the same bundle always gives the same words."""
    match bundle.grounding.status:
        case GroundingStatus.STRONG:
            kind, text, summary = _answered(bundle)
        case GroundingStatus.CLARIFICATION:
            kind, text, summary = ProposalType.CLARIFICATION, question(bundle), _asks(bundle)
        case GroundingStatus.ESCALATION:
            kind, text, summary = ProposalType.ESCALATION, _hand_over(bundle), _escalates(bundle)
    asked = 1 if kind is ProposalType.CLARIFICATION else 0
    return Proposal(
        conversation_id=conversation_id,
        proposal_type=kind,
        operator_summary=summary,
        customer_reply=None if kind is ProposalType.ESCALATION else text,
        content=text,
        evidence=bundle.evidence,
        grounding_metadata=grounding_metadata(bundle),
        clarification_attempts=bundle.attempts + asked,
        generator=NAME,
        fallback_reason=fallback_reason,
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """What is quoted whole or not at all: a sentence, or a list with its lead-in."""

    units: tuple[Unit, ...]

    @property
    def text(self) -> str:
        return joined(self.units)

    @property
    def points_back(self) -> bool:
        opening = [word.strip(",;:.'\"“") for word in self.units[0].text.casefold().split()[:4]]
        return opening[0] in _POINTS_BACK or not _FAR_BACK.isdisjoint(opening)


@dataclass(frozen=True, slots=True)
class Quote:
    """Consecutive pieces of one source."""

    source: Evidence
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        quoted = joined([unit for piece in self.pieces for unit in piece.units])
        return f"{quoted} [{self.source.number}]"

    @property
    def terms(self) -> frozenset[str]:
        return frozenset().union(*(lexemes(piece.text) for piece in self.pieces))


def answer(bundle: GroundingBundle) -> tuple[str, tuple[Evidence, ...]] | None:
    """A reply quoted from the groundable passages, and those it cites; None without any words."""
    sources = [e for e in bundle.canonical if e.groundable]
    wanted = lexemes(bundle.query)
    passages = [(source, pieces(source)) for source in sources]
    weights = _weights(wanted, [piece for _, found in passages for piece in found])

    quotes = [q for source, found in passages if (q := _best(source, found, weights))]
    if not quotes:
        return None
    chosen = [quotes[0], *_second(quotes, wanted)]
    cited = tuple(quote.source for quote in chosen)
    body = "\n\n".join(quote.text for quote in chosen)
    reply = f"Here is what our Knowledge Base says about this:\n\n{body}\n\n{_notes(cited)}"
    return reply, cited


def with_notes(reply: str, bundle: GroundingBundle) -> str:
    """A reply with the titles of what it cites beneath it."""
    return f"{reply}\n\n{_notes(_cited(reply, bundle))}"


def written_by(model: str, reply: str, bundle: GroundingBundle) -> str:
    """The line for operators above a reply in a model's words."""
    names = " and ".join(f"“{_title(source)}”" for source in _cited(reply, bundle))
    summary = f"Written by {model} from {names}. Check its citations before you send."
    return f"{summary} {_caveats(bundle)}".strip()


def question(bundle: GroundingBundle) -> str:
    """One question that tells the closest articles apart, or asks for the missing detail."""
    titles = _titles(bundle.canonical)
    if len(titles) > 1 and _are_close(bundle):
        return (
            "So that you get the right answer: is your question closer to "
            f"“{titles[0]}” or to “{titles[1]}”?"
        )
    detail = "the exact error message, or what you see on the screen when it happens"
    if titles:
        return (
            f"Is your question about “{titles[0]}”? If it is not, please tell us a little more: "
            f"what you want to do, and {detail}."
        )
    return f"Could you tell us {detail}?"


def _are_close(bundle: GroundingBundle) -> bool:
    if bundle.grounding.reason is Reason.ARTICLES_TIE:
        return True
    first, second, *_ = _distinct(bundle.canonical)
    return second.score >= NEARLY * first.score


def pieces(source: Evidence) -> list[Piece]:
    """The quotable pieces of a passage, each short enough to be quoted.

    A sentence that speaks to an assistant is not for customers, however it got into an article.
    """
    found = [
        unit
        for unit in units(source.content)
        if not _repeats_name(unit, source) and not gives_orders(unit.text)
    ]
    return [_shortened(piece) for piece in _grouped(found)]


def _grouped(found: list[Unit]) -> Iterator[Piece]:
    group: list[Unit] = []
    for unit in found:
        led_in = bool(group) and group[-1].text.endswith(":")
        same_list = bool(group) and unit.is_item and group[-1].is_item
        if group and not led_in and not same_list:
            yield Piece(tuple(group))
            group = []
        group.append(unit)
    if group:
        yield Piece(tuple(group))


def _shortened(piece: Piece) -> Piece:
    """A piece within the length of a quote, saying so when something was left out."""
    if len(piece.text) <= QUOTE_LENGTH:
        return piece
    more = Unit("(The article has the rest.)", piece.units[-1].line + 1)
    kept: list[Unit] = []
    for unit in piece.units:
        if len(joined([*kept, unit, more])) > QUOTE_LENGTH:
            break
        kept.append(unit)
    if any(unit.is_item for unit in kept):
        return Piece((*kept, more))
    first = piece.units[0]
    cut = first.text[: QUOTE_LENGTH - 1].rsplit(" ", 1)[0] + "…"
    return Piece((Unit(cut, first.line, first.is_item),))


def _best(source: Evidence, found: list[Piece], weights: dict[str, float]) -> Quote | None:
    """The run of pieces that covers most of the question; the earliest among equals."""
    best: Quote | None = None
    best_rank = (-1.0, False)
    for start, first in enumerate(found):
        if start and first.points_back:
            continue
        quote = Quote(source, tuple(_run(found[start:])))
        covered = sum(weights[term] for term in sorted(quote.terms & weights.keys()))
        rank = (round(covered, 6), len(quote.text) >= THIN_QUOTE)
        if rank > best_rank:
            best, best_rank = quote, rank
    return best


def _run(found: list[Piece]) -> list[Piece]:
    run = [found[0]]
    for piece in found[1:QUOTE_PIECES]:
        longer = [*run, piece]
        if len(joined([unit for p in longer for unit in p.units])) > QUOTE_LENGTH:
            break
        run = longer
    return run


def _second(quotes: list[Quote], wanted: frozenset[str]) -> list[Quote]:
    """A short quote of another article, when the first leaves much of the question open."""
    first = quotes[0]
    open_terms = wanted - first.terms - lexemes(first.source.title)
    for quote in quotes[1:]:
        same = quote.source.citation.article_id == first.source.citation.article_id
        gained = open_terms & (quote.terms | lexemes(quote.source.title))
        fits = len(first.text) + len(quote.text) <= QUOTE_LENGTH
        if not same and fits and len(gained) >= WORTH_A_SECOND_SOURCE:
            return [quote]
    return []


def _weights(wanted: frozenset[str], found: list[Piece]) -> dict[str, float]:
    """How much each word of the question tells: what stands everywhere tells little."""
    seen = Counter(term for piece in found for term in lexemes(piece.text) & wanted)
    return {term: math.log(1 + len(found) / seen[term]) for term in sorted(seen)}


def _repeats_name(unit: Unit, source: Evidence) -> bool:
    said = unit.text.casefold().strip(" .:")
    return said in (source.title.casefold().strip(" .:"), source.heading.casefold().strip(" .:"))


def _answered(bundle: GroundingBundle) -> tuple[ProposalType, str, str]:
    composed = answer(bundle)
    if composed is None:
        # Strong grounding whose passages hold no words that can be quoted.
        return ProposalType.ESCALATION, _hand_over(bundle), _escalates(bundle)
    reply, cited = composed
    names = " and ".join(f"“{_title(source)}”" for source in cited)
    summary = f"Quoted from {names}. Check the citation before you send. {_caveats(bundle)}"
    return ProposalType.REPLY, reply, summary.strip()


def _asks(bundle: GroundingBundle) -> str:
    return f"Asks one question: {_reason(bundle)}. {_caveats(bundle)}".strip()


def _escalates(bundle: GroundingBundle) -> str:
    return f"Needs a person: {_reason(bundle)}. {_caveats(bundle)}".strip()


def _hand_over(bundle: GroundingBundle) -> str:
    """The note to staff; nothing in it is meant for the customer."""
    titles = _titles(bundle.evidence)
    nearest = f" Nearest: {', '.join(f'“{title}”' for title in titles[:3])}." if titles else ""
    return (
        f"Not enough verified guidance to answer: {_reason(bundle)}.{nearest} "
        "Please review this one by hand."
    )


def _reason(bundle: GroundingBundle) -> str:
    return _REASONS[bundle.grounding.reason]


def _caveats(bundle: GroundingBundle) -> str:
    said = []
    if bundle.grounding.may_reply and not bundle.grounding.calibrated:
        said.append("Confidence is uncalibrated.")
    if bundle.degraded:
        words = ", ".join(word.value.replace("_", " ") for word in bundle.degraded)
        said.append(f"Search was limited: {words}.")
    return " ".join(said)


def _cited(reply: str, bundle: GroundingBundle) -> tuple[Evidence, ...]:
    numbers = cited_numbers(reply)
    return tuple(source for source in bundle.canonical if source.number in numbers)


def _notes(cited: Iterable[Evidence]) -> str:
    return "\n".join(f"[{source.number}] {_title(source)}" for source in cited)


def _distinct(evidence: Iterable[Evidence]) -> list[Evidence]:
    """The first passage of each title, best first."""
    seen: dict[str, Evidence] = {}
    for source in evidence:
        seen.setdefault(_asked_about(source).casefold(), source)
    return list(seen.values())


def _titles(evidence: Iterable[Evidence]) -> list[str]:
    """The distinct titles of some passages, best first."""
    return [_asked_about(source) for source in _distinct(evidence)]


def _asked_about(source: Evidence) -> str:
    """A title inside a question: two question marks would be two questions."""
    return _title(source).rstrip("?!. ").replace("?", "")


def _title(source: Evidence) -> str:
    title = " ".join(source.title.split())
    if not title or gives_orders(title):
        return f"Source {source.number}"
    if len(title) <= TITLE_LENGTH:
        return title
    return title[: TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"
