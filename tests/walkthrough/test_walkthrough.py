"""docs/walkthrough.md is typed as it stands, beside a demo that runs."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import wait_until
from tests.walkthrough.demos import running_demo
from tests.walkthrough.processes import home_of_its_own, ran
from tools.sources import ROOT

GUIDE = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
# A dead worker is believed dead after half a minute; a busy machine takes its time.
WITHIN_S = 150.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the guide, and what its comment promises."""

    words: tuple[str, ...]
    says: str | None
    refused: str | None

    @classmethod
    def read(cls, line: str) -> Line:
        command, _, comment = line.partition("#")
        kind, _, promised = comment.strip().partition(": ")
        return cls(
            words=tuple(shlex.split(command)[1:]),
            says=promised if kind == "says" else None,
            refused=promised if kind == "refused" else None,
        )


def lines() -> Iterator[Line]:
    """What is typed, without starting the demo and without the exports."""
    for block in BLOCKS[2:]:
        yield from (Line.read(line) for line in block.splitlines() if line)


def test_the_guide_is_made_of_commands() -> None:
    assert len(list(lines())) > 15
    assert all(line.startswith("cairnloop ") for block in BLOCKS[2:] for line in block.splitlines())


@pytest.mark.slow
def test_the_walk_through_an_action_goes_as_the_guide_says() -> None:
    with home_of_its_own() as home, running_demo(home) as demo:
        config = demo.doors["config"]
        for line in lines():
            _typed(line, home, config)
        assert len(demo.children) == 4


def _typed(line: Line, home: Path, config: str) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        return ran(
            *line.words, home=home, CAIRNLOOP_CONFIG=config, CAIRNLOOP_OPERATOR="demo_operator"
        )

    if line.says is not None:
        promised = line.says

        def says_so() -> bool:
            return promised in run().stdout

        wait_until(says_so, within=WITHIN_S, what=f"{line.words} says {promised!r}")
        return
    done = run()
    if line.refused is None:
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert done.returncode == 1, done.stdout + done.stderr
        assert line.refused in done.stdout + done.stderr
