"""``cairnloop why action``: the whole decision, rebuilt from rows alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import psycopg
import pytest

from tests.cli import shop
from tests.cli.desk import CommandLine

REFUND = json.dumps({"order": "A-17", "amount": "82.00", "iban": "DE02tok_live_secret"})


@pytest.fixture
def desk(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A command line of a site with the shop's tools."""
    monkeypatch.setenv(shop.SINK, str(tmp_path / "effects"))
    return cli.having(
        {
            "CAIRNLOOP_TOOLS": "tests.cli.shop:Refund,tests.cli.shop:Payout",
            "CAIRNLOOP_OPERATOR_SCOPES": "billing",
        }
    )


def carried_out(desk: CommandLine) -> int:
    """A payout that maya proposed, noah approved, and a worker ran."""
    number = int(desk.json("propose", "payout", "--input", REFUND)["proposal_id"])
    desk.json("approve", "action", number, "--note", "Seen the return", "--operator", "noah")
    assert desk("worker", "--drain", "--queues", "effects").code == 0
    return number


def test_the_decision_is_told_from_who_asked_to_what_came_of_it(desk: CommandLine) -> None:
    number = carried_out(desk)

    told = desk.json("why", "action", number)

    assert (told["status"], told["execution"]["state"]) == ("executed", "succeeded")
    assert (told["asked"]["by"], told["asked"]["origin"]) == ("maya", "operator")
    assert told["gates"].keys() >= {"verdict", "revision", "mode", "declared", "source"}
    assert (told["gates"]["verdict"], told["gates"]["scopes_needed"]) == ("proposed", ["billing"])
    (approval,) = told["approvals"]
    assert (approval["decided_by"], approval["reason"]) == ("noah", "Seen the return")
    assert (approval["digest"], approval["intact"]) == (told["digest"], True)
    (attempt,) = told["ledger"]
    assert (attempt["state"], attempt["summary"]) == ("confirmed", "Paid 82.00 back.")
    assert [event["action"].removeprefix("governance.") for event in told["events"]] == [
        "proposed",
        "approval_requested",
        "approved",
        "revalidation_passed",
        "execution_started",
        "execution_succeeded",
    ]
    lines = desk("why", "action", number).out
    for words in ("Asked for by maya", "noah (operator) approved", "Seen the return", "Paid 82.00"):
        assert words in lines


def test_nothing_but_rows_is_needed_to_tell_it(desk: CommandLine, home: Path) -> None:
    number = carried_out(desk)
    before = desk("why", "action", number, "--json")
    lines = desk("why", "action", number)
    shutil.rmtree(home / "logs", ignore_errors=True)

    # Another machine: another home, no tool registered, nobody named, only the database is shared.
    elsewhere = desk.having(
        {
            "CAIRNLOOP_HOME": str(home.parent / "elsewhere"),
            "CAIRNLOOP_TOOLS": None,
            "CAIRNLOOP_OPERATOR_SCOPES": None,
            "CAIRNLOOP_OPERATOR": None,
        }
    )

    assert elsewhere("why", "action", number, "--json").json == before.json
    assert elsewhere("why", "action", number).out == lines.out
    assert "tok_live_secret" not in before.out


def test_secrets_stay_masked_in_the_reasons(desk: CommandLine) -> None:
    number = carried_out(desk)

    told = desk.json("why", "action", number)

    assert "tok_live_secret" not in json.dumps(told) + desk("why", "action", number).out
    assert told["input"]["amount"] == "82.00"


def test_a_call_that_was_changed_afterwards_gives_itself_away(
    desk: CommandLine, database_url: str
) -> None:
    number = carried_out(desk)
    with psycopg.connect(database_url) as superuser:
        superuser.execute(
            "UPDATE cairnloop.tool_approvals SET call ="
            " jsonb_set(call, '{input,amount}', '\"1.00\"')"
        )

    (approval,) = desk.json("why", "action", number)["approvals"]

    assert approval["intact"] is False
    assert "another digest" in desk("why", "action", number).out


def test_a_blocked_wish_tells_which_gate_stopped_it(desk: CommandLine) -> None:
    ran = desk("propose", "refund", "--input", '{"order": "A", "amount": 9999}', "--json")
    number = ran.json["error"]["facts"]["proposal_id"]

    told = desk.json("why", "action", number)

    assert (told["gates"]["verdict"], told["gates"]["code"]) == ("policy_denied", "too_much")
    assert (told["approvals"], told["ledger"]) == ([], [])
    assert "That is too much." in desk("why", "action", number).out


def test_an_amended_action_and_its_successor_name_each_other(desk: CommandLine) -> None:
    first = desk.json("propose", "refund", "--input", REFUND)["proposal_id"]
    other = REFUND.replace("82.00", "41.00")
    second = desk.json("amend", first, "--input", other)["proposal_id"]

    assert desk.json("why", "action", first)["asked"]["superseded_by_id"] == second
    assert desk.json("why", "action", second)["asked"]["supersedes_id"] == first
    assert f"Action {second} stands in its place." in desk("why", "action", first).out


def test_what_nobody_proposed_cannot_be_told(desk: CommandLine) -> None:
    ran = desk("why", "action", 99, "--json")

    assert (ran.code, ran.error) == (1, "action_not_found")


@pytest.mark.parametrize(("order", "state"), [("A-17", "proposed"), ("B-1", "blocked")])
def test_an_action_and_the_draft_beside_which_it_was_proposed_lead_to_each_other(
    desk: CommandLine, order: str, state: str
) -> None:
    flow = desk.having({"CAIRNLOOP_ACTION_SUGGESTER": "tests.cli.shop:Suggester"})
    flow.json("ingest", "--customer", "acme", f"Where is the refund for {order}?")
    assert flow("worker", "--drain").code == 0

    (row,) = flow.json("drafts")["items"]
    draft = flow.json("show-draft", row["id"])
    number = draft["suggested"]["action_id"]
    told = flow.json("why", "action", number)

    assert draft["suggested"]["state"] == state
    assert (told["asked"]["origin"], told["asked"]["draft_id"]) == ("ai", draft["id"])
    assert f"`cairnloop why draft {draft['id']}`" in flow("why", "action", number).out
    assert f"`cairnloop why action {number}`" in flow("why", "draft", draft["id"]).out
    assert flow.json("why", "draft", draft["id"])["suggested"]["action_id"] == number
