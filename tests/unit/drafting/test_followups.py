"""Questions in a thread: what a follow-up takes over, and what it leaves behind."""

from __future__ import annotations

import pytest

from cairnloop_engine.drafting.followups import is_complete
from cairnloop_engine.drafting.ports import CustomerTurn
from cairnloop_engine.drafting.query import build_query

EXPORT = "How do I export invoices?"
PASSWORD = "How do I reset my password?"
KEY = "How do I reset my API key?"

# Newest first: what the customer wrote, all but the first answered in between; then what is
# searched for beside the newest message. An empty string: the newest message alone.
THREADS = [
    (["and on Android?", EXPORT], "export invoices"),
    (["What about iPhone?", EXPORT], "export invoices"),
    (["What about iPhone?", "and on Android?", EXPORT], "export invoices"),
    (["ok and in the mobile app?", "and in the web app?", "Where is two-factor?"], "two-factor"),
    (["same for the staging environment?", "How do I rotate the secret?"], "rotate secret"),
    (["without losing data?", "How do I move my project?"], "move project"),
    (["How long does that take?", "How do I get a refund for a plan?"], "refund plan"),
    (["How much does it cost?", "Can I add a team seat?"], "add team seat"),
    (["How do I cancel it?", "Where do I see my subscription?"], "subscription"),
    (["Does it work with SAML?", "How do I turn on single sign-on?"], "turn single sign-on"),
    (["What does this mean?", "My build failed with code 137"], "build failed code 137"),
    (["It says E-1042.", "My API key stopped working"], "API key stopped working"),
    (["But I do not see that button", "Where do I change my email?"], "change email"),
    (["They are still not showing", "I uploaded three pictures"], "uploaded three pictures"),
    (["And if the card is declined?", "When is my plan charged?"], "plan charged"),
    (["Can I undo?", "I archived a project by mistake"], "archived project mistake"),
    (["Which plan?", "Does every plan have the audit log?"], "audit log"),
    (["Android", "How do I install the app?"], "install app"),
    (["the billing page", "A page shows an error"], "shows error"),
    (["Thanks", KEY], "reset API key"),
    (["?", EXPORT], "export invoices"),
    (["Another question", EXPORT], "export invoices"),
    # A question that stands on its own leaves the old topic behind.
    (["Where is my invoice?", PASSWORD], ""),
    (["How do I add a seat to my team?", EXPORT], ""),
    (["Another question: how do I delete my account?", EXPORT], ""),
    (["btw can my colleague approve refunds?", EXPORT], ""),
    (["Thanks! And how do I export invoices as PDF?", KEY], ""),
    (["Is it possible to export invoices in bulk?", PASSWORD], ""),
    (["How do I reset my password if I lost it?", EXPORT], ""),
    (["I think that the export is broken", PASSWORD], ""),
    (["What about the invoices of our second company account?", PASSWORD], ""),
    (["Wie kann ich meine Rechnung exportieren?", PASSWORD], ""),
    (["どうやって請求書を書き出しますか", PASSWORD], ""),
]


@pytest.mark.parametrize(("messages", "topic"), THREADS)
def test_a_follow_up_takes_over_the_topic_and_a_new_question_does_not(
    messages: list[str], topic: str
) -> None:
    asked = build_query(CustomerTurn(None, messages, unanswered=1))

    assert asked == (f"{messages[0]}\n{topic}" if topic else messages[0])


@pytest.mark.parametrize("message", [EXPORT, "and on Android?", "It says E-1042.", "?", "Hi"])
def test_a_single_message_is_the_question_as_it_stands(message: str) -> None:
    assert build_query(CustomerTurn(None, [message])) == message
    assert build_query(CustomerTurn("Customer chat", [message], unanswered=1)) == message


def test_what_came_since_the_last_reply_is_one_question() -> None:
    turn = CustomerTurn(None, ["It shows the wrong VAT number", "I opened my invoice", KEY], 2)

    assert build_query(turn) == "It shows the wrong VAT number\nI opened my invoice"


def test_two_questions_in_a_row_are_not_mixed() -> None:
    turn = CustomerTurn(None, ["How do I add a seat to my team?", EXPORT])

    assert build_query(turn) == "How do I add a seat to my team?"


def test_two_questions_about_one_thing_belong_together() -> None:
    turn = CustomerTurn(None, ["Can I export invoices of last year as PDF?", EXPORT])

    assert build_query(turn) == f"Can I export invoices of last year as PDF?\n{EXPORT}"


def test_the_subject_of_an_answered_thread_counts_only_for_a_follow_up() -> None:
    complete = CustomerTurn("Exporting", ["How do I add a seat to my team?", "Hello"], unanswered=1)
    leaning = CustomerTurn("Exporting", ["and on Android?", "Hello"], unanswered=1)

    assert build_query(complete) == "How do I add a seat to my team?"
    assert build_query(leaning) == "Exporting\nand on Android?"


def test_what_is_taken_over_stays_shorter_than_a_question() -> None:
    story = "The nightly export of invoices for our four companies fails with a timeout at 2 am"

    asked = build_query(CustomerTurn(None, ["and now?", story], unanswered=1))

    newest, carried = asked.split("\n")
    assert newest == "and now?"
    assert len(carried.split()) == 8


@pytest.mark.parametrize(
    ("message", "complete"),
    [
        ("How do I upgrade my plan?", True),
        ("The run page shows error E4012", True),
        ("Can I undo?", False),
        ("it is broken", False),
        ("", False),
    ],
)
def test_a_complete_message_says_what_it_is_about(message: str, complete: bool) -> None:
    assert is_complete(message) is complete
