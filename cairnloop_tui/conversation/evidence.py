"""What a reply rests on: its markers, the sources behind them and how those were found; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.ids import ArticleId, RevisionId
from cairnloop_engine.drafting.reads import DraftView, EvidenceView, GroundingView
from cairnloop_engine.knowledge.sentences import sentences
from cairnloop_engine.retrieval.model import Why
from cairnloop_tui.labels import (
    degraded_words,
    fallback_words,
    grounding_label,
    reason_words,
    source_label,
    trust_label,
)
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    counted,
    many_lines,
    muted,
    one_line,
    strong,
    text_paras,
)
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone

EXCERPT = 180
NONE_CAPTURED = "No evidence was captured."

_MARKER = re.compile(r"\[(\d{1,3})\]")
_LEADING = re.compile(r"(?:\[\d{1,3}\][ \t]*)+")


# The words of a reply


def reply_paras(
    text: str, known: Collection[int], *, gutter: Line, tone: Tone = Tone.TEXT
) -> tuple[Para, ...]:
    """A reply behind its gutter, with its markers made to stand out.

    A marker of which nothing is ``known`` is drawn as a warning.
    """
    return tuple(Para(_marked(row, known, tone), gutter) for row in text.split("\n"))


def _marked(row: str, known: Collection[int], tone: Tone) -> Line:
    pieces: list[Piece] = []
    at = 0
    for marker in _MARKER.finditer(row):
        pieces.append(Piece(row[at : marker.start()], tone))
        found = int(marker[1]) in known
        pieces.append(strong(marker[0], Tone.PRIMARY if found else Tone.WARNING))
        at = marker.end()
    pieces.append(Piece(row[at:], tone))
    return tuple(piece for piece in pieces if piece.text)


def citing(text: str) -> Mapping[int, tuple[str, ...]]:
    """The sentences that carry the marker of each number; a list of sources is no sentence."""
    found: dict[int, list[str]] = {}
    for row in text.split("\n"):
        for sentence in _with_markers(row):
            for number in dict.fromkeys(map(int, _MARKER.findall(sentence))):
                found.setdefault(number, []).append(sentence)
    return {number: tuple(said) for number, said in found.items()}


def _with_markers(row: str) -> list[str]:
    """The sentences of a line, each with the markers that stand behind its full stop."""
    told: list[str] = []
    for piece in sentences(row):
        leading = _LEADING.match(piece)
        if leading is None:
            told.append(piece)
        elif told:
            told[-1] = f"{told[-1]} {leading[0].strip()}"
            if rest := piece[leading.end() :].strip():
                told.append(rest)
        elif not piece[leading.end() :].strip():
            told.append(piece)
        else:
            # It begins with its marker: a line of the list of sources.
            return []
    return told


# How far the knowledge carried


def grounding_paras(grounding: GroundingView, glyphs: Glyphs) -> tuple[Para, ...]:
    """Status and why, then how sure that is, then what had to be done without."""
    label = grounding_label(str(grounding.status))
    sign = Piece(f" {glyphs.of(label.tone)} {label.words}: ", label.tone)
    paras = [
        Para((sign, muted(reason_words(str(grounding.reason)))), hang=3),
        Para((muted(f"   {confidence_words(grounding)}"),), hang=3),
    ]
    if grounding.quote:
        words = f"   answered by “{one_line(grounding.quote, 200)}”"
        paras.append(Para((muted(words),), hang=3))
    if lacks := degraded_words(grounding.degraded):
        words = f" {glyphs.warning} Made {lacks}." if lacks.startswith("without") else ""
        words = words or f" {glyphs.warning} While it was made, {lacks}."
        paras.append(Para((Piece(words, Tone.WARNING),), hang=3))
    return tuple(paras)


def confidence_words(grounding: GroundingView) -> str:
    """A number that means a probability only once it was measured on one's own knowledge."""
    if grounding.calibrated:
        return f"confidence {grounding.confidence:.2f}, calibrated"
    return f"confidence {grounding.confidence:.2f}, not calibrated"


def maker_words(draft: DraftView) -> str:
    """Who wrote the words, and why not the model when it was to be asked."""
    if draft.fallback_reason:
        why = fallback_words(draft.fallback_reason)
        return f"Composed from the sources without the model: {why}."
    if draft.model:
        return f"Written by {one_line(draft.model, 80)}, checked against the sources."
    return f"Composed from the sources by {one_line(draft.generator, 80)}, without a model."


# The sources


@dataclass(frozen=True, slots=True)
class Source:
    """One passage that a reply rests on, or was made beside. ``cited_by`` are its sentences."""

    number: int
    title: str
    heading: str
    trust: str
    kind: str
    excerpt: str
    content: str
    cited_by: tuple[str, ...]
    why: Why | None
    article_id: ArticleId | None
    revision_id: RevisionId | None


def sources_of_draft(draft: DraftView) -> tuple[Source, ...]:
    """Every passage that the decision saw, in order of number."""
    said = citing(draft.customer_reply if draft.sendable and draft.customer_reply else "")
    return tuple(_source(one, said.get(one.number, ())) for one in draft.evidence)


def _source(one: EvidenceView, cited_by: tuple[str, ...]) -> Source:
    return Source(
        number=one.number,
        title=one_line(one.title, 200),
        heading=one_line(one.heading, 200),
        trust=str(one.trust),
        kind=str(one.source_type),
        excerpt=one_line(one.excerpt, EXCERPT),
        content=many_lines(one.content),
        cited_by=cited_by,
        why=one.why,
        article_id=one.article_id,
        revision_id=one.revision_id,
    )


def sources_of_message(citations: Sequence[Citation]) -> tuple[Source, ...]:
    """What was cited in a message; its passages stand in the articles."""
    return tuple(
        Source(
            number=number,
            title=one_line(one.title, 200),
            heading="",
            trust="canonical" if one.source_type == "knowledge_base" else "assistive",
            kind=one.source_type,
            excerpt="",
            content="",
            cited_by=(),
            why=None,
            article_id=None if one.article_id is None else ArticleId(one.article_id),
            revision_id=None,
        )
        for number, one in enumerate(citations, start=1)
    )


def listed(sources: Sequence[Source], glyphs: Glyphs) -> tuple[Para, ...]:
    """The sources under a draft, short."""
    if not sources:
        return (Para((Piece(f" {glyphs.warning} {NONE_CAPTURED}", Tone.WARNING),), hang=3),)
    paras = [Para((strong(f" {counted(len(sources), 'source')}"), muted("  o opens them")))]
    for source in sources:
        paras.append(Para(_name(source, glyphs), hang=5))
        chip = trust_label(source.trust)
        paras.append(
            Para((muted("     "), Piece(chip.words, chip.tone), muted(_use(source))), hang=5)
        )
        if source.excerpt:
            paras.append(Para((muted(f"     {source.excerpt}"),), hang=5))
    return tuple(paras)


def _name(source: Source, glyphs: Glyphs) -> Line:
    tone = trust_label(source.trust).tone
    where = f" {glyphs.path} {source.heading}" if source.heading else ""
    return (
        strong(f" [{source.number}] ", Tone.PRIMARY if source.cited_by else Tone.MUTED),
        Piece(f"{glyphs.of(tone)} ", tone),
        Piece(source.title or source_label(source.kind).words),
        muted(where),
    )


def _use(source: Source) -> str:
    if not source.cited_by:
        return ", not cited"
    return f", cited by {counted(len(source.cited_by), 'sentence')}"


def source_blocks(
    sources: Sequence[Source], opened: Collection[int], glyphs: Glyphs
) -> tuple[Block, ...]:
    """Every source in full; how it was found is folded until its number is ``opened``."""
    return tuple(
        Block(_in_full(source, source.number in opened, glyphs), key=source.number)
        for source in sources
    )


def _in_full(source: Source, is_open: bool, glyphs: Glyphs) -> tuple[Para, ...]:
    trust, kind = trust_label(source.trust), source_label(source.kind)
    paras = [
        Para(_name(source, glyphs), hang=5),
        Para((muted("     "), *trust.chip(glyphs), muted(f"  {kind.words}")), hang=5),
    ]
    label = muted("     cited by  ")
    paras += [
        Para((label, *_marked(sentence, {source.number}, Tone.TEXT)), hang=15)
        for sentence in source.cited_by
    ]
    if source.why is not None and not source.cited_by:
        paras.append(Para((muted("     not cited by the reply"),)))
    if source.content:
        bar = (Piece(f"     {glyphs.bar} ", trust.tone),)
        paras += text_paras(source.content, gutter=bar)
    if source.why is not None:
        head = "why it was found" if is_open else "why it was found  v shows it"
        paras.append(Para((muted(f"     {glyphs.path} {head}"),)))
        paras += _why_paras(source.why) if is_open else ()
    return (*paras, Para())


def _why_paras(why: Why) -> tuple[Para, ...]:
    """Nearness in meaning of each vector, then the share of the question's words."""
    near = [
        f"{name} {cosine:.2f}"
        for name, cosine in (
            ("passage", why.cos_chunk),
            ("title", why.cos_title),
            ("whole article", why.cos_doc),
        )
        if cosine is not None
    ]
    words = ", ".join(one_line(word, 80) for word in why.lexemes)
    rows = (
        ("meaning", f"cosine: {', '.join(near)}" if near else "not compared"),
        ("words", f"{why.bm25_share:.0%} of what the question's words weigh"),
        ("matched", words or "none"),
    )
    return tuple(
        Para((muted(f"       {label:<8} "), Piece(said, Tone.MUTED)), hang=16)
        for label, said in rows
    )


def drafted_words(draft: DraftView, ago: str) -> str:
    """Whether it still waits as it was made, and since when."""
    if draft.edited_by:
        return f"edited by {one_line(draft.edited_by, 40)}, drafted {ago}"
    return f"waits for you, drafted {ago}"
