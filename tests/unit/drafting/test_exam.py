"""Reading an exam, and what of it is refused."""

from __future__ import annotations

import pytest

from cairnloop_engine import Invalid
from cairnloop_engine.drafting.exam import read_exam
from cairnloop_engine.drafting.ports import Line, Speaker

ARTICLES = "- {id: keys, title: Keys, text: Press Revoke.}"


def test_a_thread_alternates_between_customer_and_agent() -> None:
    exam = read_exam(
        ARTICLES,
        '- {id: one, ask: "How?", article: keys}\n'
        '- {id: two, thread: ["How?", "So.", "And now?"], forbidden: [gold], hostile: true}',
    )

    asked, followed = exam.items
    assert asked.thread == (Line(Speaker.CUSTOMER, "How?"),)
    assert (asked.article, asked.hostile, asked.forbidden) == ("keys", False, ())
    assert [line.speaker.value for line in followed.thread] == ["customer", "agent", "customer"]
    assert (followed.article, followed.hostile, followed.forbidden) == (None, True, ("gold",))
    assert [document.id for document in exam.documents] == ["keys"]


def test_fewer_questions_are_taken_from_the_whole_set() -> None:
    exam = read_exam(ARTICLES, "\n".join(f"- {{id: q{n}, ask: how}}" for n in range(10)))

    assert [item.id for item in exam.first(4).items] == ["q0", "q2", "q5", "q7"]
    assert exam.first(None) is exam.first(10) is exam


@pytest.mark.parametrize(
    ("articles", "questions"),
    [
        ("[", "- {id: a, ask: how}"),
        ("- text", "- {id: a, ask: how}"),
        ("{}", "- {id: a, ask: how}"),
        ("[]", "- {id: a, ask: how}"),
        ("- {id: keys, title: Keys}", "- {id: a, ask: how}"),
        (ARTICLES, "[]"),
        (ARTICLES, "- {id: a}"),
        (ARTICLES, "- {id: a, ask: ' '}"),
        (ARTICLES, "- {id: a, ask: how}\n- {id: a, ask: why}"),
        (ARTICLES, "- {id: a, ask: how, article: unknown}"),
        (ARTICLES, "- {id: a, thread: [How, So]}"),
        (ARTICLES, "- {id: a, ask: how, forbidden: gold}"),
        (ARTICLES, "- !!python/object/apply:os.system [ls]"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(articles: str, questions: str) -> None:
    with pytest.raises(Invalid, match="These questions cannot be used"):
        read_exam(articles, questions)
