"""The rules that a model's reply has to keep before it becomes a draft."""

from __future__ import annotations

import pytest

from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.drafting import compose
from cairnloop_engine.drafting.checking import (
    Fault,
    Grounds,
    fault,
    literal_quote,
    marks,
    tidied,
)
from tests.engine.drafting.builders import ROTATION, bundle

REFUNDS = (
    "Refunds\nWe refund annual plans within 14 days. The fee is $20, or 5 % of the price. Write to "
    "billing@acme.example or open https://acme.example/refunds. We answer until 31 March."
)
GROUNDS = Grounds(
    {1: f"Rotating an API key\n{ROTATION}", 2: REFUNDS},
    ours="You can also call +1 555 0100, see https://acme.example/help.",
    customers="My order is 4711. Visit evil.example! I want 500 dollars, maya@acme.test",
)

GOOD = [
    "Create the new key first, then revoke the old one [1].",
    "Create the new key first. [1] Both keys work for 24 hours. [1]",
    "Create the new key first[1][2].",
    "Create the new key first [1, 2].",
    "We refund annual plans within fourteen days [2].",
    "We will refund you within 14 days [2].",
    "The fee is $20.00 [2].",
    "The fee is 5% of the price [2].",
    "Write to billing@acme.example, or open acme.example/refunds/ [2].",
    "We answer until 31 March [2].",
    "For your order 4711, the fee for annual plans is $20 [2].",
    "You can also call +1 555 0100 about refunds of annual plans [2].",
    "Thank you for your question. Create the new key first [1]. Ask us if anything is unclear.",
    "- Create the new key first [1].\n- Revoke the old key [1].",
    "1. Create the new key first [1].\n2. Revoke the old key [1].",
    # A literal quote may share the marker of its paragraph.
    "API keys live under Settings. Billing is not affected. [1]",
    "Did you mean your order 4711? Create the new key first [1].",
]

BAD = [
    ("", Fault.EMPTY),
    (" \n ", Fault.EMPTY),
    ("Create the new key first.", Fault.UNCITED),
    ("Your pipeline needs the new key. Create the new key first [1].", Fault.UNCITED),
    ("Bananas are blue, did you know?", Fault.UNCITED),
    ("Create the new key first [3].", Fault.CITATION_UNKNOWN),
    ("Create the new key first [1] [9999].", Fault.CITATION_UNKNOWN),
    ("Create the new key first [0].", Fault.CITATION_UNKNOWN),
    ("Create the new key first [1-2].", Fault.CITATION_UNKNOWN),
    ("Both keys work for 48 hours [1].", Fault.NUMBER_UNSUPPORTED),
    ("Both keys work for forty hours [1].", Fault.NUMBER_UNSUPPORTED),
    ("Both keys work until Friday [1].", Fault.NUMBER_UNSUPPORTED),
    ("We answer until 31 May [2].", Fault.NUMBER_UNSUPPORTED),
    ("Use key E4012 to revoke the old key [1].", Fault.NUMBER_UNSUPPORTED),
    ("The fee is €20 [2].", Fault.NUMBER_UNSUPPORTED),
    ("We refund 14 % of annual plans [2].", Fault.NUMBER_UNSUPPORTED),
    # The customer asked for it; that makes it no price of ours.
    ("We refund annual plans with 500 dollars [2].", Fault.NUMBER_UNSUPPORTED),
    ("Create the new key first, then visit evil.example [1].", Fault.LINK_UNSUPPORTED),
    ("Create the new key first at https://acme.example/keys [1].", Fault.LINK_UNSUPPORTED),
    ("Create the new key first [here](javascript:alert) [1].", Fault.LINK_UNSUPPORTED),
    ("Create the new key first [here](/keys) [1].", Fault.LINK_UNSUPPORTED),
    ("Write to boss@acme.example about the new key [1].", Fault.LINK_UNSUPPORTED),
    ("I have revoked the old key already [1].", Fault.PROMISE_UNSUPPORTED),
    ("We have revoked the old key [1].", Fault.PROMISE_UNSUPPORTED),
    ("Your old API key has been revoked [1].", Fault.PROMISE_UNSUPPORTED),
    ("I can rotate your API key [1].", Fault.PROMISE_UNSUPPORTED),
    ("You get a free API key [1].", Fault.PROMISE_UNSUPPORTED),
    ("We guarantee that annual plans are refunded [2].", Fault.PROMISE_UNSUPPORTED),
    ("Your refund of the annual plan has been approved [2].", Fault.PROMISE_UNSUPPORTED),
    ("We will send you a voucher for the annual plan [2].", Fault.PROMISE_UNSUPPORTED),
    ("Gorillas adore watermelons, papayas and oranges [1].", Fault.UNSUPPORTED),
    ("PWNED [1].", Fault.UNSUPPORTED),
    ("Your key is a secret [1].", Fault.UNSUPPORTED),
    ("It is done [1].", Fault.UNSUPPORTED),
    ("Dear [Name], create the new key first [1].", Fault.PLACEHOLDER),
    ("Dear {{customer}}, create the new key first [1].", Fault.PLACEHOLDER),
    ("<b>Create the new key first</b> [1].", Fault.PLACEHOLDER),
    ("Create the new\u200b key first [1].", Fault.HIDDEN_TEXT),
    ("Create the new key first [1]. " * 40, Fault.TOO_LONG),
]


@pytest.mark.parametrize("reply", GOOD)
def test_a_reply_that_says_what_its_sources_say_is_used(reply: str) -> None:
    assert fault(tidied(reply), GROUNDS, max_length=600) is None


@pytest.mark.parametrize(("reply", "broken"), BAD)
def test_a_reply_that_says_more_is_not(reply: str, broken: Fault) -> None:
    assert fault(tidied(reply), GROUNDS, max_length=600) is broken


def test_markers_are_written_one_way() -> None:
    assert tidied(" Keys work[1][2], plans [1;3]. ") == "Keys work [1] [2], plans [1] [3]."


def test_what_scoria_quotes_keeps_the_same_rules() -> None:
    grounding = bundle()
    reply = compose.propose(ConversationId(1), grounding).customer_reply
    sources = {one.number: f"{one.title}\n{one.content}" for one in grounding.canonical}
    assert reply is not None

    found = marks(reply, Grounds(sources))

    assert (found.n_facts, found.n_cited, found.faults) == (3, 3, ())


def test_sentences_are_counted_whether_or_not_they_are_cited() -> None:
    found = marks("Create the new key first [1]. The moon is a cheese.", GROUNDS)

    assert (found.n_facts, found.n_cited) == (2, 1)
    assert found.faults == (Fault.UNCITED,)


@pytest.mark.parametrize(
    "answer",
    [
        "Both keys work for 24 hours, so nothing breaks.",
        '"Both keys work for  24 hours,\nso nothing breaks."',
        "“Both keys work for 24 hours, so nothing breaks.”",
    ],
)
def test_a_quote_is_found_whatever_its_white_space(answer: str) -> None:
    found = literal_quote(answer, GROUNDS.sources)

    assert found == (1, "Both keys work for 24 hours, so nothing breaks.")


@pytest.mark.parametrize(
    "answer",
    [
        "NONE",
        "",
        "API keys",
        "Both keys work for 48 hours, so nothing breaks.",
        "The answer is: Both keys work for 24 hours, so nothing breaks.",
        "both keys work for 24 hours",
    ],
)
def test_words_that_stand_in_no_source_are_no_quote(answer: str) -> None:
    assert literal_quote(answer, GROUNDS.sources) is None
