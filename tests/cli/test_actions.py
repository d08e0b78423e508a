"""Governed actions from the shell: proposing, deciding, running, settling, and exit codes."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli import shop
from tests.cli.desk import PATIENCE_S, CommandLine, environment_for

HOSTILE = "\x1b]52;c;aGk=\x07 \x9b31m [red]x[/] \u202e001$ zero\u200bwidth two\nlines"
CONTROL = {chr(code) for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))} - {"\n"}


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the effects of the shop's tools can be counted."""
    path = tmp_path / "effects"
    path.touch()
    monkeypatch.setenv(shop.SINK, str(path))
    return path


@pytest.fixture
def desk(cli: CommandLine, sink: Path) -> CommandLine:
    """A command line of a site with the shop's tools; maya may do everything."""
    return cli.having(
        {
            "CAIRNLOOP_TOOLS": "tests.cli.shop:Refund,tests.cli.shop:Payout",
            "CAIRNLOOP_OPERATOR_SCOPES": "billing",
        }
    )


def refund(order: str = "A-17", amount: str = "82.00") -> str:
    return json.dumps({"order": order, "amount": amount})


def proposed(desk: CommandLine, given: str | None = None, tool: str = "refund") -> Any:
    return desk.json("propose", tool, "--input", given or refund())


def worked(desk: CommandLine) -> None:
    assert desk("worker", "--drain", "--queues", "effects,maintenance").code == 0


def executed(desk: CommandLine, order: str = "A-17") -> Any:
    made = proposed(desk, refund(order))
    desk.json("approve", "action", made["proposal_id"])
    worked(desk)
    return desk.json("show-action", made["proposal_id"])


def test_an_action_goes_all_the_way_from_the_shell(desk: CommandLine, sink: Path) -> None:
    made = proposed(desk)
    assert made.keys() >= {
        *("proposal_id", "approval_id", "status", "digest", "duplicate", "execution"),
    }
    assert (made["status"], made["duplicate"]) == ("pending", False)
    assert made["execution"] == {
        "state": "not_executed",
        "attempts": 0,
        "summary": None,
        "code": None,
    }

    done = desk.json("approve", "action", made["proposal_id"], "--digest", made["digest"])
    assert (done["approval_id"], done["status"]) == (made["approval_id"], "approved")
    worked(desk)
    shown = desk.json("show-action", made["proposal_id"])

    assert (shown["status"], shown["execution"]["state"]) == ("executed", "succeeded")
    assert (shown["execution"]["attempts"], shown["execution"]["summary"]) == (
        1,
        "Paid 82.00 back.",
    )
    assert len(sink.read_text().splitlines()) == 1
    assert "Action completed: Paid 82.00 back." in desk("show-action", made["proposal_id"]).out


def test_the_same_wish_meets_the_action_that_waits(desk: CommandLine) -> None:
    first, again = proposed(desk), proposed(desk)

    assert (again["proposal_id"], again["duplicate"]) == (first["proposal_id"], True)


def test_an_idempotency_key_names_one_request_for_good(desk: CommandLine) -> None:
    first = desk.json("propose", "refund", "--input", refund(), "--idempotency-key", "k1")
    again = desk.json("propose", "refund", "--input", refund(), "--idempotency-key", "k1")
    other = desk(
        *("propose", "refund", "--input", refund("B-2"), "--idempotency-key", "k1", "--json")
    )

    assert again["proposal_id"] == first["proposal_id"]
    assert (other.code, other.error) == (1, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("tool", "given", "code"),
    [
        ("refund", '{"order": "A-17"}', "needs_input"),
        ("refund", '{"order": "A-17", "amount": 9999}', "policy_denied"),
        ("nothing", "{}", "tool_unknown"),
        ("refund", "{", "input_not_json"),
        ("refund", "[1]", "input_not_json"),
        ("refund", '{"order": "A", "amount": NaN}', "input_not_json"),
        ("refund", '{"order": "A", "amount": 1, "amount": 820}', "input_not_json"),
        ("refund", "[" * 100_000, "input_not_json"),
    ],
)
def test_what_cannot_be_proposed_is_refused_by_name(
    desk: CommandLine, tool: str, given: str, code: str
) -> None:
    ran = desk("propose", tool, "--input", "-", "--json", piped=given)

    assert (ran.code, ran.error) == (1, code)


def test_a_blocked_attempt_tells_its_facts_and_stays_on_record(desk: CommandLine) -> None:
    poor = desk.having({"CAIRNLOOP_OPERATOR_SCOPES": ""})

    ran = poor("propose", "payout", "--input", refund(), "--json")

    assert (ran.code, ran.error) == (1, "scope_invalid")
    facts = ran.json["error"]["facts"]
    assert (facts["reason"], facts["details"]) == ("missing_scopes", {"scopes": ["billing"]})
    (kept,) = desk.json("actions", "--status", "blocked")["items"]
    assert (kept["proposal_id"], kept["status"]) == (facts["proposal_id"], "scope_invalid")
    assert kept["approval_id"] is None
    assert desk("approve", "action", facts["proposal_id"], "--json").error == "action_not_found"


def test_what_was_not_what_was_shown_is_not_approved(desk: CommandLine) -> None:
    made = proposed(desk)

    ran = desk("approve", "action", made["proposal_id"], "--digest", "f" * 64, "--json")

    assert (ran.code, ran.error) == (1, "action_changed")
    assert ran.json["error"]["facts"]["digest"] == made["digest"]


def test_nobody_approves_their_own_risky_action(desk: CommandLine) -> None:
    made = proposed(desk, tool="payout")

    own = desk("approve", "action", made["proposal_id"], "--json")
    other = desk("approve", "action", made["proposal_id"], "--operator", "noah", "--json")

    assert (own.code, own.error) == (1, "own_proposal")
    assert other.code == 0


def test_the_first_decision_wins_and_the_loser_is_told(desk: CommandLine) -> None:
    made = proposed(desk)
    desk.json("reject", "action", made["proposal_id"], "--reason", "Not ours")

    late = desk("approve", "action", made["proposal_id"], "--operator", "noah", "--json")

    assert (late.code, late.error) == (1, "already_decided")
    facts = late.json["error"]["facts"]
    assert (facts["status"], facts["decided_by"]) == ("rejected", "maya")
    assert facts["decided_at"]


def test_several_are_approved_each_by_its_own_digest(desk: CommandLine, sink: Path) -> None:
    first, second = proposed(desk, refund("A")), proposed(desk, refund("B"))
    ids = (first["proposal_id"], second["proposal_id"])

    done = desk.json("approve", "action", *ids, "--note", "Both are ours")
    again = desk.json("approve", "action", *ids)
    worked(desk)

    assert [(one["proposal_id"], one["ok"], one["changed"]) for one in done["items"]] == [
        (ids[0], True, True),
        (ids[1], True, True),
    ]
    assert [one["digest"] for one in done["items"]] == [first["digest"], second["digest"]]
    assert [(one["ok"], one["changed"]) for one in again["items"]] == [(True, False)] * 2
    assert len(sink.read_text().splitlines()) == 2


def test_one_that_cannot_be_approved_does_not_stop_the_others(desk: CommandLine) -> None:
    first, second = proposed(desk, refund("A")), proposed(desk, refund("B"))
    desk.json("reject", "action", first["proposal_id"], "--reason", "No")

    ran = desk("approve", "action", first["proposal_id"], 999, second["proposal_id"], "--json")

    assert ran.code == 1
    assert [(one["ok"], one.get("code")) for one in ran.json["items"]] == [
        (False, "already_decided"),
        (False, "action_not_found"),
        (True, None),
    ]
    assert "refused" in desk("approve", "action", 998, 999).out


def test_different_actions_are_not_approved_together(desk: CommandLine) -> None:
    first, second = proposed(desk), proposed(desk, tool="payout")

    ran = desk(
        *("approve", "action", first["proposal_id"], second["proposal_id"]),
        *("--operator", "noah", "--json"),
    )

    assert (ran.code, ran.error) == (1, "proposals_differ")
    assert desk.json("show-action", first["proposal_id"])["status"] == "pending"


def test_a_digest_for_one_of_two_is_bad_usage(desk: CommandLine) -> None:
    assert desk("approve", "action", 1, 2, "--digest", "abc").code == 2


def test_a_refusal_needs_a_reason(desk: CommandLine) -> None:
    made = proposed(desk)

    missing = desk("reject", "action", made["proposal_id"], "--json")
    blank = desk("reject", "action", made["proposal_id"], "--reason", " ", "--json")

    assert (missing.code, missing.error) == (2, "usage")
    assert (blank.code, blank.error) == (1, "reason_missing")
    assert desk.json("show-action", made["proposal_id"])["status"] == "pending"


def test_a_deferred_action_is_brought_back(desk: CommandLine) -> None:
    made = proposed(desk)
    number = made["proposal_id"]

    put_off = desk.json("defer", "action", number, "--reason", "Tomorrow", "--until", "2d")
    back = desk.json("reopen-action", number)

    assert (put_off["status"], back["status"]) == ("deferred", "pending")
    assert back["approval_id"] != put_off["approval_id"]


@pytest.mark.parametrize(
    ("until", "code"), [("2020-01-01", "until_past"), ("soon", "date_invalid")]
)
def test_a_moment_that_is_none_is_refused(desk: CommandLine, until: str, code: str) -> None:
    made = proposed(desk)

    ran = desk(
        *("defer", "action", made["proposal_id"], "--reason", "Later", "--until", until, "--json")
    )

    assert (ran.code, ran.error) == (1, code)


def test_a_question_is_asked_back_and_answered(desk: CommandLine) -> None:
    number = proposed(desk)["proposal_id"]

    asked = desk.json("ask-back", number, "--question", "Which card?")
    answered = desk.json("answer", number, "-", piped="The blue one\n")

    assert (asked["status"], answered["status"]) == ("returned", "pending")
    shown = desk("show-action", number).out
    assert "Which card?" in shown
    assert "The blue one" in shown


def test_an_amended_action_stands_in_the_place_of_the_first(desk: CommandLine) -> None:
    first = proposed(desk)

    made = desk.json("amend", first["proposal_id"], "--input", refund(amount="41.00"))

    assert made["proposal_id"] != first["proposal_id"]
    assert made["digest"] != first["digest"]
    assert desk.json("show-action", first["proposal_id"])["status"] == "superseded"
    assert desk.json("show-action", made["proposal_id"])["supersedes_id"] == first["proposal_id"]


def test_an_unknown_outcome_is_shown_and_settled_once(desk: CommandLine, sink: Path) -> None:
    found = executed(desk, "LOST")
    number = found["proposal_id"]
    assert (found["status"], found["execution"]["state"]) == ("execution_unknown", "unknown")
    assert "cairnloop settle" in desk("show-action", number).out
    assert [row["proposal_id"] for row in desk.json("actions", "--status", "unknown")["items"]] == [
        number
    ]

    settled = desk.json("settle", number, "--outcome", "confirmed", "--note", "Seen at the bank")
    again = desk("settle", number, "--outcome", "failed", "--note", "No", "--json")

    assert (settled["status"], settled["execution"]["state"]) == ("executed", "succeeded")
    assert (again.code, again.error) == (1, "not_unknown")
    assert len(sink.read_text().splitlines()) == 1
    assert desk("settle", number, "--outcome", "perhaps", "--note", "x").code == 2


def test_a_changed_input_comes_back_with_what_changed(
    desk: CommandLine, sink: Path, database_url: str
) -> None:
    number = proposed(desk)["proposal_id"]
    desk.json("approve", "action", number)
    with psycopg.connect(database_url) as superuser:
        superuser.execute(
            "UPDATE cairnloop.tool_proposals"
            " SET input_snapshot = jsonb_set(input_snapshot, '{amount}', '\"820.00\"')"
        )

    worked(desk)
    shown = desk.json("show-action", number)

    assert sink.read_text() == ""
    assert (shown["status"], shown["waits"]) == ("pending", True)
    assert [one["outcome_code"] for one in shown["approvals"]] == ["digest_mismatch", None]
    assert {"field": "input.amount", "before": "82.00", "after": "820.00"} in shown["changes"]
    assert "Changed since it was approved" in desk("show-action", number).out
    assert "(changed)" in desk("actions").out


def test_the_tools_tell_their_risk_and_what_they_need(desk: CommandLine) -> None:
    by_name = {tool["name"]: tool for tool in desk.json("tools")["items"]}

    assert by_name.keys() == {"internal_note", "refund", "payout"}
    assert by_name["payout"]["risk_tier"] == "high_write"
    assert (by_name["payout"]["scopes"], by_name["payout"]["available"]) == (["billing"], True)
    assert "amount" in by_name["refund"]["schema"]["properties"]


def test_a_thread_shows_the_actions_about_it(desk: CommandLine) -> None:
    desk.json("ingest", "--customer", "acme", "Where is my refund?")
    made = desk.json("propose", "refund", "--conversation", 1, "--input", refund())

    (shown,) = desk.json("show", 1)["actions"]

    assert (shown["proposal_id"], shown["status"]) == (made["proposal_id"], "pending")
    assert "Pays 82.00 back" in desk("show", 1).out
    assert [row["proposal_id"] for row in desk.json("actions", "--conversation", 1)["items"]] == [
        made["proposal_id"]
    ]


def test_the_load_of_those_who_decide_can_be_read(desk: CommandLine) -> None:
    for order in ("A", "B"):
        desk.json("approve", "action", proposed(desk, refund(order))["proposal_id"])

    (load,) = desk.json("approvers", "--days", 1)["items"]

    assert (load["operator"], load["decisions"], load["approved"]) == ("maya", 2, 2)
    assert load["busiest_minute"] == 2
    assert load["fastest_seconds"] <= load["median_seconds"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("propose", "refund", "--input", refund("N")),
        ("approve", "action", 1),
        ("approve", "action", 1, 2),
        ("reject", "action", 1, "--reason", "No"),
        ("defer", "action", 1, "--reason", "Later"),
        ("ask-back", 1, "--question", "Who?"),
        ("answer", 1, "Me"),
        ("reopen-action", 1),
        ("amend", 1, "--input", refund("N")),
        ("settle", 1, "--outcome", "failed", "--note", "No"),
    ],
)
@pytest.mark.requirement("02-governance:126")
def test_nothing_is_decided_in_nobodys_name(
    desk: CommandLine, arguments: tuple[object, ...]
) -> None:
    proposed(desk)

    ran = desk.having({"CAIRNLOOP_OPERATOR": None})(*arguments, "--json")

    assert (ran.code, ran.error) == (1, "operator_missing")
    assert [row["status"] for row in desk.json("actions")["items"]] == ["pending"]


@pytest.mark.requirement("02-governance:B17")
def test_hostile_words_and_secrets_reach_no_terminal(desk: CommandLine) -> None:
    given = json.dumps({"order": "A", "amount": 1, "card_token": "tok_live_secret"})
    number = proposed(desk, given)["proposal_id"]
    desk.json("ask-back", number, "--question", HOSTILE, "--operator", HOSTILE.strip())

    for command in (("show-action", number), ("actions",), ("why", "action", number)):
        ran = desk(*command)
        assert ran.code == 0, ran
        assert not CONTROL & set(ran.out), command
        assert not {"\u202e", "\u200b"} & set(ran.out), command
        assert "tok_live_secret" not in ran.out + desk(*command, "--json").out


def test_watching_an_action_prints_a_document_for_each_change(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    own_database: str,
    home: Path,
) -> None:
    note = {"conversation_id": 1, "content": "VIP"}
    cli = CommandLine(monkeypatch, capfd, environment_for(own_database, home))
    number = cli.json("propose", "internal_note", "--input", json.dumps(note))["proposal_id"]
    process = cli.start("show-action", number, "--watch", "--json")
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        cli.json("reject", "action", number, "--reason", "No")
        later = first
        while later["status"] == "pending":
            later = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()

    assert (first["status"], later["status"]) == ("pending", "rejected")
    assert process.returncode == 130
