"""The trail from the command line: list, search, export, verify."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path

import psycopg
import pytest

from cairnloop_engine import Engine, Settings
from cairnloop_engine.audit.sealing import Sealer
from tests.cli.desk import CommandLine


def seal(database_url: str, home: Path) -> int:
    """Do what a worker does every second."""

    async def run() -> int:
        async with Engine(Settings.load(database_url=database_url, home=home)) as engine:
            return await Sealer(engine.db, engine.audit.config).run()

    return asyncio.run(run())


def tamper(database_url: str, statement: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(statement.encode())


@pytest.fixture
def trail(cli: CommandLine, database_url: str, home: Path) -> CommandLine:
    """Three sealed events: a message, an assignment, a resolution."""
    conversation = cli.json("ingest", "--customer", "acme", "My key leaked")["conversation_id"]
    cli.json("assign", conversation, "=noor")
    cli.json("resolve", conversation)
    assert seal(database_url, home) == 3
    return cli


def test_a_trail_that_holds_exits_with_0(trail: CommandLine) -> None:
    ran = trail("audit", "verify")
    found = trail.json("audit", "verify")

    assert (ran.code, found["ok"], found["first_bad"]) == (0, True, None)
    assert (found["sealed"], found["unsealed"], found["outside_head"]) == (3, 0, "agrees")
    assert ran.out.startswith("The trail holds: 3 sealed events, none changed.\n")


@pytest.mark.parametrize(
    ("statement", "event_id", "what"),
    [
        ("UPDATE cairnloop.audit_events SET actor_id = 'noor' WHERE id = 2", 2, "changed"),
        ("DELETE FROM cairnloop.audit_events WHERE id = 2", 2, "deleted"),
        (
            "WITH one AS (SELECT * FROM cairnloop.audit_events WHERE id = 1)"
            " INSERT INTO cairnloop.audit_events SELECT (jsonb_populate_record("
            "  NULL::cairnloop.audit_events, to_jsonb(one) || '{\"id\": 0}')).* FROM one",
            0,
            "inserted",
        ),
        (
            "WITH a AS (SELECT * FROM cairnloop.audit_events) UPDATE cairnloop.audit_events e"
            " SET action = a.action, facts = a.facts, digests = a.digests, salts = a.salts,"
            "  personal = a.personal, subject_id = a.subject_id, subject_kind = a.subject_kind,"
            "  actor_id = a.actor_id, occurred_at = a.occurred_at, actor_kind = a.actor_kind,"
            "  conversation_id = a.conversation_id"
            " FROM a WHERE e.id IN (1, 2) AND a.id = 3 - e.id",
            1,
            "reordered",
        ),
    ],
    ids=["change", "delete", "insert", "reorder"],
)
def test_a_trail_that_does_not_hold_exits_with_1_and_names_the_row(
    trail: CommandLine, database_url: str, statement: str, event_id: int, what: str
) -> None:
    tamper(database_url, statement)

    ran = trail("audit", "verify")
    document = trail("audit", "verify", "--json")

    assert (ran.code, document.code) == (1, 1)
    assert ran.out.startswith("The trail does not hold.")
    assert f"event {event_id}, {what}." in ran.out
    first = document.json["first_bad"]
    assert (document.json["ok"], first["event_id"], first["what"]) == (False, event_id, what)


def test_without_the_key_a_verification_is_a_question_of_settings(trail: CommandLine) -> None:
    other = trail.having({"CAIRNLOOP_AUDIT_KEY": "k" * 40})

    ran = other("audit", "verify", "--json")

    assert (ran.code, ran.error) == (2, "install_key_unfit")


def test_the_list_is_filtered_by_words_people_know(trail: CommandLine) -> None:
    def ids(*options: object) -> list[int]:
        return [event["id"] for event in trail.json("audit", "list", *options)["items"]]

    assert ids() == [3, 2, 1]
    assert ids("--action", "Conversation resolved") == ids("--search", "resolved") == [3]
    assert ids("--by", "maya") == [3, 2, 1]
    assert ids("--by", "noor") == []
    assert ids("--search", "NOOR") == [2]
    assert ids("--subject", "conversation:1") == ids("--subject", "conversation") == [3, 2]
    assert ids("--subject", "message:1") == [1]
    assert ids("--until", "2020-01-01") == ids("--search", "nothing like it") == []
    assert trail("audit", "list", "--subject", "draft:x").code == 1


def test_pages_follow_each_other(trail: CommandLine) -> None:
    first = trail.json("audit", "list", "--limit", 2)
    second = trail.json("audit", "list", "--limit", 2, "--cursor", first["next"])

    assert [event["id"] for event in first["items"] + second["items"]] == [3, 2, 1]
    assert second["next"] is None


def test_people_read_labels_and_no_raw_names(trail: CommandLine) -> None:
    listed = trail("audit", "list").out

    assert "Conversation resolved" in listed
    assert "maya (operator)" in listed
    assert "To: =noor" in listed
    assert "conversations." not in listed


def test_an_export_holds_every_event_with_its_hashes(trail: CommandLine) -> None:
    lines = [json.loads(line) for line in trail("audit", "export").out.splitlines()]
    document = trail.json("audit", "export")

    assert lines == document["items"]
    assert [(line["id"], line["number"]) for line in lines] == [(3, 3), (2, 2), (1, 1)]
    assert lines[0]["previous_hash"] == lines[1]["chain_hash"]
    assert all(len(line["row_hash"]) == 64 and line["salts"]["actor"] for line in lines)
    assert lines[1]["personal"] == {"to": "=noor"}
    assert len(lines[0]["sealed_at"]) == len("2026-01-01T00:00:00.000000+00:00")


def test_an_export_for_a_spreadsheet_is_a_table(trail: CommandLine, database_url: str) -> None:
    tamper(
        database_url, "UPDATE cairnloop.audit_events SET actor_id = '=HYPERLINK(1)' WHERE id = 1"
    )

    rows = list(csv.DictReader(io.StringIO(trail("audit", "export", "--csv").out)))

    assert [row["id"] for row in rows] == ["3", "2", "1"]
    assert rows[0]["action"] == "conversations.resolved"
    assert rows[2]["actor"] == "'=HYPERLINK(1)"
    assert trail("audit", "export", "--csv", "--json").code == 1
