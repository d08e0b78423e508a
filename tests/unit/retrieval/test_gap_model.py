"""What a failure becomes before it is recorded: a class, a fingerprint, redacted and bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cairnloop_engine.core.ids import MessageId
from cairnloop_engine.retrieval.gap_model import (
    EVIDENCE_LENGTH,
    EXCERPT_LENGTH,
    MOST_EVIDENCE,
    NOTHING_LEFT,
    OutcomeClass,
    Surface,
    UiSurface,
    draft_key,
    excerpt_of,
    fingerprint,
    gap_of_draft,
    gap_of_search,
    outcome,
    search_key,
    snapshots,
)
from cairnloop_engine.retrieval.model import (
    Degraded,
    Grounding,
    GroundingStatus,
    Hit,
    Reason,
    SearchResult,
    Trust,
)
from tests.engine.drafting.builders import bundle, evidence
from tests.unit.retrieval.hits import hit

KEY = b"k" * 32
ESCALATED, ASKED = GroundingStatus.ESCALATION, GroundingStatus.CLARIFICATION
ASSISTIVE = hit(trust=Trust.ASSISTIVE)


def searched(
    *items: Hit,
    reason: Reason,
    query: str = "refund policy",
    degraded: tuple[Degraded, ...] = (),
) -> SearchResult:
    status = GroundingStatus.STRONG if reason is Reason.CANONICAL_RESULTS else ESCALATED
    return SearchResult(query, items, Grounding(status, reason, 0.4), degraded)


@pytest.mark.requirement("03-retrieval-drafting:92")
@pytest.mark.parametrize(
    ("status", "reason", "degraded", "told"),
    [
        (GroundingStatus.STRONG, Reason.CANONICAL_RESULTS, (), None),
        (ESCALATED, Reason.NO_CANONICAL_RESULTS, (), ("empty_recall", "no_canonical_results")),
        (
            ESCALATED,
            Reason.ASSISTIVE_ONLY_RESULTS,
            (),
            ("weak_grounding", "assistive_only_results"),
        ),
        (
            ASKED,
            Reason.CANONICAL_INSUFFICIENT_DETAIL,
            (),
            ("weak_grounding", "canonical_insufficient_detail"),
        ),
        (ASKED, Reason.ARTICLES_TIE, (), ("weak_grounding", "articles_tie")),
        (
            ESCALATED,
            Reason.CLARIFICATION_LIMIT_REACHED,
            (),
            ("policy_limit", "clarification_limit_reached"),
        ),
        (
            ESCALATED,
            Reason.PROVIDER_TIMEOUT,
            (Degraded.SEARCH_TIMED_OUT,),
            ("retrieval_error", "provider_timeout"),
        ),
        (
            ESCALATED,
            Reason.INDEX_UNAVAILABLE,
            (Degraded.INDEX_BUSY, Degraded.EMBEDDER_UNAVAILABLE),
            ("retrieval_error", "index_unavailable"),
        ),
        (
            ASKED,
            Reason.CANONICAL_INSUFFICIENT_DETAIL,
            (Degraded.EMBEDDER_UNAVAILABLE,),
            ("retrieval_error", "embedder_unavailable"),
        ),
        (ESCALATED, Reason.EMBEDDER_UNAVAILABLE, (), ("retrieval_error", "embedder_unavailable")),
        (
            ESCALATED,
            Reason.UNEXPECTED_ERROR,
            (Degraded.SEARCH_FAILED,),
            ("retrieval_error", "unexpected_error"),
        ),
        (
            ASKED,
            Reason.CANONICAL_INSUFFICIENT_DETAIL,
            (Degraded.QUERY_SHORTENED, Degraded.CASES_UNAVAILABLE),
            ("weak_grounding", "canonical_insufficient_detail"),
        ),
    ],
)
def test_every_grounding_has_its_class_and_an_outage_is_one_of_its_own(
    status: GroundingStatus,
    reason: Reason,
    degraded: tuple[Degraded, ...],
    told: tuple[str, str] | None,
) -> None:
    assert outcome(Grounding(status, reason, 0.4), degraded) == told


def test_a_draft_that_answers_leaves_no_gap_and_a_search_that_found_an_article_none() -> None:
    assert gap_of_draft(bundle()) is None
    for items in ((hit(),), (hit(), ASSISTIVE)):
        for reason in (Reason.CANONICAL_RESULTS, Reason.CANONICAL_INSUFFICIENT_DETAIL):
            result = searched(*items, reason=reason)
            assert gap_of_search(result, ui_surface=UiSurface.INBOX) is None


@pytest.mark.parametrize("query", ["", " ", "a", "  é  "])
def test_a_question_of_one_character_says_nothing(query: str) -> None:
    result = searched(reason=Reason.NO_CANONICAL_RESULTS, query=query)
    nothing = replace(bundle(status=ESCALATED), query=query)

    assert gap_of_search(result, ui_surface=UiSurface.INBOX) is None
    assert gap_of_draft(nothing) is None


def test_the_nearest_articles_of_another_topic_are_no_result() -> None:
    result = searched(hit(), ASSISTIVE, reason=Reason.NO_CANONICAL_RESULTS)

    gap = gap_of_search(result, ui_surface=UiSurface.INBOX)

    assert gap is not None
    assert (gap.surface, gap.ui_surface) == (Surface.SEARCH_MODAL, UiSurface.INBOX)
    assert (gap.outcome_class, gap.reason) == (OutcomeClass.EMPTY_RECALL, "no_canonical_results")
    assert (gap.canonical_hits, gap.assistive_hits, gap.attempts) == (1, 1, 0)


def test_a_draft_tells_what_was_at_hand_and_how_often_it_had_asked() -> None:
    found = (evidence(1), evidence(2, "Another", trust=Trust.ASSISTIVE))
    limit = Reason.CLARIFICATION_LIMIT_REACHED
    gap = gap_of_draft(bundle(*found, status=ESCALATED, reason=limit, attempts=1))

    assert gap is not None
    assert (gap.surface, gap.ui_surface) == (Surface.DRAFT_GENERATION, UiSurface.CONVERSATION)
    assert (gap.canonical_hits, gap.assistive_hits, gap.attempts) == (1, 1, 1)
    assert [one["trust_level"] for one in gap.evidence] == ["canonical", "assistive"]
    assert gap.query not in repr(gap)


def test_the_fingerprint_is_the_same_however_the_question_is_typed() -> None:
    told = fingerprint(KEY, "default", "Wo ist die Straße?")

    # The last one writes the letters in full width, as NFKC makes them equal.
    for typed in ("wo  ist DIE STRASSE?", " Wo ist\ndie Straße? ", "Ｗｏ ist die Straße?"):
        assert fingerprint(KEY, "default", typed) == told
    assert len(told) == 64
    assert told == told.lower()


def test_the_fingerprint_depends_on_key_workspace_and_question() -> None:
    told = fingerprint(KEY, "default", "refund")

    assert fingerprint(b"x" * 32, "default", "refund") != told
    assert fingerprint(KEY, "elsewhere", "refund") != told
    assert fingerprint(KEY, "default", "refunds") != told


@pytest.mark.requirement("03-retrieval-drafting:54")
def test_an_excerpt_is_redacted_before_it_is_cut() -> None:
    # The address would be cut in half at 160 characters and then not be recognised.
    query = f"{'x ' * 75}ask bob.builder@example.com about order 1234567"

    told = excerpt_of(query)

    assert "bob" not in told
    assert len(told) <= EXCERPT_LENGTH
    assert excerpt_of("write to a@b.example,\n order 1234567") == (
        "write to [redacted-email], order [redacted-number]"
    )


@pytest.mark.parametrize(
    ("query", "told"),
    [("", NOTHING_LEFT), ("   ", NOTHING_LEFT), ("\u200b\u200b", NOTHING_LEFT), ("\x00", "\ufffd")],
)
def test_an_excerpt_is_never_empty_nor_unstorable(query: str, told: str) -> None:
    assert excerpt_of(query) == told


@pytest.mark.requirement("03-retrieval-drafting:54")
@pytest.mark.requirement("03-retrieval-drafting:56")
def test_snapshots_are_redacted_bounded_and_each_passage_is_there_once() -> None:
    personal = replace(
        hit(), title="Refund of jane@example.com", excerpt=f"Card 4111 1111 1111 1111 {'y ' * 200}"
    )
    others = [replace(hit(article_id=n), title=f"Article {n}") for n in range(2, 9)]

    told = snapshots([personal, personal, *others])

    assert len(told) == MOST_EVIDENCE
    assert told[0]["title"] == "Refund of [redacted-email]"
    assert str(told[0]["content_excerpt"]).startswith("Card [redacted-card] y")
    assert len(str(told[0]["content_excerpt"])) <= EVIDENCE_LENGTH
    assert told[0]["citation_target"] == {"article_id": 1, "revision_id": 3, "chunk_id": 7}
    assert told[0]["match_reasons"] == ["keyword_match", "semantic_match"]
    assert [one["title"] for one in told[1:]] == [f"Article {n}" for n in range(2, 6)]


def test_an_outage_does_not_take_the_place_of_a_gap_about_the_same_message() -> None:
    gap = gap_of_draft(bundle(status=ESCALATED))
    outage = gap_of_draft(bundle(status=ESCALATED, reason=Reason.PROVIDER_TIMEOUT))

    assert gap is not None
    assert outage is not None
    assert draft_key(gap, MessageId(7)) != draft_key(outage, MessageId(7))
    assert draft_key(gap, MessageId(7)) != draft_key(gap, MessageId(8))


def test_searches_are_the_same_event_on_one_screen_with_one_outcome_only() -> None:
    empty = searched(reason=Reason.NO_CANONICAL_RESULTS)
    assistive = searched(ASSISTIVE, reason=Reason.ASSISTIVE_ONLY_RESULTS)
    gaps = [
        gap_of_search(empty, ui_surface=UiSurface.INBOX),
        gap_of_search(empty, ui_surface=UiSurface.CONVERSATION),
        gap_of_search(assistive, ui_surface=UiSurface.INBOX),
    ]

    keys = {search_key(gap, "f" * 64) for gap in gaps if gap is not None}

    assert len(keys) == 3
