"""Labelled questions as people write them, and the articles that they name."""

from __future__ import annotations

import json

import pytest

from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.retrieval.labels import Known, Label, read_labels, resolve

KNOWN = (
    Known(ArticleId(1), "Resetting your API key", "keys/reset.md"),
    Known(ArticleId(2), "Billing", None),
    Known(ArticleId(3), "Billing", "billing.md"),
    Known(ArticleId(4), "12", None),
)


def line(**label: object) -> str:
    return json.dumps(label)


def test_an_article_is_named_by_id_title_or_path_or_not_at_all() -> None:
    labels = read_labels(
        [
            "\ufeff" + line(query="one", article=1),
            "",
            line(query="two", article="resetting YOUR  api key"),
            line(query="three", article="billing.md"),
            line(query="four", article="1"),
            line(query="five", article=None, note="nobody knows"),
        ]
    )

    found = resolve(labels, KNOWN)

    assert [one.article_id for one in found] == [1, 1, 3, 1, None]
    assert [label.line for label in labels] == [1, 3, 4, 5, 6]


def test_a_title_made_of_digits_is_a_title_first() -> None:
    found = resolve([Label(1, "q", "12"), Label(2, "q", "4")], KNOWN)

    assert [one.article_id for one in found] == [4, 4]


def test_questions_without_an_answer_stay_together_by_their_words() -> None:
    found = resolve([Label(1, "What  NOW?", None), Label(2, "what now?", None)], KNOWN)

    assert found[0].group == found[1].group
    assert found[0].group != resolve([Label(1, "what now?", 1)], KNOWN)[0].group


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{", "not valid JSON"),
        ("[1]", "not an object"),
        ("[" * 100_000, "not valid JSON"),
        (line(article=1), "`query`"),
        (line(query="  ", article=1), "`query`"),
        (line(query="q"), "`article` is missing"),
        (line(query="q", article=True), "neither an id"),
        (line(query="q", article=1.5), "neither an id"),
    ],
)
def test_a_line_that_is_no_label_says_why_and_is_not_quoted(wrong: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_labels([line(query="good", article=1), wrong])

    assert refused.value.code == "labels_invalid"
    (told,) = refused.value.facts["lines"]  # type: ignore[misc]
    assert told["line"] == 2
    assert said in told["message"]
    assert "1 of 2" in refused.value.message


def test_every_name_that_fits_no_article_is_told_at_once() -> None:
    labels = [Label(3, "q", "Nothing so"), Label(7, "q", 99), Label(9, "q", "billing")]

    with pytest.raises(Invalid) as refused:
        resolve(labels, KNOWN)

    told = refused.value.facts["lines"]
    assert [one["line"] for one in told] == [3, 7, 9]  # type: ignore[index, union-attr]
    assert "(2, 3)" in told[2]["message"]  # type: ignore[index]


def test_a_file_without_any_label_is_refused() -> None:
    with pytest.raises(Invalid, match="no labelled question"):
        read_labels(["", "  "])
