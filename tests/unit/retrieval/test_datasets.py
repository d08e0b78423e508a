"""Question sets in the layout of BEIR."""

from __future__ import annotations

import json

import pytest

from cairnloop_engine.core.errors import Invalid
from cairnloop_engine.retrieval.datasets import read_dataset

CORPUS = [
    json.dumps({"_id": "a", "title": "Keys", "text": "Revoke the old key."}),
    json.dumps({"_id": 2, "text": "Without a title."}),
]
QUERIES = [json.dumps({"_id": "q1", "text": "old key?"}), json.dumps({"_id": "q2", "text": "?"})]


def test_judgements_tie_questions_to_documents() -> None:
    found = read_dataset(
        CORPUS, QUERIES, ["query-id\tcorpus-id\tscore", "q1\ta\t2", "q1\t2\t1", "q2\ta\t0"]
    )

    assert [(one.id, one.title) for one in found.documents] == [("a", "Keys"), ("2", "")]
    assert [dict(one.relevant) for one in found.queries] == [{"a": 2.0, "2": 1.0}, {}]
    assert (found.n_unanswerable, found.n_unknown) == (1, 0)


def test_the_line_of_headings_may_be_missing() -> None:
    assert read_dataset(CORPUS, QUERIES, ["q1\ta\t1"]).queries[0].relevant == {"a": 1.0}


def test_a_document_that_was_taken_out_leaves_its_question_without_an_answer() -> None:
    found = read_dataset(CORPUS, QUERIES, ["q1\tgone\t1", "other\ta\t1"])

    assert (found.n_unanswerable, found.n_unknown) == (2, 2)


@pytest.mark.parametrize(
    ("corpus", "queries", "qrels", "said"),
    [
        ([*CORPUS, "{"], QUERIES, [], "Line 3 of the corpus"),
        ([*CORPUS, CORPUS[0]], QUERIES, [], "twice"),
        ([json.dumps({"_id": "a"})], QUERIES, [], "`text` is missing"),
        (CORPUS, [json.dumps({"text": "no id"})], [], "Line 1 of the queries"),
        (CORPUS, QUERIES, ["a b c"], "Line 1 of the qrels"),
        (CORPUS, QUERIES, ["query-id\tcorpus-id\tscore", "q1\ta\tmuch"], "Line 2 of the qrels"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(
    corpus: list[str], queries: list[str], qrels: list[str], said: str
) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        read_dataset(corpus, queries, qrels)

    assert refused.value.code == "dataset_invalid"


def test_nothing_is_no_set() -> None:
    with pytest.raises(Invalid) as refused:
        read_dataset([], QUERIES, [])

    assert refused.value.code == "dataset_empty"
