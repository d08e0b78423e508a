"""How search results read; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cairnloop_engine.retrieval.model import (
    FAILED,
    CaseDetail,
    Degraded,
    Hit,
    SearchResult,
    SourceType,
    Trust,
)
from cairnloop_tui.labels import (
    degraded_words,
    grounding_label,
    reason_words,
    source_label,
    trust_label,
)
from cairnloop_tui.lists.row_list import RowSpot
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    ago_words,
    cut_line,
    many_lines,
    muted,
    one_line,
    strong,
    text_paras,
)
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone

LONGEST_PASSAGE = 4_000


class State(StrEnum):
    """Where a search stands, beside its result."""

    IDLE = "idle"
    SHORT = "short"
    SEARCHING = "searching"
    FAILED = "failed"
    SCOPED = "scoped"


@dataclass(frozen=True, slots=True)
class Section:
    """One of the two kinds of results. Their order is fixed: what one may rely on comes first.

    ``empty`` is said when nothing of the kind was found, ``beside`` when the other kind was.
    """

    source: SourceType
    trust: Trust
    title: str
    empty: str
    beside: str


SECTIONS = (
    Section(
        SourceType.KNOWLEDGE_BASE,
        Trust.CANONICAL,
        "Knowledge Base",
        "no published article fits",
        "no article fits; a case only supports",
    ),
    Section(
        SourceType.RESOLVED_CASE,
        Trust.ASSISTIVE,
        "Similar resolved cases",
        "no earlier case fits",
        "no earlier case fits",
    ),
)


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a section; the cursor passes over it. ``words`` say what is, or is not, in it."""

    title: str
    count: int
    words: str


@dataclass(frozen=True, slots=True)
class Found:
    """One result and its key in the list."""

    key: str
    hit: Hit


Row = Heading | Found


def key_of(row: Row) -> str:
    return f"heading-{row.title}" if isinstance(row, Heading) else row.key


def key_of_hit(hit: Hit) -> str:
    """Which passage of which article or conversation it is."""
    return f"{hit.source_type}-{hit.article_id or hit.conversation_id}-{hit.chunk_id or 0}"


def is_result(row: Row) -> bool:
    return isinstance(row, Found)


def rows_of(result: SearchResult) -> list[Row]:
    """Both sections with their results, in the order of the search."""
    rows: list[Row] = []
    for section in SECTIONS:
        hits = [hit for hit in result.items if hit.source_type is section.source]
        rows.append(Heading(section.title, len(hits), _heading_words(section, hits, result)))
        rows += [Found(key_of_hit(hit), hit) for hit in hits]
    return rows


def _heading_words(section: Section, hits: list[Hit], result: SearchResult) -> str:
    if hits:
        return trust_label(str(section.trust)).words
    is_case = section.source is SourceType.RESOLVED_CASE
    if is_case and Degraded.CASES_UNAVAILABLE in result.degraded:
        return "could not be searched"
    return section.beside if result.items else section.empty


def row_line(row: Row, spot: RowSpot) -> Line:
    if isinstance(row, Heading):
        count = f" {row.count}" if row.count else ""
        words = f"{count}  {row.words}"
        return cut_line((strong(row.title, Tone.INFO), muted(words)), spot.width)
    trust = trust_label(str(row.hit.trust))
    return cut_line(
        (
            Piece(f"{spot.glyphs.of(trust.tone)} ", trust.tone),
            Piece(title_of(row.hit), bold=True),
            muted(f"  {one_line(row.hit.heading, 120)}"),
        ),
        spot.width,
    )


def title_of(hit: Hit) -> str:
    if title := one_line(hit.title, 200):
        return title
    return "Resolved case" if is_case(hit) else "Knowledge Base article"


def is_case(hit: Hit) -> bool:
    return hit.source_type is SourceType.RESOLVED_CASE


def recency(hit: Hit, now: datetime) -> str:
    if is_case(hit):
        return f"resolved {ago_words(hit.case.resolved_at if hit.case else hit.updated_at, now)}"
    return f"updated {ago_words(hit.updated_at, now)}"


def open_words(hit: Hit) -> str:
    return "Open resolved case" if is_case(hit) else "Open article"


# The result under the cursor


def preview_blocks(hit: Hit | None, now: datetime, glyphs: Glyphs) -> tuple[Block, ...]:
    """The result under the cursor, with its passage."""
    if hit is None:
        return (Block((Para((muted(" Nothing is selected."),)),)),)
    trust, source = trust_label(str(hit.trust)), source_label(str(hit.source_type))
    chip = Piece(f" {glyphs.of(trust.tone)} {trust.words}", trust.tone)
    head = (
        Para((strong(f" {title_of(hit)}"),), hang=1),
        Para((chip, muted(f"  {source.words}, {recency(hit, now)}")), hang=1),
        Para((strong(" Enter", Tone.PRIMARY), muted(f"  {open_words(hit)}"))),
        Para(),
    )
    bar = (Piece(f" {glyphs.bar} ", trust.tone),)
    body = _case_paras(hit, bar, now) if is_case(hit) else _article_paras(hit, bar)
    return (Block((*head, *body)),)


def _article_paras(hit: Hit, bar: Line) -> Iterable[Para]:
    if heading := one_line(hit.heading):
        yield Para((muted(f" {heading}"),), hang=1)
    yield from text_paras(_passage(hit), gutter=bar)


def _case_paras(hit: Hit, bar: Line, now: datetime) -> Iterable[Para]:
    """What was asked, what was done, how it ended; what is blank is left out."""
    for label, words in (*_told(hit.case, now), ("Matched excerpt", _passage(hit))):
        if words.strip():
            yield Para((strong(f" {label}"),))
            yield from text_paras(words, gutter=bar)


def _told(case: CaseDetail | None, now: datetime) -> tuple[tuple[str, str], ...]:
    if case is None:
        return ()
    return (
        ("Issue summary", many_lines(case.issue_summary, LONGEST_PASSAGE)),
        ("Resolution note", many_lines(case.resolution_note, LONGEST_PASSAGE)),
        ("Actions taken", one_line(", ".join(filter(None, case.actions_taken)))),
        ("Outcome", f"Resolved {ago_words(case.resolved_at, now)}"),
    )


def _passage(hit: Hit) -> str:
    return many_lines(hit.content or hit.excerpt, LONGEST_PASSAGE)


# The line above the results


def has_failed(result: SearchResult) -> bool:
    """Whether nothing can be concluded from what is missing."""
    return bool(FAILED.intersection(result.degraded))


def summary_line(result: SearchResult | None, state: State, width: int, glyphs: Glyphs) -> Line:
    """What the search came to, in one line."""
    said = _state_words(state, glyphs)
    if said is not None:
        return cut_line((said,), width)
    if result is None:
        return cut_line((muted(" Searches published knowledge and resolved cases."),), width)
    lacks = degraded_words(result.degraded)
    if has_failed(result):
        words = f" {glyphs.warning} Search is unavailable: {lacks}. Go on; Enter tries again."
        return cut_line((Piece(words, Tone.WARNING),), width)
    partly = (Piece(f"  {glyphs.warning} {lacks}", Tone.WARNING),) if lacks else ()
    if not result.items:
        words = " Nothing verified fits. Say it in other words, or answer by hand."
        return cut_line((Piece(words, Tone.INFO), *partly), width)
    label = grounding_label(str(result.grounding.status))
    measured = "" if result.grounding.calibrated else "  not calibrated"
    return cut_line(
        (
            Piece(f" {glyphs.of(label.tone)} {label.words}: ", label.tone),
            muted(reason_words(str(result.grounding.reason))),
            *partly,
            muted(measured),
        ),
        width,
    )


def _state_words(state: State, glyphs: Glyphs) -> Piece | None:
    match state:
        case State.SHORT:
            return muted(" Type at least two characters.")
        case State.SEARCHING:
            return muted(" Searching; what is shown is from the last search.")
        case State.FAILED:
            words = "The search failed. Go on without it, or press Enter again."
            return Piece(f" {glyphs.warning} {words}", Tone.WARNING)
        case State.SCOPED:
            words = "Searching needs an operator: start with --operator NAME."
            return Piece(f" {glyphs.warning} {words}", Tone.WARNING)
    return None
