"""Search results in words: two sections in a fixed order, trust, recency, and what was missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.ids import ArticleId, ChunkId, ConversationId, RevisionId
from cairnloop_engine.retrieval.model import (
    CaseDetail,
    Degraded,
    Grounding,
    GroundingStatus,
    Hit,
    Reason,
    SearchResult,
    SourceType,
    Trust,
    Why,
)
from cairnloop_tui.search import cards
from cairnloop_tui.search.cards import Found, Heading, State
from cairnloop_tui.text import width_of, words_of
from cairnloop_tui.theme.glyphs import UNICODE
from tests.unit.tui.test_cards import NOW, spot, text_of

ARTICLE = Hit(
    source_type=SourceType.KNOWLEDGE_BASE,
    trust=Trust.CANONICAL,
    title="Rotating a token",
    heading="Steps",
    excerpt="Create the new token.",
    score=0.7,
    why=Why(0.7, None, 0.6, 0.4, ("token",)),
    citation=Citation("Rotating a token", "knowledge_base", 3, 31),
    article_id=ArticleId(3),
    revision_id=RevisionId(5),
    chunk_id=ChunkId(31),
    content="Create the new token first.",
    sentences=(),
    updated_at=NOW - timedelta(days=40),
)
CASE = replace(
    ARTICLE,
    source_type=SourceType.RESOLVED_CASE,
    trust=Trust.ASSISTIVE,
    title="Token would not rotate",
    heading="",
    citation=Citation("Token would not rotate", "resolved_case"),
    article_id=None,
    revision_id=None,
    chunk_id=ChunkId(1),
    content="It works now.",
    conversation_id=ConversationId(99),
    case=CaseDetail(
        issue_summary="The button was grey.",
        resolution_note="The role lacked a right.",
        actions_taken=("Granted the role", "Told the owner"),
        resolved_at=NOW - timedelta(days=3),
    ),
)
STRONG = Grounding(GroundingStatus.STRONG, Reason.CANONICAL_RESULTS, 0.7)
NOTHING = Grounding(GroundingStatus.ESCALATION, Reason.NO_CANONICAL_RESULTS, 0.0)


def result(
    *items: Hit, grounding: Grounding = STRONG, degraded: tuple[Degraded, ...] = ()
) -> SearchResult:
    return SearchResult("rotate token", items, grounding, degraded)


def headings(found: SearchResult) -> list[str]:
    return [
        words_of(cards.row_line(row, spot(60)))
        for row in cards.rows_of(found)
        if isinstance(row, Heading)
    ]


def summary(found: SearchResult | None, state: State = State.IDLE, width: int = 90) -> str:
    line = cards.summary_line(found, state, width, UNICODE)
    assert width_of(line) <= width
    return words_of(line)


@pytest.mark.requirement("03-retrieval-drafting:67")
def test_articles_stand_before_cases_whatever_the_search_puts_first() -> None:
    rows = cards.rows_of(result(CASE, ARTICLE))

    assert [cards.key_of(row) for row in rows] == [
        "heading-Knowledge Base",
        "knowledge_base-3-31",
        "heading-Similar resolved cases",
        "resolved_case-99-1",
    ]
    assert headings(result(CASE, ARTICLE)) == [
        "Knowledge Base 1  Canonical guidance",
        "Similar resolved cases 1  Supporting evidence",
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (result(grounding=NOTHING), ("no published article fits", "no earlier case fits")),
        (result(CASE), ("no article fits; a case only supports", "Supporting evidence")),
        (
            result(ARTICLE, degraded=(Degraded.CASES_UNAVAILABLE,)),
            ("Canonical guidance", "could not be searched"),
        ),
    ],
)
def test_an_empty_section_says_what_its_emptiness_means(
    found: SearchResult, said: tuple[str, str]
) -> None:
    above, below = headings(found)

    assert said[0] in above
    assert said[1] in below


@pytest.mark.requirement("03-retrieval-drafting:64")
def test_a_case_is_told_by_what_was_asked_done_and_how_it_ended() -> None:
    said = text_of(cards.preview_blocks(CASE, NOW, UNICODE))

    assert said.split("\n") == [
        " Token would not rotate",
        " i Supporting evidence  Resolved case, resolved 3d ago",
        " Enter  Open resolved case",
        "",
        " Issue summary",
        " │ The button was grey.",
        " Resolution note",
        " │ The role lacked a right.",
        " Actions taken",
        " │ Granted the role, Told the owner",
        " Outcome",
        " │ Resolved 3d ago",
        " Matched excerpt",
        " │ It works now.",
    ]
    assert cards.key_of_hit(CASE) == "resolved_case-99-1"


def test_what_a_case_does_not_tell_is_left_out() -> None:
    assert CASE.case is not None
    bare = replace(CASE, case=replace(CASE.case, resolution_note=" ", actions_taken=()))

    said = text_of(cards.preview_blocks(bare, NOW, UNICODE))

    assert "Resolution note" not in said
    assert "Actions taken" not in said
    assert "Matched excerpt" in said
    assert "Outcome" not in text_of(cards.preview_blocks(replace(CASE, case=None), NOW, UNICODE))


@pytest.mark.requirement("03-retrieval-drafting:67")
def test_an_article_is_told_by_its_heading_and_passage() -> None:
    said = text_of(cards.preview_blocks(ARTICLE, NOW, UNICODE))

    assert said.split("\n") == [
        " Rotating a token",
        " ✓ Canonical guidance  Knowledge Base, updated 1mo ago",
        " Enter  Open article",
        "",
        " Steps",
        " │ Create the new token first.",
    ]


def test_a_result_without_a_title_is_called_by_its_kind() -> None:
    assert cards.title_of(replace(ARTICLE, title="")) == "Knowledge Base article"
    assert cards.title_of(replace(CASE, title="")) == "Resolved case"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.IDLE, "Searches published knowledge and resolved cases."),
        (State.SHORT, "at least two characters"),
        (State.SEARCHING, "from the last search"),
        (State.FAILED, "Go on without it, or press Enter again"),
        (State.SCOPED, "Searching needs an operator"),
    ],
)
def test_each_state_of_a_search_is_said(state: State, words: str) -> None:
    assert words in summary(None, state)


@pytest.mark.requirement("03-retrieval-drafting:69")
def test_finding_nothing_is_no_error() -> None:
    assert "Nothing verified fits. Say it in other words" in summary(result(grounding=NOTHING))


@pytest.mark.requirement("03-retrieval-drafting:71")
def test_cases_alone_are_not_called_nothing() -> None:
    only = Grounding(GroundingStatus.ESCALATION, Reason.ASSISTIVE_ONLY_RESULTS, 0.0)

    said = summary(result(CASE, grounding=only))

    assert "Nothing" not in said
    assert "Only earlier cases fit" in said


@pytest.mark.requirement("03-retrieval-drafting:68")
def test_a_search_that_broke_off_asks_to_go_on() -> None:
    broken = Grounding(GroundingStatus.ESCALATION, Reason.PROVIDER_TIMEOUT, 0.0)

    said = summary(result(grounding=broken, degraded=(Degraded.SEARCH_TIMED_OUT,)))

    assert "Search is unavailable: the search took too long. Go on; Enter tries again." in said


def test_what_a_partial_search_lacks_is_said_beside_what_it_found() -> None:
    said = summary(result(ARTICLE, degraded=(Degraded.CASES_UNAVAILABLE,)), width=140)

    assert "Strong grounding: Published knowledge answers this." in said
    assert "▲ resolved cases could not be searched" in said
    assert said.endswith("not calibrated")


def test_a_calibrated_search_says_nothing_of_it() -> None:
    measured = replace(STRONG, calibrated=True)

    assert "calibrated" not in summary(result(ARTICLE, grounding=measured))


def test_hostile_results_stay_on_their_line() -> None:
    nasty = replace(ARTICLE, title="a\nb\x1b[2J[/b]", heading="\u202e", content="\x9bx\n\x07y")
    row = cards.rows_of(result(nasty))[1]
    assert isinstance(row, Found)

    line = words_of(cards.row_line(row, spot(76)))

    assert "\n" not in line
    assert "\x1b" not in line
    assert "[/b]" in line
    assert "\x07" not in text_of(cards.preview_blocks(nasty, NOW, UNICODE))
