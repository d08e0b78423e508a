"""How search results read; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairnloop_engine.retrieval.model import Hit, SearchResult, SourceType
from cairnloop_tui.labels import grounding_label, reason_words, source_label, trust_label
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

# The order is fixed: what one may rely on stands first.
SECTIONS = (
    (SourceType.KNOWLEDGE_BASE, "Knowledge Base", "no published article fits"),
    (SourceType.RESOLVED_CASE, "Similar resolved cases", "no earlier case fits"),
)


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a section; the cursor passes over it."""

    title: str
    count: int
    empty: str


@dataclass(frozen=True, slots=True)
class Found:
    """One result and its key in the list."""

    key: str
    hit: Hit


Row = Heading | Found


def key_of(row: Row) -> str:
    return f"heading-{row.title}" if isinstance(row, Heading) else row.key


def is_result(row: Row) -> bool:
    return isinstance(row, Found)


def rows_of(result: SearchResult) -> list[Row]:
    """Both sections with their results, in the order of the search."""
    rows: list[Row] = []
    for source, title, empty in SECTIONS:
        hits = [hit for hit in result.items if hit.source_type is source]
        rows.append(Heading(title, len(hits), empty))
        rows += [
            Found(f"{source}-{hit.article_id}-{hit.chunk_id}-{n}", hit)
            for n, hit in enumerate(hits)
        ]
    return rows


def row_line(row: Row, spot: RowSpot) -> Line:
    if isinstance(row, Heading):
        words = f" {row.count}" if row.count else f"  {row.empty}"
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
    return one_line(hit.title, 200) or source_label(str(hit.source_type)).words


def preview_blocks(hit: Hit | None, now: datetime, glyphs: Glyphs) -> tuple[Block, ...]:
    """The result under the cursor, with its passage."""
    if hit is None:
        return (Block((Para((muted(" Nothing is selected."),)),)),)
    trust, source = trust_label(str(hit.trust)), source_label(str(hit.source_type))
    return (
        Block(
            (
                Para((strong(f" {title_of(hit)}"),), hang=1),
                Para(
                    (
                        Piece(f" {glyphs.of(trust.tone)} {trust.words}", trust.tone),
                        muted(f"  {source.words}, updated {ago_words(hit.updated_at, now)}"),
                    ),
                    hang=1,
                ),
                Para(),
                *([Para((muted(f" {one_line(hit.heading)}"),), hang=1)] if hit.heading else []),
                *text_paras(
                    many_lines(hit.content or hit.excerpt, 4_000),
                    gutter=(Piece(f" {glyphs.bar} ", trust.tone),),
                ),
            )
        ),
    )


def summary_line(result: SearchResult | None, state: str, width: int, glyphs: Glyphs) -> Line:
    """What the search came to, in one line."""
    match state:
        case "short":
            return cut_line((muted(" Type at least two characters."),), width)
        case "searching":
            return cut_line((muted(" Searching; what is shown is from the last search."),), width)
        case "failed":
            words = f" {glyphs.warning} The search failed. Go on without it, or press Enter again."
            return cut_line((Piece(words, Tone.WARNING),), width)
    if result is None:
        return (muted(" Searches published knowledge and resolved cases."),)
    if not result.items:
        words = " Nothing fits. Say it in other words, or answer by hand."
        return cut_line((Piece(words, Tone.INFO),), width)
    label = grounding_label(str(result.grounding.status))
    degraded = "  without the sentence model" if result.degraded else ""
    return cut_line(
        (
            Piece(f" {glyphs.of(label.tone)} {label.words}: ", label.tone),
            muted(reason_words(str(result.grounding.reason))),
            Piece(degraded, Tone.WARNING),
        ),
        width,
    )
