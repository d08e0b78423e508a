"""``cairnloop eval``: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.desk import CommandLine

CORPUS = {
    "keys": ("Resetting your API key", "Open Settings, press Revoke, then Generate new key."),
    "seats": ("Adding a team seat", "Open Settings, choose Team and invite your colleague."),
    "bills": ("Updating your billing email", "Open Billing and change the invoice address."),
}
QUERIES = {"q1": "reset API key", "q2": "invite colleague team", "q3": "banana bread"}
QRELS = "query-id\tcorpus-id\tscore\nq1\tkeys\t1\nq2\tseats\t1\n"


def lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A question set in the layout of BEIR."""
    lines(
        tmp_path / "corpus.jsonl",
        [{"_id": key, "title": title, "text": text} for key, (title, text) in CORPUS.items()],
    )
    lines(tmp_path / "queries.jsonl", [{"_id": key, "text": text} for key, text in QUERIES.items()])
    (tmp_path / "qrels.tsv").write_text(QRELS)
    return tmp_path


def arguments(folder: Path, *more: object) -> list[object]:
    named = {
        "--corpus": "corpus.jsonl",
        "--queries": "queries.jsonl",
        "--qrels": "qrels.tsv",
        "--per-query-file": "each.jsonl",
    }
    return [
        *("eval", "retrieval"),
        *(part for option, name in named.items() for part in (option, folder / name)),
        *more,
    ]


def test_a_set_is_scored_and_every_question_is_written(cli: CommandLine, folder: Path) -> None:
    found = cli.json(*arguments(folder, "--k", 3))

    assert set(found) >= {"ndcg@10", "recall@5", "recall@10", "mrr@10", "ndcg@3", "latency_ms"}
    assert (found["ndcg@10"], found["mrr@10"]) == (1.0, 1.0)
    assert set(found["grounding"]) >= {
        "auroc",
        "strong_precision",
        "strong_coverage",
        "false_strong_rate",
    }
    assert set(found["latency_ms"]) == {"p50", "p95"}
    assert (found["documents"], found["queries"], found["unanswerable"]) == (3, 3, 1)
    assert found["per_query_file"] == str(folder / "each.jsonl")
    each = [json.loads(line) for line in (folder / "each.jsonl").read_text().splitlines()]
    assert [one["query_id"] for one in each] == ["q1", "q2", "q3"]
    assert each[0]["ranks"] == {"keys": 1}
    assert each[0]["found"][0]["id"] == "keys"
    assert (each[0]["answerable"], each[2]["answerable"]) == (True, False)
    assert {"status", "reason", "confidence", "signals", "took_ms"} <= set(each[0])
    assert cli.json("kb", "list")["items"] == []


def test_people_read_a_table(cli: CommandLine, folder: Path) -> None:
    ran = cli(*arguments(folder))

    assert ran.code == 0
    assert "3 documents, 3 questions, 1 of them without an answer" in ran.out
    assert "ndcg@10" in ran.out
    assert "each.jsonl" in ran.err


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("corpus.jsonl", b"{", "dataset_invalid"),
        ("queries.jsonl", b"", "dataset_empty"),
        ("qrels.tsv", b"\xff\xfe", "file_not_utf8"),
        ("qrels.tsv", None, "file_unreadable"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    cli: CommandLine, folder: Path, name: str, content: bytes | None, code: str
) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)

    ran = cli(*arguments(folder), "--json")

    assert (ran.code, ran.error) == (1, code)
    assert not (folder / "each.jsonl").exists()


def test_a_result_that_could_not_be_written_is_refused_before_the_work(
    cli: CommandLine, folder: Path
) -> None:
    ran = cli(*arguments(folder), "--per-query-file", folder / "nowhere" / "each.jsonl", "--json")

    assert (ran.code, ran.error) == (1, "file_unwritable")


def test_no_threshold_is_a_normal_answer_and_can_be_withdrawn(
    cli: CommandLine, tmp_path: Path
) -> None:
    key = cli.json("kb", "new", "Resetting your API key", "Press Revoke.", "--publish")
    cli.json("worker", "--drain")
    labels = lines(
        tmp_path / "labels.jsonl",
        [
            {"query": "reset my API key", "article": key["article_id"]},
            {"query": "where to press Revoke", "article": "Resetting your API key"},
            {"query": "banana bread", "article": None},
        ],
    )

    found = cli.json("eval", "calibrate", "--labels", labels)
    told = cli("eval", "calibrate", "--labels", labels)
    events = cli.json("audit", "list", "--limit", 1)["items"]

    assert (found["granted"], found["threshold"], found["n"]) == (False, None, 3)
    assert {"auroc", "coverage", "risk_coverage"} <= set(found)
    assert found["refusal"] == "too_few_labels"
    assert (told.code, "No threshold granted" in told.out) == (0, True)
    assert events[0]["action"] == "retrieval.calibrated"
    assert cli.json("eval", "calibrate", "--withdraw") == {"withdrawn": True}
    assert cli.json("eval", "calibrate", "--withdraw") == {"withdrawn": False}


def test_labels_that_cannot_be_used_are_told_line_by_line(cli: CommandLine, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"query": "q", "article": null}\n{\n{"query": "", "article": 1}\n')

    ran = cli("eval", "calibrate", "--labels", labels, "--json")

    assert (ran.code, ran.error) == (1, "labels_invalid")
    assert [one["line"] for one in ran.json["error"]["facts"]["lines"]] == [2, 3]
    assert "line 2: it is not valid JSON" in ran.err


@pytest.mark.parametrize("wrong", [(), ("--labels", "x", "--withdraw"), ("--risk", "much")])
def test_calibrating_needs_either_labels_or_the_word(
    cli: CommandLine, wrong: tuple[str, ...]
) -> None:
    assert cli("eval", "calibrate", *wrong).code == 2


def test_a_calibration_needs_a_name(cli: CommandLine, tmp_path: Path) -> None:
    labels = lines(tmp_path / "labels.jsonl", [{"query": "q", "article": None}])

    ran = cli.having({"CAIRNLOOP_OPERATOR": None})(
        "eval", "calibrate", "--labels", labels, "--json"
    )

    assert (ran.code, ran.error) == (1, "operator_missing")
