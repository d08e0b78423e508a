"""Past drafts and exams from the shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import CommandLine


@pytest.fixture
def drafted(cli: CommandLine) -> CommandLine:
    """A desk with one draft, for a question that nothing answers."""
    cli.json("ingest", "--customer", "acme", "How do I reset my key?")
    cli.json("worker", "--drain")
    return cli


def test_a_replay_of_the_same_knowledge_finds_no_difference(drafted: CommandLine) -> None:
    replayed = drafted.json("replay", "--last", 5)
    told = drafted("replay")

    assert (replayed["n_drafts"], replayed["n_changed"], replayed["n_failed"]) == (1, 0, 0)
    (item,) = replayed["items"]
    assert item["query"] == "How do I reset my key?"
    assert item["now"] == item["then"]
    assert told.code == 0
    assert "0 of 1 draft would be different today." in told.out


def test_new_knowledge_shows_as_a_difference(drafted: CommandLine) -> None:
    drafted.json("kb", "new", "How do I reset my key?", "Press Reset to reset a key.", "--publish")
    drafted.json("worker", "--drain")

    told = drafted("replay")

    assert "reason: no canonical results -> " in told.out
    assert "1 of 1 draft would be different today." in told.out
    assert len(drafted.json("drafts")["items"]) == 1


def test_without_drafts_a_replay_says_so(cli: CommandLine) -> None:
    assert cli("replay").out == "There is no draft yet.\n"
    assert cli("replay", "--last", "0").code == 2


def test_an_exam_tells_what_came_of_it(cli: CommandLine) -> None:
    report = cli.json("eval", "drafts", "--limit", 6)
    told = cli("eval", "drafts", "--limit", 6)

    assert (report["n_questions"], report["n_obeyed"], report["n_actions"]) == (6, 0, 0)
    # Nobody has measured the emergency embedder, so nothing is strong enough for a reply.
    assert (report["refusal_rate"], report["reply_share"], report["cited_share"]) == (1, 0, None)
    assert "orders followed" in told.out
    assert cli.json("drafts")["items"] == []
    assert cli.json("kb", "list")["items"] == []


def test_a_set_of_ones_own_is_read_or_refused(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "articles.yaml").write_text("- {id: a, title: Keys, text: Press Reset.}")
    missing = cli("eval", "drafts", "--set", tmp_path, "--json")
    (tmp_path / "questions.yaml").write_text("- {id: q}")
    broken = cli("eval", "drafts", "--set", tmp_path, "--json")
    (tmp_path / "questions.yaml").write_text('- {id: q, ask: "Reset?", article: a}')
    taken = cli.json("eval", "drafts", "--set", tmp_path)

    assert (missing.code, missing.error) == (1, "file_unreadable")
    assert (broken.code, broken.error) == (1, "exam_invalid")
    assert [one["id"] for one in taken["graded"]] == ["q"]
