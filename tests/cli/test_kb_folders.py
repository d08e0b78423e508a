"""Folders of Markdown from the shell: in, out, and followed; versions side by side."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from tests.cli.desk import PATIENCE_S, CommandLine, environment_for


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "articles"
    (made / "deep").mkdir(parents=True)
    (made / "refunds.md").write_text("# Refunds\nFive days. See [shipping](deep/shipping.md).")
    (made / "deep" / "shipping.md").write_text("# Shipping\nBefore noon. See [gone](gone.md).")
    return made


@dataclass
class Following:
    """A running ``kb import --watch`` and what it says, line by line."""

    process: subprocess.Popen[str]
    out: queue.Queue[str] = field(default_factory=queue.Queue)
    err: queue.Queue[str] = field(default_factory=queue.Queue)
    ears: list[threading.Thread] = field(default_factory=list)

    def listen(self) -> None:
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            assert stream is not None
            self.ears.append(threading.Thread(target=_keep, args=(stream, lines)))
            self.ears[-1].start()

    def line(self) -> str:
        return self.out.get(timeout=PATIENCE_S)

    def hear(self, words: str) -> None:
        """Wait until it has said this on standard error."""
        while self.err.get(timeout=PATIENCE_S) != words:
            continue

    def stopped_by(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_S)


def _keep(stream: IO[str], lines: queue.Queue[str]) -> None:
    with stream:
        for line in stream:
            lines.put(line.rstrip("\n"))


@contextmanager
def following(cli: CommandLine, *arguments: object) -> Iterator[Following]:
    """Yields it once it has said that it follows."""
    running = Following(cli.start("kb", "import", *arguments, "--watch"))
    running.listen()
    try:
        running.hear("Following the folder. Ctrl+C ends it.")
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        for ear in running.ears:
            ear.join()


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    own_database: str,
    home: Path,
) -> CommandLine:
    """On a database of its own, for processes that outlive a call."""
    return CommandLine(monkeypatch, capfd, environment_for(own_database, home))


@pytest.mark.slow
def test_a_followed_folder_is_told_a_document_for_each_change_until_stopped(
    shell: CommandLine, folder: Path
) -> None:
    with following(shell, folder, "--json") as running:
        first = [json.loads(running.line()) for _ in range(2)]
        (folder / "refunds.md").write_text("# Refunds\nTen days.")
        changed = json.loads(running.line())
        code = running.stopped_by(signal.SIGTERM)
        running.hear("Stopped after 3 changes.")

    assert {item["path"]: item["status"] for item in first} == {
        "deep/shipping.md": "created",
        "refunds.md": "created",
    }
    assert first[0]["broken_links"] == ["deep/gone.md"]
    assert (changed["path"], changed["status"], changed["line"]) == ("refunds.md", "updated", None)
    assert code == 0
    assert running.out.empty()


@pytest.mark.slow
def test_a_person_reads_a_line_for_each_change_and_ends_it_with_ctrl_c(
    shell: CommandLine, folder: Path
) -> None:
    with following(shell, folder) as running:
        first = [running.line(), running.line()]
        (folder / "refunds.md").unlink()
        gone = running.line()
        code = running.stopped_by(signal.SIGINT)

    assert first == [
        "Created: deep/shipping.md · no article for the link to deep/gone.md",
        "Created: refunds.md",
    ]
    assert gone == "Missing: refunds.md · not in this folder; the article stays"
    assert code == 0


def test_a_followed_folder_that_is_missing_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    ran = cli("kb", "import", tmp_path / "nowhere", "--watch", "--json")

    assert (ran.code, ran.error) == (1, "folder_missing")


def test_an_import_says_what_is_wrong_on_which_line_and_which_links_lead_nowhere(
    cli: CommandLine, folder: Path
) -> None:
    (folder / "bad.md").write_text("# Bad\n\nHidden \u202e here")
    told = cli("kb", "import", folder)

    rows = {line.split()[1]: line for line in told.out.splitlines()[1:]}
    assert told.code == 1
    assert rows["bad.md"].endswith("that they are meant; line 3")
    assert rows["deep/shipping.md"].endswith("no article for the link to deep/gone.md")
    assert rows["refunds.md"].split() == ["Created", "refunds.md"]
    assert "3 files: 2 created, 1 failed." in told.err


def test_files_that_are_gone_are_told_and_pruned_when_asked(
    cli: CommandLine, folder: Path, tmp_path: Path
) -> None:
    cli.json("kb", "import", folder)
    (folder / "refunds.md").unlink()
    empty = tmp_path / "empty"
    empty.mkdir()

    told = cli("kb", "import", folder)
    wrong = cli("kb", "import", empty, "--prune", "--json")
    pruned = cli.json("kb", "import", folder, "--prune")

    assert told.code == 0
    assert "Articles whose files are missing stay; `--prune` archives them." in told.err
    assert (wrong.code, wrong.error) == (1, "prune_too_many")
    assert {item["path"]: item["status"] for item in pruned["items"]} == {
        "deep/shipping.md": "unchanged",
        "refunds.md": "archived",
    }
    assert [row["status"] for row in cli.json("kb", "list", "--status", "archived")["items"]] == [
        "archived"
    ]


def test_out_and_in_again_changes_nothing_and_links_lead_from_file_to_file(
    cli: CommandLine, folder: Path, tmp_path: Path
) -> None:
    cli.json("kb", "import", folder)
    cli.json("kb", "new", "Abroad: #1 \U0001f30d", "See [refunds](article:2).", "--publish")
    out = tmp_path / "out"

    exported = cli.json("kb", "export", out)
    back = cli.json("kb", "import", out)

    assert sorted(item["path"] for item in exported["items"]) == [
        "abroad-1-3.md",
        "deep/shipping.md",
        "refunds.md",
    ]
    assert "[refunds](refunds.md)" in (out / "abroad-1-3.md").read_text()
    assert {item["status"] for item in back["items"]} == {"unchanged"}


def test_versions_are_shown_and_compared(cli: CommandLine) -> None:
    begun = cli.json("kb", "new", "Refunds", "Five days.", "--publish")
    article = begun["article_id"]
    cli.json("kb", "edit", article, "Ten days.")

    now, then = cli.json("kb", "show", article), cli.json("kb", "show", article, "--version", 1)
    diff = cli.json("kb", "diff", article)
    read = cli("kb", "diff", article, "--from", 0, "--to", 1)
    same = cli("kb", "diff", article, "--from", 1, "--to", 1)
    missing = cli("kb", "show", article, "--version", 7, "--json")

    assert (now["content"], then["content"]) == ("Ten days.", "Five days.")
    assert (then["version"], then["state"]) == (1, "published")
    assert (diff["from"], diff["to"], diff["changed"]) == (1, 2, True)
    assert "-Five days.\n+Ten days." in diff["diff"]
    assert "+Five days." in read.out.splitlines()
    assert same.out == "Version 1 says the same as version 1.\n"
    assert (missing.code, missing.error) == (1, "revision_not_found")


def test_an_article_shows_where_it_leads_and_what_leads_to_it(
    cli: CommandLine, folder: Path
) -> None:
    cli.json("kb", "import", folder)
    shipping = _id(cli, "Shipping")

    shown: dict[str, Any] = cli.json("kb", "show", shipping)
    read = cli("kb", "show", shipping)

    assert [(one["target"], one["broken"]) for one in shown["links"]] == [("deep/gone.md", True)]
    assert [one["title"] for one in shown["backlinks"]] == ["Refunds"]
    assert "leads nowhere  deep/gone.md" in read.out
    assert "LINKED FROM" in read.out


def test_a_list_is_narrowed_by_words_of_the_title(cli: CommandLine, folder: Path) -> None:
    cli.json("kb", "import", folder)

    assert [row["title"] for row in cli.json("kb", "list", "--query", "SHIP")["items"]] == [
        "Shipping"
    ]


def _id(cli: CommandLine, title: str) -> int:
    (row,) = cli.json("kb", "list", "--query", title)["items"]
    return int(row["article_id"])
