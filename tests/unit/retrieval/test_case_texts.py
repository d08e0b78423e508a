"""What a resolved thread tells: issue, resolution, what was done; nothing personal in it."""

from __future__ import annotations

import pytest

from cairnloop_engine.conversations.model import Role
from cairnloop_engine.core.ids import MessageId
from cairnloop_engine.retrieval.case_texts import (
    ACTIONS,
    ISSUE,
    LINE_LENGTH,
    NOTHING_ASKED,
    RESOLUTION,
    TEXT_LENGTH,
    CaseText,
    Spoken,
    tell,
)

CUSTOMER, AGENT = Role.USER, Role.AGENT


def thread(*said: tuple[Role, str]) -> list[Spoken]:
    return [Spoken(MessageId(n), role, words) for n, (role, words) in enumerate(said, start=1)]


def told(subject: str | None, *said: tuple[Role, str], actions: tuple[str, ...] = ()) -> CaseText:
    case = tell(subject, thread(*said), actions)
    assert case is not None
    return case


def test_the_issue_is_what_came_before_our_answer_and_the_resolution_our_last_word() -> None:
    case = told(
        "Key leaked",
        (CUSTOMER, "Hello"),
        (CUSTOMER, "My key is on a web page."),
        (AGENT, "Which key?"),
        (CUSTOMER, "The old one."),
        (AGENT, "Revoke it under Settings."),
        (CUSTOMER, "Thanks!"),
    )

    assert case.subject == "Key leaked"
    assert case.issue_summary == "Hello\nMy key is on a web page."
    assert case.resolution_note == "Revoke it under Settings."
    assert case.actions_taken == ("Which key?",)
    assert case.message_ids == (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize("said", [(), ((CUSTOMER, "Anybody?"),), ((AGENT, "  "),)])
def test_a_thread_without_our_answer_is_no_case(said: tuple[tuple[Role, str], ...]) -> None:
    assert tell("Subject", thread(*said)) is None


def test_actions_that_took_effect_are_told_in_place_of_our_earlier_words() -> None:
    said = ((CUSTOMER, "Money back?"), (AGENT, "One moment."), (AGENT, "Done."))

    assert told("Refund", *said, actions=("Refund: 82.00 EUR for A-17",)).actions_taken == (
        "Refund: 82.00 EUR for A-17",
    )
    assert told("Refund", *said).actions_taken == ("One moment.",)
    # The resolution is not told twice.
    assert told("Refund", said[0], said[2]).actions_taken == ()


def test_everything_is_redacted_before_it_is_cut() -> None:
    case = told(
        "Invoice of jane@example.com",
        (CUSTOMER, "x " * (TEXT_LENGTH // 2 - 5) + "jane.doe@example.com"),
        (AGENT, "Call +49 30 1234567"),
        (AGENT, "Card 4111 1111 1111 1111 was refunded"),
        actions=("Refund: to IBAN DE89 3704 0044 0532 0130 00",),
    )

    everything = "\n".join((case.subject, case.body))
    assert "jane" not in everything
    assert "4111" not in everything
    assert "0532" not in everything
    assert case.subject == "Invoice of [redacted-email]"
    assert len(case.issue_summary) <= TEXT_LENGTH


def test_a_thread_without_a_subject_is_named_by_its_question() -> None:
    case = told(None, (CUSTOMER, "My key leaked.\n" + "word " * 60), (AGENT, "Revoke it."))

    assert case.subject.startswith("My key leaked. word")
    assert len(case.subject) <= LINE_LENGTH


def test_a_thread_that_we_began_has_an_issue_all_the_same() -> None:
    began = told("News", (AGENT, "We moved."), (CUSTOMER, "Where to?"), (AGENT, "Berlin."))
    silent = told(None, (AGENT, "We moved."))

    assert began.issue_summary == "Where to?"
    assert told("News", (AGENT, "We moved.")).issue_summary == "News"
    assert (silent.subject, silent.issue_summary) == (NOTHING_ASKED, NOTHING_ASKED)


def test_the_passages_of_a_case_stand_under_the_names_of_its_parts() -> None:
    case = told(
        "Key",
        (CUSTOMER, "word " * 300),
        (AGENT, "First answer."),
        (AGENT, "Second answer."),
    )

    passages = case.passages()

    assert [one.position for one in passages] == list(range(len(passages)))
    assert list(dict.fromkeys(one.heading for one in passages)) == [ISSUE, RESOLUTION, ACTIONS]
    assert len(passages) > 3
    assert "First answer." in case.body
