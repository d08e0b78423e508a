"""Messages by the thousand: one transaction each, in order, every line accounted for."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.desk import CommandLine


def line(customer: str, text: str, **more: object) -> str:
    return json.dumps({"customer": customer, "text": text, **more})


def test_every_line_is_taken_in_or_reported_by_its_number(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text(
        "\n".join(
            [
                line("acme", "First", client_id="k1", subject="Orders"),
                "{broken",
                "",
                line("acme", " \u200b "),
                line("birch", "Hello"),
                line("acme", "First", client_id="k1"),
                line("acme", "Mine?", conversation=999),
                line("nul\x00", "Hello"),
            ]
        )
    )

    ran = cli("ingest", "--jsonl", file, "--json")

    assert ran.code == 1
    told = {item["line"]: item.get("code", item["ok"]) for item in ran.json["items"]}
    assert told == {
        1: True,
        2: "line_not_json",
        4: "message_blank",
        5: True,
        6: True,
        7: "conversation_not_found",
        8: "customer_ref_invalid",
    }
    assert [item["line"] for item in ran.json["items"]] == sorted(told)
    assert ran.json["items"][4]["duplicate"] is True
    assert "7 lines: 2 new, 1 known, 4 not taken in." in ran.err


def test_each_customers_messages_keep_their_order(cli: CommandLine) -> None:
    piped = "\n".join(
        line(customer, f"{customer} {number}")
        for number in range(12)
        for customer in ("a", "b", "c", "d")
    )

    taken = cli.json("ingest", "--jsonl", "-", piped=piped)

    assert len(taken["items"]) == 48
    for row in cli.json("inbox")["items"]:
        thread = cli.json("show", row["id"])
        assert [one["content"] for one in thread["messages"]] == [
            f"{row['customer_ref']} {number}" for number in range(12)
        ]


def test_the_same_file_twice_changes_nothing(cli: CommandLine) -> None:
    piped = "\n".join(line("acme", f"Hi {n}", client_id=f"k{n}") for n in range(5))
    cli.json("ingest", "--jsonl", "-", piped=piped)

    again = cli.json("ingest", "--jsonl", "-", piped=piped)

    assert all(item["duplicate"] for item in again["items"])
    assert len(cli.json("show", 1)["messages"]) == 5


def test_people_read_only_what_was_not_taken_in(cli: CommandLine) -> None:
    ran = cli("ingest", "--jsonl", "-", piped=line("acme", "Hi") + "\nnonsense\n")

    assert ran.code == 1
    assert ran.out.splitlines() == [
        "LINE  CODE           WHY",
        "2     line_not_json  The line is not valid JSON.",
    ]


def test_an_empty_pipe_is_done_at_once(cli: CommandLine) -> None:
    assert cli.json("ingest", "--jsonl", "-") == {"items": [], "next": None}


def test_a_file_that_is_not_there_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    ran = cli("ingest", "--jsonl", tmp_path / "none", "--json")

    assert (ran.code, ran.error) == (1, "file_unreadable")


def test_lines_and_a_single_message_do_not_mix(cli: CommandLine) -> None:
    assert cli("ingest", "--jsonl", "-", "--customer", "acme").code == 2
    assert cli("ingest", "--customer", "acme").code == 2
    assert cli("ingest", "Hello").code == 2
