"""What a reply rests on, told in words: markers, sources, confidence, and how each was found."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from cairnloop_engine.conversations.model import Citation
from cairnloop_engine.core.ids import (
    ArticleId,
    ChunkId,
    ConversationId,
    DraftId,
    MessageId,
    RevisionId,
)
from cairnloop_engine.drafting.model import DraftStatus, PolicyVerdict, ProposalType
from cairnloop_engine.drafting.reads import DraftView, EvidenceView, GroundingView
from cairnloop_engine.retrieval.model import GroundingStatus, SourceType, Trust, Why
from cairnloop_tui import labels
from cairnloop_tui.conversation import decide, evidence
from cairnloop_tui.theme.glyphs import ASCII, UNICODE, Glyphs
from cairnloop_tui.theme.tokens import Tone
from tests.unit.tui.test_cards import NOW, ROW, text_of

REPLY = (
    "Here is what we know:\n\n"
    "Create the new key first. Both keys work for 24 hours. [1] Old ones end then. [2]\n\n"
    "[1] Rotating an API key"
)
ONE = EvidenceView(
    number=1,
    source_type=SourceType.KNOWLEDGE_BASE,
    trust=Trust.CANONICAL,
    title="Rotating an API key",
    heading="Keys > Rotation",
    excerpt="Create the new key first.",
    content="Create the new key first.\nBoth keys work for 24 hours.",
    score=0.7,
    groundable=True,
    cited=True,
    why=Why(0.71, None, 0.62, 0.5, ("key", "rotat")),
    article_id=ArticleId(3),
    revision_id=RevisionId(13),
    chunk_id=ChunkId(103),
)
TWO = replace(
    ONE,
    number=2,
    source_type=SourceType.RESOLVED_CASE,
    trust=Trust.ASSISTIVE,
    title="Key trouble",
    heading="",
    cited=False,
    article_id=None,
    why=Why(None, None, None, 0.0, ()),
)
GROUNDING = GroundingView(
    status=GroundingStatus.STRONG,
    reason="canonical_results",
    confidence=0.72,
    calibrated=False,
    query="How do I rotate it?",
    embedder="minilm",
    degraded=(),
    quote=None,
)
DRAFT = DraftView(
    id=DraftId(4),
    conversation_id=ConversationId(17),
    subject=None,
    customer_ref="acme",
    status=DraftStatus.PENDING,
    proposal_type=ProposalType.REPLY,
    operator_summary="Quoted from one article.",
    customer_reply=REPLY,
    proposed=REPLY,
    evidence=(ONE, TWO),
    grounding=GROUNDING,
    policy=PolicyVerdict.REQUIRE_APPROVAL,
    revision=3,
    conversation_revision=3,
    version=1,
    attempt=1,
    clarification_attempts=0,
    stale=False,
    sendable=True,
    can=("approve", "edit", "discard"),
    hidden_characters=False,
    generator="scoria",
    model=None,
    fallback_reason=None,
    source_message_id=MessageId(9),
    edited_by=None,
    suggested=None,
    message_id=None,
    delivery=None,
    visible_at=None,
    discard_reason=None,
    discard_note=None,
    created_at=NOW - timedelta(minutes=5),
    decided_by=None,
    decided_at=None,
)


def card(draft: DraftView, glyphs: Glyphs = UNICODE) -> str:
    return text_of(decide.decision_blocks(ROW, draft, now=NOW, glyphs=glyphs), width=76)


# Markers


def test_each_number_is_led_back_to_the_sentences_that_carry_it() -> None:
    assert evidence.citing(REPLY) == {
        1: ("Both keys work for 24 hours. [1]",),
        2: ("Old ones end then. [2]",),
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One [1][2] two.", {1: ("One [1][2] two.",), 2: ("One [1][2] two.",)}),
        ("First. [1] [2]", {1: ("First. [1] [2]",), 2: ("First. [1] [2]",)}),
        ("[1] A title\n[2] Another", {}),
        ("[1]", {1: ("[1]",)}),
        ("No marker.", {}),
        ("", {}),
    ],
)
def test_markers_are_found_wherever_they_stand(
    text: str, found: dict[int, tuple[str, ...]]
) -> None:
    assert evidence.citing(text) == found


def test_markers_stand_out_and_unknown_ones_warn() -> None:
    (para,) = evidence.reply_paras("So [1], not [7].", {1}, gutter=())

    tones = {piece.text: piece.tone for piece in para.pieces}
    assert (tones["[1]"], tones["[7]"]) == (Tone.PRIMARY, Tone.WARNING)
    assert "".join(piece.text for piece in para.pieces) == "So [1], not [7]."


# The card


@pytest.mark.requirement("03-retrieval-drafting:79")
def test_a_grounded_draft_tells_all_that_a_decision_needs() -> None:
    said = card(DRAFT)

    assert "◆ Grounded reply  waits for you, drafted 5m ago" in said
    assert "✓ Strong grounding: Published knowledge answers this." in said
    assert "confidence 0.72, not calibrated" in said
    assert "Quoted from one article." in said
    assert "Composed from the sources by scoria, without a model." in said
    assert " │ Create the new key first. Both keys work for 24 hours. [1]" in said
    assert "2 sources  o opens them" in said
    assert "[1] ✓ Rotating an API key ▸ Keys > Rotation" in said
    assert "Canonical guidance, cited by 1 sentence" in said
    assert "Supporting evidence, cited by 1 sentence" in said
    assert "Create the new key first." in said


@pytest.mark.requirement("03-retrieval-drafting:81")
@pytest.mark.parametrize(
    ("kind", "status", "reason", "words"),
    [
        (
            ProposalType.CLARIFICATION,
            GroundingStatus.CLARIFICATION,
            "canonical_insufficient_detail",
            ("Clarification required", "Needs a detail", "touches this without answering"),
        ),
        (
            ProposalType.ESCALATION,
            GroundingStatus.ESCALATION,
            "assistive_only_results",
            ("Escalation recommended", "Not grounded", "Only earlier cases fit"),
        ),
        (
            ProposalType.ESCALATION,
            GroundingStatus.ESCALATION,
            "clarification_limit_reached",
            ("Escalation recommended", "asked often enough"),
        ),
    ],
)
def test_what_cannot_be_answered_is_named_with_its_reason(
    kind: ProposalType, status: GroundingStatus, reason: str, words: tuple[str, ...]
) -> None:
    draft = replace(
        DRAFT,
        proposal_type=kind,
        sendable=kind is not ProposalType.ESCALATION,
        grounding=replace(GROUNDING, status=status, reason=reason),
    )

    said = card(draft)

    assert all(word in said for word in words), said


def test_a_draft_without_evidence_says_so() -> None:
    assert "▲ No evidence was captured." in card(replace(DRAFT, evidence=()))


def test_a_calibrated_confidence_is_called_so() -> None:
    said = card(replace(DRAFT, grounding=replace(GROUNDING, calibrated=True, confidence=0.9)))

    assert "confidence 0.90, calibrated" in said


def test_what_was_missing_when_it_was_made_is_said() -> None:
    lacking = replace(GROUNDING, degraded=("embedder_unavailable", "cases_unavailable"))

    said = card(replace(DRAFT, grounding=lacking))

    assert "Made without the sentence model, by words alone; resolved cases could not" in said


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("no_key", "no key for it is configured"),
        ("http_503", "its provider answered with status 503"),
        ("something_new", "something new"),
    ],
)
def test_why_the_model_did_not_write_is_said_calmly(reason: str, words: str) -> None:
    said = " ".join(card(replace(DRAFT, fallback_reason=reason)).split())

    assert f"Composed from the sources without the model: {words}." in said


def test_a_model_that_wrote_is_named() -> None:
    assert "Written by claude-x, checked" in card(replace(DRAFT, model="claude-x"))


def test_the_words_that_a_model_named_as_the_answer_are_quoted() -> None:
    quoting = replace(GROUNDING, quote="Both keys work\nfor 24 hours.")

    assert "answered by “Both keys work for 24 hours.”" in card(replace(DRAFT, grounding=quoting))


def test_an_edit_names_who_edited() -> None:
    assert "edited by noor, drafted 5m ago" in card(replace(DRAFT, edited_by="noor"))


def test_hostile_words_are_drawn_as_words() -> None:
    nasty = replace(ONE, title="\x1b[2J[/b]\u202e", content="\x07x", excerpt="\x9b5;5H")

    said = card(replace(DRAFT, evidence=(nasty,), model="\x1b]0;x", fallback_reason=None))

    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "[/b]" in said


def test_the_card_is_drawn_in_ascii_too() -> None:
    said = card(replace(DRAFT, evidence=(ONE,)), ASCII)

    assert "+ Strong grounding" in said
    assert said.isascii()


# The sources in full


@pytest.mark.requirement("03-retrieval-drafting:108")
def test_every_source_is_told_in_full_and_why_it_was_found_is_folded() -> None:
    sources = evidence.sources_of_draft(DRAFT)

    folded = text_of(evidence.source_blocks(sources, (), UNICODE), width=76)
    opened = text_of(evidence.source_blocks(sources, {1, 2}, UNICODE), width=76)

    assert "✓ Canonical guidance  Knowledge Base" in folded
    assert "i Supporting evidence  Resolved case" in folded
    assert "cited by  Both keys work for 24 hours. [1]" in folded
    assert "│ Both keys work for 24 hours." in folded
    assert "cosine" not in folded
    assert "meaning  cosine: passage 0.62, title 0.71" in opened
    assert "words    50% of what the question's words weigh" in opened
    assert "matched  key, rotat" in opened
    assert "meaning  not compared" in opened


def test_what_the_reply_does_not_cite_is_said() -> None:
    draft = replace(DRAFT, customer_reply="Just a word.", proposed="Just a word.")

    said = text_of(evidence.source_blocks(evidence.sources_of_draft(draft), (), UNICODE))

    assert said.count("not cited by the reply") == 2


def test_the_sources_of_a_message_lead_to_its_articles() -> None:
    cited = (
        Citation("Rotating", "knowledge_base", 3, 103),
        Citation("A case", "resolved_case"),
    )

    sources = evidence.sources_of_message(cited)

    assert [(one.number, one.article_id) for one in sources] == [(1, 3), (2, None)]
    said = text_of(evidence.source_blocks(sources, (), UNICODE))
    assert "Canonical guidance" in said
    assert "Supporting evidence" in said
    assert "why it was found" not in said


def test_a_stored_why_without_numbers_is_told_as_not_compared() -> None:
    why = Why.from_json(json.loads("{}"))
    draft = replace(DRAFT, evidence=(replace(ONE, why=why),))

    said = text_of(evidence.source_blocks(evidence.sources_of_draft(draft), {1}, UNICODE))

    assert "not compared" in said
    assert "matched  none" in said


def test_words_of_degraded_searches_never_show_raw_codes() -> None:
    assert labels.degraded_words(["query_shortened"]) == (
        "only the beginning of the question was used"
    )
    assert labels.degraded_words(["odd_thing"]) == "odd thing"
    assert labels.degraded_words([]) == ""
