"""The exit codes and failure documents that scripts and monitors rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import CommandLine, environment_for
from tests.postgres import TestCluster

# A password that no message, log or document may repeat.
SECRET = "hunter2-secret"
NOWHERE = f"postgresql://cairnloop:{SECRET}@127.0.0.1:1/nothing"


class Broken:
    """A host's part with a bug in it, which quotes what it must not."""

    def __init__(self) -> None:
        raise RuntimeError(f"boom {SECRET}")


@pytest.fixture
def away(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], home: Path
) -> CommandLine:
    """A command line whose database does not answer."""
    return CommandLine(monkeypatch, capfd, environment_for(NOWHERE, home))


@pytest.mark.parametrize(
    "arguments",
    [
        ("inbox",),
        ("show", 1),
        ("stats",),
        ("reply", 1, "Hi"),
        ("resolve", 1, 2, 3),
        ("drafts",),
        ("kb", "list"),
        ("search", "refund"),
        ("audit", "list"),
        ("actions",),
        ("show-action", 1),
        ("propose", "internal_note", "--input", '{"conversation_id": 1, "content": "x"}'),
        ("approve", "action", 1),
        ("approve", "action", 1, 2),
        ("reject", "action", 1, "--reason", "No"),
        ("settle", 1, "--outcome", "failed", "--note", "No"),
        ("why", "action", 1),
        ("approvers",),
        ("migrate",),
        ("migrate", "--check"),
    ],
)
def test_an_absent_database_is_3_and_says_that_nothing_happened(
    away: CommandLine, arguments: tuple[object, ...]
) -> None:
    ran = away(*arguments, "--json")

    assert (ran.code, ran.error) == (3, "database_unavailable")
    assert SECRET not in ran.out + ran.err
    assert ran.err.startswith("unavailable: The database cannot be reached; nothing was changed.")


def test_lines_are_not_taken_in_by_an_absent_database_and_the_first_one_is_named(
    away: CommandLine,
) -> None:
    piped = '{"customer": "a", "text": "Hi"}\n' * 50

    ran = away("ingest", "--jsonl", "-", "--json", piped=piped)

    assert ran.code == 1
    assert {item["code"] for item in ran.json["items"]} == {"database_unavailable"}
    assert ran.json["items"][0]["line"] == 1
    assert "Stopped at line 1: the database cannot be reached." in ran.err


@pytest.mark.slow
def test_a_command_fails_while_postgres_is_stopped_and_works_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    private_cluster: TestCluster,
    home: Path,
) -> None:
    url = private_cluster.copy_template("stopped")
    cli = CommandLine(monkeypatch, capfd, environment_for(url, home))
    cli.json("ingest", "--customer", "acme", "Hello")

    private_cluster.server.stop()
    stopped = cli("inbox", "--json")
    examined = cli("doctor", "--json")
    private_cluster.server.start()

    assert (stopped.code, stopped.error) == (3, "database_unavailable")
    assert examined.code == 1
    by_id = {check["id"]: check["status"] for check in examined.json["checks"]}
    assert (by_id["database"], by_id["schema"], by_id["jobs"]) == ("fail", "skipped", "skipped")
    assert len(cli.json("inbox")["items"]) == 1


def test_a_refusal_is_1_with_its_facts(cli: CommandLine) -> None:
    ran = cli("show", 77, "--json")

    assert ran.code == 1
    assert ran.json["error"]["facts"] == {"conversation_id": 77}


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("inbox", "--no-such-option"),
        ("show",),
        ("show", "abc"),
        ("show", 0),
        ("show", 99999999999999999999),
        ("kb",),
        ("approve",),
        ("inbox", "--sort", "mood"),
        ("inbox", "--limit", 0),
        ("reply", 1, "Hi", "--hold", -1),
        ("inbox", "--operator"),
        ("serve", "--port", 70000),
        ("serve", "--host", " "),
        ("serve-widget", "--host", ""),
        ("inbox", "--operator", "m\udcff"),
        ("search", "m\udcff"),
        ("reply", 1, "Hi", "--hold", "nan"),
    ],
)
def test_bad_usage_is_2_also_as_a_document(cli: CommandLine, arguments: tuple[object, ...]) -> None:
    ran = cli("--json", *arguments)

    assert (ran.code, ran.error) == (2, "usage")
    assert ran.json["error"]["message"]


def test_a_mistyped_command_is_guessed(cli: CommandLine) -> None:
    ran = cli("inbx")

    assert (ran.code, ran.out) == (2, "")
    assert "Did you mean 'inbox'?" in ran.err


def test_no_arguments_show_the_help(cli: CommandLine) -> None:
    ran = cli()

    assert ran.code == 2
    assert "Usage: cairnloop" in ran.out


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"CAIRNLOOP_TYPO": "1"}, "settings_unknown"),
        ({"CAIRNLOOP_POOL_SIZE": "many"}, "settings_invalid"),
        ({"CAIRNLOOP_CONFIG": "nowhere.toml"}, "settings_missing"),
        ({"CAIRNLOOP_OPERATOR": "m\udcff"}, "settings_invalid"),
        ({"CAIRNLOOP_DATABASE_URL": f"mysql://u:{SECRET}@h/x"}, "database_url_invalid"),
        ({"CAIRNLOOP_DRAFTING_MODEL": "oracle"}, "settings_invalid"),
        ({"CAIRNLOOP_ANTHROPIC_BASE_URL": f"https://u:{SECRET}@h/"}, "settings_invalid"),
        ({"CAIRNLOOP_CONTEXT_PROVIDER": "nowhere:Nothing"}, "host_part_missing"),
    ],
)
def test_wrong_settings_are_2_and_name_what_is_wrong(
    cli: CommandLine, environment: dict[str, str], code: str
) -> None:
    ran = cli.having(environment)("inbox", "--json")

    assert (ran.code, ran.error) == (2, code)
    assert SECRET not in ran.out + ran.err


def test_an_unmigrated_database_is_2_and_says_what_to_run(
    cli: CommandLine, unmigrated_database: str
) -> None:
    fresh = cli.having({"CAIRNLOOP_DATABASE_URL": unmigrated_database})

    before = fresh("inbox", "--json")
    checked = fresh("migrate", "--check", "--json")
    examined = fresh("doctor", "--json")
    migrated = fresh.json("migrate")
    again = fresh.json("migrate")

    assert (before.code, before.error) == (2, "schema_missing")
    assert "cairnloop migrate" in before.json["error"]["message"]
    assert (checked.code, checked.json["applied"], checked.json["before"]) == (1, [], None)
    assert examined.code == 1
    assert migrated["applied"] == sorted(migrated["applied"])
    assert migrated["applied"][-1] == migrated["head"]
    assert (again["applied"], again["head"]) == ([], migrated["head"])
    assert fresh("migrate", "--check").code == 0
    assert fresh.json("inbox")["items"] == []


@pytest.mark.parametrize(
    ("environment", "failed"),
    [
        ({"CAIRNLOOP_TYPO": "1"}, "settings"),
        ({"CAIRNLOOP_DATABASE_URL": f"mysql://u:{SECRET}@h/x"}, "database"),
    ],
)
def test_the_doctor_reports_what_keeps_everybody_else_from_starting(
    cli: CommandLine, environment: dict[str, str], failed: str
) -> None:
    ran = cli.having(environment)("doctor", "--json")
    told = cli.having(environment)("doctor")

    assert ran.code == told.code == 1
    assert [check["id"] for check in ran.json["checks"] if check["status"] == "fail"] == [failed]
    assert all(
        check.keys() >= {"id", "status", "summary", "remedy"} for check in ran.json["checks"]
    )
    assert f"[blocked] {failed}: Blocked:" in told.out
    assert "          → " in told.out
    assert SECRET not in ran.out + ran.err + told.out + told.err


def test_a_bug_is_70_with_a_reference_and_without_the_data(cli: CommandLine, home: Path) -> None:
    broken = cli.having({"CAIRNLOOP_CONTEXT_PROVIDER": "tests.cli.test_exit_codes:Broken"})

    ran = broken("inbox", "--json")

    assert (ran.code, ran.error) == (70, "bug")
    ref = ran.json["error"]["facts"]["ref"]
    log = home / "logs" / "cli.log"
    assert ref in ran.err
    assert ref in log.read_text()
    assert SECRET not in ran.out + ran.err + log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_stack_of_a_bug_is_shown_to_whoever_asks(cli: CommandLine) -> None:
    broken = cli.having({"CAIRNLOOP_CONTEXT_PROVIDER": "tests.cli.test_exit_codes:Broken"})

    ran = broken("inbox", "--debug")

    assert ran.code == 70
    assert "RuntimeError: boom" in ran.err
    assert ran.out == ""


def test_the_environment_may_ask_for_json(cli: CommandLine) -> None:
    asked = cli.having({"CAIRNLOOP_JSON": "1"})

    assert asked("inbox").json == {"items": [], "next": None}
    assert asked("inbox", "--no-such-option").error == "usage"


def test_the_command_line_wins_over_environment_and_file(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "cairnloop.toml"
    file.write_text('workspace = "from-file"\noperator = "filed"\n')
    told = cli.having({"CAIRNLOOP_CONFIG": str(file), "CAIRNLOOP_WORKSPACE": "from-env"})
    told.json("ingest", "--customer", "acme", "Hello", "--workspace", "from-line")

    assert len(told.json("inbox", "--workspace", "from-line")["items"]) == 1
    assert told.json("inbox")["items"] == []
    nobody = told.having({"CAIRNLOOP_OPERATOR": None})
    assert nobody("note", 1, "Hi", "--workspace", "from-line").code == 0


def test_the_console_needs_a_terminal(cli: CommandLine) -> None:
    ran = cli("tui", "--json")

    assert (ran.code, ran.error) == (2, "no_terminal")
