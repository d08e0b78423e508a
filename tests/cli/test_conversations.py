"""Conversations from the shell: what goes where, under which keys, with which exit code."""

from __future__ import annotations

import json

import pytest

from tests.cli.desk import CommandLine

HOSTILE = "\x1b]52;c;aGk=\x07 \x9b31m [red]x[/] \u202e001$ zero\u200bwidth two\nlines"
CONTROL = {chr(code) for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))} - {"\n"}


def received(cli: CommandLine, text: str = "Where is my order?", customer: str = "acme") -> int:
    taken = cli.json("ingest", "--customer", customer, text)
    return int(taken["conversation_id"])


def test_a_message_arrives_once_however_often_it_is_sent(cli: CommandLine) -> None:
    first = cli.json("ingest", "--customer", "acme", "--client-id", "k1", "Hello")
    again = cli.json("ingest", "--customer", "acme", "--client-id", "k1", "Hello")

    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert first["message_id"] == again["message_id"]
    assert len(cli.json("show", first["conversation_id"])["messages"]) == 1


def test_the_inbox_tells_what_scripts_rely_on(cli: CommandLine) -> None:
    received(cli)

    page = cli.json("inbox")

    assert set(page) == {"items", "next"}
    row = page["items"][0]
    assert row.keys() >= {
        *("id", "status", "state", "subject", "customer_ref"),
        *("waiting_seconds", "sla", "needs"),
    }
    assert (row["state"], row["needs"], row["customer_ref"]) == ("new", ["reply"], "acme")


def test_a_page_leads_to_the_next_one(cli: CommandLine) -> None:
    for customer in ("a", "b", "c"):
        received(cli, customer=customer)

    first = cli("inbox", "--limit", 2, "--json")
    rest = cli.json("inbox", "--limit", 2, "--cursor", first.json["next"])

    assert [row["customer_ref"] for row in first.json["items"]] == ["a", "b"]
    assert [row["customer_ref"] for row in rest["items"]] == ["c"]
    assert rest["next"] is None
    assert first.err == f"More follows: --cursor {first.json['next']}\n"


def test_a_filter_narrows_the_inbox_and_a_wrong_one_is_named(cli: CommandLine) -> None:
    received(cli, customer="a")
    received(cli, customer="b")
    cli.json("assign", 2, "maya")

    mine = cli.json("inbox", "--filter", "is:new who:me")
    refused = cli("inbox", "--filter", "is:burning", "--json")

    assert [row["id"] for row in mine["items"]] == [2]
    assert (refused.code, refused.error) == (1, "filter_invalid")


def test_a_thread_tells_its_messages_drafts_and_context(cli: CommandLine) -> None:
    conversation = received(cli)
    cli.json("note", conversation, "Check the depot")

    shown = cli.json("show", conversation)

    assert shown.keys() >= {"conversation", "messages", "drafts", "actions", "sla", "follow_ups"}
    assert [one["role"] for one in shown["messages"]] == ["user", "internal_note"]
    assert shown["conversation"]["waiting_seconds"] >= 0


def test_a_reply_is_seen_at_once_or_held_until_it_is_taken_back(cli: CommandLine) -> None:
    conversation = received(cli)

    sent = cli.json("reply", conversation, "On its way")
    held = cli.json("reply", conversation, "Tomorrow", "--hold", 60)
    taken_back = cli.json("retract", held["message_id"])
    too_late = cli("retract", sent["message_id"], "--json")

    assert (sent["delivery"], held["delivery"]) == ("sent", "held")
    assert sent.keys() >= {"message_id", "delivery", "visible_at"}
    assert taken_back == {"message_id": held["message_id"], "delivery": "retracted"}
    assert too_late.code == 1


def test_text_may_come_through_a_pipe(cli: CommandLine) -> None:
    conversation = received(cli)

    cli.json("reply", conversation, "-", piped="Two\nlines\n")

    assert cli.json("show", conversation)["messages"][-1]["content"] == "Two\nlines"


def test_a_pipe_that_is_no_text_is_refused(cli: CommandLine) -> None:
    conversation = received(cli)

    ran = cli("reply", conversation, "-", "--json", piped=b"\xff\xfe\x00x")

    assert (ran.code, ran.error) == (1, "text_not_utf8")


def test_lifecycle_does_all_it_can_and_an_item_already_so_is_fine(cli: CommandLine) -> None:
    first, second = received(cli, customer="a"), received(cli, customer="b")
    cli.json("resolve", first)

    ran = cli("resolve", first, 999, second, first, "--json")

    assert ran.code == 1
    assert [(item["conversation_id"], item["ok"]) for item in ran.json["items"]] == [
        (first, True),
        (999, False),
        (second, True),
    ]
    assert ran.json["items"][1]["code"] == "conversation_not_found"
    assert cli("resolve", first, second).code == 0
    assert [cli(verb, first).code for verb in ("reopen", "reopen", "archive", "archive")] == [0] * 4


def test_an_assignment_needs_a_name_or_nobody(cli: CommandLine) -> None:
    conversation = received(cli)

    assert cli("assign", conversation, "sam").code == 0
    assert cli.json("inbox")["items"][0]["assignee"] == "sam"
    assert cli("assign", conversation, "--nobody").code == 0
    assert cli.json("inbox")["items"][0]["assignee"] is None
    assert cli("assign", conversation).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("reply", 1, "Hi"),
        ("note", 1, "Hi"),
        ("resolve", 1),
        ("assign", 1, "sam"),
        ("ingest", "--customer", "acme", "Hi"),
        ("approve", "draft", 1),
        ("kb", "new", "Title", "Text"),
        ("retrieval", "rebuild"),
    ],
)
def test_nothing_is_changed_in_nobodys_name(
    cli: CommandLine, arguments: tuple[object, ...]
) -> None:
    received(cli)
    anonymous = cli.having({"CAIRNLOOP_OPERATOR": None})

    ran = anonymous(*arguments, "--json")

    assert (ran.code, ran.error) == (1, "operator_missing")
    assert len(cli.json("show", 1)["messages"]) == 1


def test_reading_needs_no_operator(cli: CommandLine) -> None:
    received(cli)
    anonymous = cli.having({"CAIRNLOOP_OPERATOR": None})

    assert anonymous("inbox").code == 0
    assert anonymous("show", 1).code == 0


def test_workspaces_do_not_see_each_other(cli: CommandLine) -> None:
    received(cli)

    assert cli.json("--workspace", "other", "inbox")["items"] == []
    ran = cli("show", 1, "--workspace", "other", "--json")
    assert (ran.code, ran.error) == (1, "conversation_not_found")


def test_data_goes_to_standard_output_and_narration_to_standard_error(cli: CommandLine) -> None:
    received(cli)

    listed = cli("inbox")
    refused = cli("show", 99)

    assert listed.out.splitlines()[0] == "ID  STATE  WAITS  NEEDS  CUSTOMER  SUBJECT"
    assert listed.out.splitlines()[1].endswith("Where is my order?")
    assert listed.err == ""
    assert refused.out == ""
    assert refused.err == (
        "refused: There is no conversation 99 in this workspace. (conversation_not_found)\n"
    )


def test_hostile_text_steers_no_terminal_and_comes_back_whole_as_json(cli: CommandLine) -> None:
    line = json.dumps({"customer": "mallory", "text": HOSTILE, "subject": HOSTILE})
    assert cli("ingest", "--jsonl", "-", piped=line).code == 0
    cli.json("note", 1, HOSTILE)

    for command in (("inbox",), ("show", 1), ("stats",), ("audit", "list"), ("drafts",)):
        ran = cli(*command)
        assert not CONTROL & set(ran.out), command
        assert not {"\u202e", "\u200b"} & set(ran.out), command
    shown = cli("show", 1, "--json")
    assert shown.out.isascii()
    assert shown.json["messages"][0]["content"] == HOSTILE
    assert shown.json["messages"][0]["hidden_characters"] is True


def test_the_stats_count_and_age(cli: CommandLine) -> None:
    received(cli)

    found = cli.json("stats")

    assert found["conversations"]["new"] == found["conversations"]["waiting"] == 1
    assert found["oldest_waiting_seconds"] >= 0
    drafting = next(queue for queue in found["queues"] if queue["queue"] == "drafting")
    assert drafting["ready"] + drafting["scheduled"] == 1
    assert found["actions"] == {"pending": 0, "unknown": 0}
    assert found["workers"] == {"alive": 0, "youngest_heartbeat_seconds": None}


def test_the_trail_names_who_did_what_on_one_line_each(cli: CommandLine) -> None:
    conversation = received(cli)
    cli.json("resolve", conversation, "--operator", "two\nlines")

    listed = cli("audit", "list", "--action", "conversations.resolved")
    exported = cli("audit", "export")
    document = cli.json("audit", "export")

    assert len(listed.out.splitlines()) == 2
    assert [json.loads(line)["id"] for line in exported.out.splitlines()] == [2, 1]
    assert [event["id"] for event in document["items"]] == [2, 1]
    assert document["items"][0]["action"] == "conversations.resolved"
