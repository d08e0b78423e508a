"""What is embedded of an article, and which sentences of a passage are shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.core.errors import JsonObject, Misconfigured
from cairnloop_engine.knowledge.sentences import n_words, sentences
from cairnloop_engine.retrieval.model import (
    Evidence,
    Grounding,
    GroundingStatus,
    Reason,
    Slot,
    Trust,
    evidence_from_json,
)
from cairnloop_engine.retrieval.ports import EmbedderRecord
from cairnloop_engine.retrieval.texts import (
    WORDS_PER_PIECE,
    Passage,
    telling_sentences,
    to_embed,
    word_pieces,
)
from tests.unit.retrieval.hits import hit

STEPS = (
    "Keys live in settings. Open Settings and choose API keys. Press Revoke beside the old key. "
    "Replies may take a minute. Then press Generate to get a new key."
)


def test_an_article_is_embedded_as_a_whole_by_its_title_and_by_each_passage() -> None:
    entries = to_embed(
        "Reset", "Body text", [Passage(11, 0, "", "Intro"), Passage(12, 1, "A > B", "Step")]
    )

    assert [(e.slot, e.position, e.chunk_id, e.text) for e in entries] == [
        (Slot.DOCUMENT, 0, None, "Reset\nBody text"),
        (Slot.TITLE, 0, None, "Reset"),
        (Slot.CHUNK, 0, 11, "Reset. Intro"),
        (Slot.CHUNK, 1, 12, "Reset. A > B. Step"),
    ]


def test_a_body_is_counted_in_pieces_and_completely() -> None:
    body = " ".join(f"word{number}" for number in range(3 * WORDS_PER_PIECE + 5))

    pieces = word_pieces(body)

    assert " ".join(pieces) == body
    assert all(n_words(piece) <= WORDS_PER_PIECE for piece in pieces)


def test_the_sentences_that_answer_are_shown_in_reading_order() -> None:
    assert telling_sentences(STEPS, ["generat", "revok", "key"]) == (
        "Press Revoke beside the old key.",
        "Then press Generate to get a new key.",
    )


def test_a_stem_that_ends_in_i_matches_the_word_in_y() -> None:
    assert telling_sentences(STEPS, ["repli"]) == ("Replies may take a minute.",)


def test_a_passage_without_a_matching_word_shows_its_beginning() -> None:
    assert telling_sentences(STEPS, []) == ("Keys live in settings.",)
    assert telling_sentences("", ["key"]) == ()


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=6), max_size=5))
def test_what_is_shown_stands_in_the_passage(content: str, lexemes: list[str]) -> None:
    shown = telling_sentences(content, lexemes)

    assert len(shown) <= 3
    assert set(shown) <= set(sentences(content))


@pytest.mark.requirement("03-retrieval-drafting:108")
def test_evidence_survives_the_database() -> None:
    found = hit()
    evidence = Evidence(
        number=1,
        source_type=found.source_type,
        trust=found.trust,
        title=found.title,
        heading=found.heading,
        content=found.content,
        excerpt=found.excerpt,
        sentences=found.sentences,
        score=found.score,
        groundable=True,
        why=found.why,
        citation=found.citation,
        revision_id=found.revision_id,
    )

    stored = json.loads(json.dumps({"v": 1, "evidence": [evidence.to_json()]}))

    assert evidence_from_json(stored) == (evidence,)


def test_a_grounding_survives_the_database() -> None:
    grounding = Grounding(
        GroundingStatus.CLARIFICATION, Reason.ARTICLES_TIE, 0.7, signals={"margin": None, "f": 0.5}
    )

    assert Grounding.from_json(json.loads(json.dumps(grounding.to_json()))) == grounding


@pytest.mark.parametrize(
    "stored",
    [{}, {"evidence": None}, {"evidence": [1, None, "x"]}, {"evidence": [{"why": 3, "v": 9}]}],
)
def test_evidence_that_nobody_understands_reads_as_cautious_and_never_fails(
    stored: JsonObject,
) -> None:
    assert all(not e.groundable and e.trust is Trust.ASSISTIVE for e in evidence_from_json(stored))
    assert Grounding.from_json(stored).status is GroundingStatus.ESCALATION


@pytest.mark.parametrize(
    ("model_id", "dim", "alpha"),
    [("'; DROP", 3, 0.5), ("", 3, 0.5), ("ok", 0, 0.5), ("ok", 5000, 0.5), ("ok", 3, 1.5)],
)
def test_a_record_that_could_not_be_searched_is_refused(
    model_id: str, dim: int, alpha: float
) -> None:
    with pytest.raises(Misconfigured) as refused:
        EmbedderRecord(model_id, dim, alpha, None, "a model")

    assert refused.value.code == "embedder_record_invalid"
