"""``cairnloop gen``: what it writes works as it stands."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import CommandLine


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host's project folder, from which its modules can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("close_account_tool", "greet_tool"):
        sys.modules.pop(name, None)


def test_a_generated_tool_is_proposed_approved_and_run_once(cli: CommandLine, folder: Path) -> None:
    made = cli.json("gen", "tool", "close-account")
    assert tomllib.loads(made["line"]) == {"tools": [made["value"]]}
    desk = cli.having({"CAIRNLOOP_TOOLS": made["value"]})

    (tool,) = [one for one in desk.json("tools")["items"] if one["name"] == "close_account"]
    given = json.dumps({"subject": "acme"})
    action = desk.json("propose", "close_account", "--input", given)
    desk.json("approve", "action", action["proposal_id"])
    assert desk("worker", "--drain", "--queues", "effects").code == 0

    assert (tool["title"], tool["approval_mode"]) == ("Close account", "requires_approval")
    found = desk.json("show-action", action["proposal_id"])
    assert (found["status"], found["execution"]["summary"]) == ("executed", "Recorded 'acme'.")
    effects = list((folder / "close_account-effects").iterdir())
    assert [file.read_text(encoding="utf-8") for file in effects] == ["acme"]


def test_a_generated_tool_passes_the_rules_of_the_house(cli: CommandLine, folder: Path) -> None:
    path = Path(cli.json("gen", "tool", "greet")["path"])

    source = path.read_text(encoding="utf-8")

    compile(source, str(path), "exec")
    assert max(map(len, source.splitlines())) <= 100


def test_nothing_is_overwritten(cli: CommandLine, folder: Path) -> None:
    cli.json("gen", "tool", "greet")
    (folder / "greet_tool.py").write_text("mine", encoding="utf-8")

    ran = cli("gen", "tool", "greet", "--json")

    assert (ran.code, ran.error) == (1, "file_exists")
    assert (folder / "greet_tool.py").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["", "Refund", "9lives", "../evil", "a" * 80])
def test_a_name_that_no_tool_can_have_is_refused(cli: CommandLine, folder: Path, name: str) -> None:
    ran = cli("gen", "tool", name, "--json")

    assert (ran.code, ran.error) == (1, "name_invalid")
    assert list(folder.glob("*.py")) == []
