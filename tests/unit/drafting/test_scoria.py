"""The deterministic generator: quotes, one question, or a hand-over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting.adapters.scoria import Scoria
from cairnloop_engine.drafting.compose import QUOTE_LENGTH, propose
from cairnloop_engine.drafting.lexemes import lexemes
from cairnloop_engine.drafting.model import ProposalType
from cairnloop_engine.drafting.proposal import Proposal, fault
from cairnloop_engine.retrieval.model import (
    Degraded,
    Evidence,
    GroundingBundle,
    GroundingStatus,
    Reason,
    Trust,
)
from tests.engine.drafting.builders import bundle, clarifying, escalating, evidence

HERE = ConversationId(42)


def reply_to(query: str, *found: Evidence) -> str:
    made = propose(HERE, bundle(*found, query=query))
    assert made.proposal_type is ProposalType.REPLY
    assert made.customer_reply is not None
    return made.customer_reply


@pytest.mark.requirement("03-retrieval-drafting:83")
async def test_strong_grounding_gives_a_cited_reply_from_the_knowledge_base() -> None:
    made = await Scoria().generate(HERE, bundle())

    assert made.conversation_id == HERE
    assert made.proposal_type is ProposalType.REPLY
    assert made.customer_reply == made.content
    assert "Knowledge Base" in made.content
    assert "create the new key first." in made.content
    assert made.content.endswith("[1]\n\n[1] Rotating an API key")
    assert made.operator_summary
    assert made.grounding_metadata["grounding_status"] == "strong"
    assert made.clarification_attempts == 0


@pytest.mark.requirement("03-retrieval-drafting:84")
def test_an_escalation_is_addressed_to_staff_and_has_nothing_to_send() -> None:
    made = propose(HERE, bundle(status=GroundingStatus.ESCALATION, attempts=1))

    assert made.proposal_type is ProposalType.ESCALATION
    assert made.customer_reply is None
    assert "Not enough verified guidance" in made.content
    assert made.clarification_attempts == 1


def test_a_clarification_asks_exactly_one_question_and_counts_it() -> None:
    for asked in (
        clarifying(),
        bundle(
            evidence(1, title="How do I rotate a key?", groundable=False),
            evidence(2, title="How do I revoke a key?", groundable=False),
            status=GroundingStatus.CLARIFICATION,
            reason=Reason.ARTICLES_TIE,
        ),
    ):
        made = propose(HERE, asked)

        assert made.proposal_type is ProposalType.CLARIFICATION
        assert made.content.count("?") == 1
        assert made.clarification_attempts == 1


def test_tied_articles_are_told_apart_by_their_names() -> None:
    tied = bundle(
        evidence(1, title="How do I rotate a key?", groundable=False),
        evidence(2, title="How do I revoke a key?", groundable=False),
        status=GroundingStatus.CLARIFICATION,
        reason=Reason.ARTICLES_TIE,
    )

    asked = propose(HERE, tied).content

    assert "“How do I rotate a key”" in asked
    assert "“How do I revoke a key”" in asked


def test_a_distant_second_article_is_not_offered_as_a_choice() -> None:
    near = bundle(
        evidence(1, title="How do I rotate a key?", groundable=False),
        replace(evidence(2, title="Office dogs", groundable=False), score=0.3),
        status=GroundingStatus.CLARIFICATION,
    )

    asked = propose(HERE, near).content

    assert asked.startswith("Is your question about “How do I rotate a key”?")
    assert "dogs" not in asked
    assert "the exact error message, or what you see on the screen" in asked


def test_a_thin_remark_gives_way_to_a_passage_that_says_something() -> None:
    said = f"The engine computes answers from {'curated ' * 69}data."

    reply = reply_to("what is wolfram good for", evidence(content=f"It does a lot!\n{said}"))

    assert "computes answers" in reply
    assert "It does a lot" not in reply


def test_the_quote_is_the_part_that_covers_the_question() -> None:
    passage = (
        "Exports are made every night. They are stored for 30 days. Ask your admin for access. "
        "Charges appear in euro. A refund takes five working days to reach your bank. "
        "Contact your bank when a refund is late."
    )

    reply = reply_to("How long does a refund take to my bank?", evidence(content=passage))

    assert "A refund takes five working days to reach your bank." in reply
    assert "Exports are made" not in reply


def test_a_quote_ends_at_a_sentence_and_stays_short() -> None:
    passage = " ".join(
        f"Sentence number {n} speaks of refunds and of little else." for n in range(99)
    )

    reply = reply_to("refunds", evidence(content=passage))

    quoted = reply.split("\n\n")[1]
    assert len(quoted) <= QUOTE_LENGTH + len(" [1]")
    assert quoted.count("Sentence") == 3
    assert quoted.endswith("else. [1]")


def test_one_endless_sentence_is_cut_between_words() -> None:
    quoted = reply_to("refund", evidence(content="refund word " * 200)).split("\n\n")[1]

    assert quoted.endswith("… [1]")
    assert len(quoted) <= QUOTE_LENGTH + len(" [1]")


def test_a_procedure_is_quoted_whole_with_its_lead_in() -> None:
    procedure = "To reset the password:\n1. Open Settings.\n2. Press Reset.\n3. Confirm."
    passage = f"We know this. {procedure}\nDone."

    quoted = reply_to("reset password", evidence(content=passage)).split("\n\n")[1]

    assert procedure in quoted


def test_a_procedure_that_is_too_long_says_that_there_is_more() -> None:
    steps = "\n".join(f"{n}. Press the button with the number {n} and wait." for n in range(1, 40))

    quoted = reply_to("reset password", evidence(content=f"Reset the password:\n{steps}"))

    assert "(The article has the rest.)" in quoted
    assert "1. Press the button with the number 1 and wait." in quoted


def test_a_quote_does_not_begin_by_pointing_at_what_is_not_quoted() -> None:
    passage = "Tokens expire. It can be renewed in the latter half of the year under refunds."

    assert "Tokens expire. It can be renewed" in reply_to("refunds", evidence(content=passage))


def test_footnotes_of_the_source_do_not_become_our_citations() -> None:
    made = propose(HERE, bundle(evidence(content="Rotate the API key [7] now.[12] See list[0].")))

    assert fault(made, bundle(), max_length=10_000) is None
    assert "list[0]" in made.content


def test_another_article_joins_when_it_answers_what_the_first_leaves_open() -> None:
    question = "Where do I rotate the API key and when does the invoice export run?"
    invoices = evidence(2, "The invoice export runs every night.", title="Invoice export")
    cats = evidence(3, "Cats sleep.", title="Cats")

    reply = reply_to(question, evidence(1), invoices, cats)

    assert "[1] Rotating an API key\n[2] Invoice export" in reply
    assert "Cats" not in reply


def test_past_cases_and_weak_passages_are_never_quoted() -> None:
    case = evidence(
        2, "I rotated the API key of the pipeline.", title="Case", trust=Trust.ASSISTIVE
    )
    weak = evidence(3, "The API key pipeline breaks.", title="Weak", groundable=False)

    reply = reply_to("rotate API key pipeline", evidence(1), case, weak)

    assert "[2]" not in reply
    assert "[3]" not in reply


def test_strong_grounding_without_any_words_goes_to_a_person() -> None:
    made = propose(HERE, bundle(evidence(content="  \n ")))

    assert made.proposal_type is ProposalType.ESCALATION
    assert made.customer_reply is None


def test_the_operator_is_told_when_search_was_limited() -> None:
    made = propose(HERE, bundle(degraded=(Degraded.EMBEDDER_UNAVAILABLE,)))

    assert "embedder unavailable" in made.operator_summary
    assert "uncalibrated" in made.operator_summary


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    made = propose(HERE, bundle(status=GroundingStatus.ESCALATION, reason=reason))

    assert made.content
    assert reason.value not in made.operator_summary


@pytest.mark.parametrize("of", [bundle(), clarifying(), escalating()])
def test_the_same_bundle_always_gives_the_same_words(of: GroundingBundle) -> None:
    made: Proposal = propose(HERE, of)

    assert made == propose(HERE, of)
    assert fault(made, of, max_length=10_000) is None


def test_endings_do_not_keep_words_apart() -> None:
    assert lexemes("resetting passwords") == lexemes("reset password")
    assert lexemes("E-1042 and v2.3.1") == {"e-1042", "v2.3.1"}
    assert lexemes("how do i get this") == frozenset()
