"""``cairnloop jobs``: the queue, what was put aside, and what is done about it."""

from __future__ import annotations

import json

import psycopg
import pytest

from cairnloop_engine.conversations.release import RELEASE_TASK as TASK
from tests.cli.desk import CommandLine


@pytest.fixture
def letters(database_url: str) -> list[int]:
    """Two dead letters of the same task."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return [
            connection.execute(
                "INSERT INTO cairnloop.dead_letters (workspace, job_id, task, queue, args, reason,"
                " error_type, error_text, fingerprint, deaths, attempts, rescues,"
                " first_trouble_at, died_at)"
                " VALUES ('default', %s, %s, 'delivery', %s, 'failed', 'KeyError',"
                " 'in somewhere, line 3', %s, 1, 4, 0, now(), now()) RETURNING id",
                (
                    100 + number,
                    TASK,
                    json.dumps({"workspace": "default", "message_id": number}),
                    str(number),
                ),
            ).fetchone()[0]  # type: ignore[index]
            for number in (1, 2)
        ]


def test_the_queues_are_listed_with_their_depth(cli: CommandLine, letters: list[int]) -> None:
    found = cli.json("jobs", "list")

    by_queue = {one["queue"]: one for one in found["items"]}
    assert list(by_queue)[:2] == ["drafting", "indexing"]
    assert by_queue["delivery"]["dead"] == len(letters)
    assert found["dead_letters"] == 2
    assert found["workers"] == []
    assert found["next"] is None
    people = cli("jobs", "list").out
    assert "PUT ASIDE" in people
    assert "2 jobs put aside; see `cairnloop jobs dead`." in people


def test_dead_letters_are_listed_with_reason_and_cursor(
    cli: CommandLine, letters: list[int]
) -> None:
    page = cli.json("jobs", "dead", "--limit", 1)
    assert [one["id"] for one in page["items"]] == [letters[1]]
    rest = cli.json("jobs", "dead", "--limit", 1, "--cursor", page["next"])
    (letter,) = rest["items"]
    assert (letter["id"], letter["reason"], letter["error_type"], letter["status"]) == (
        letters[0],
        "failed",
        "KeyError",
        "waiting",
    )
    assert letter["ids"] == {"message_id": 1}
    assert rest["next"] is None
    assert "in somewhere, line 3" in cli("jobs", "dead").out


def test_several_are_redriven_and_one_that_cannot_be_is_told(
    cli: CommandLine, letters: list[int]
) -> None:
    ran = cli("jobs", "redrive", *letters, 404, "--json")

    assert ran.code == 1
    done = {one["dead_letter_id"]: one for one in ran.json["items"]}
    assert all(done[one]["ok"] and done[one]["job_id"] for one in letters)
    assert done[404]["code"] == "dead_letter_not_found"
    assert cli.json("jobs", "dead")["items"] == []
    settled = cli.json("jobs", "dead", "--all")["items"]
    assert {one["status"] for one in settled} == {"redriven"}

    again = cli("jobs", "redrive", letters[0], "--json")
    assert again.code == 1
    assert again.json["items"][0]["code"] == "dead_letter_settled"


def test_one_is_dropped_with_a_reason(cli: CommandLine, letters: list[int]) -> None:
    assert cli("jobs", "drop", letters[0]).code == 2
    blank = cli("jobs", "drop", letters[0], "--reason", " ", "--json")
    assert (blank.code, blank.error) == (1, "reason_missing")

    assert cli.json("jobs", "drop", letters[0], "--reason", "gone") == {
        "dead_letter_id": letters[0]
    }
    (event,) = cli.json("audit", "list", "--action", "operations.job_dropped")["items"]
    assert event["subject_id"] == letters[0]


def test_without_an_operator_nothing_is_settled(cli: CommandLine, letters: list[int]) -> None:
    cli.environment.pop("CAIRNLOOP_OPERATOR", None)
    ran = cli("jobs", "redrive", letters[0], "--json")
    assert (ran.code, ran.error) == (1, "operator_missing")
