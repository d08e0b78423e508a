"""What the guides tell a reader to type exists."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from typer.core import TyperCommand, TyperGroup

from cairnloop_cli.main import _root
from cairnloop_cli.registry import rows
from cairnloop_engine.settings import PREFIX, Settings
from tools.reference import errors
from tools.sources import ROOT, tracked

GUIDES = [path for path in tracked() if path.endswith(".md") and "reference/" not in path]

CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s/`])cairnloop ([^\n`#|]+)")
MAKE = re.compile(r"\bmake ([a-z]+)\b")
VARIABLE = re.compile(rf"\b{PREFIX}([A-Z_]+)\b")

# Read before settings are: where the settings file is.
NOT_SETTINGS = {"CONFIG"}


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_a_guide_exists_with_its_options(guide: str) -> None:
    wrong = [line for line in _commands(guide) if not _exists(line.split())]

    assert wrong == []


@pytest.mark.parametrize("guide", GUIDES)
def test_every_target_of_make_in_a_guide_exists(guide: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))

    assert {name for code in _code(guide) for name in MAKE.findall(code)} <= targets


@pytest.mark.parametrize("guide", GUIDES)
def test_every_variable_of_a_guide_is_a_setting(guide: str) -> None:
    known = {name.upper() for name in Settings.model_fields} | NOT_SETTINGS
    named = {name for code in _code(guide) for name in VARIABLE.findall(code)}

    assert {name for name in named if name.strip("_")} <= known


def test_every_code_that_troubleshooting_explains_is_one_that_is_raised() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    heads = " ".join(re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE))

    assert set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", heads)) <= set(errors.collect())


def test_every_target_of_make_is_listed_by_make_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)

    assert set(phony.split()) == set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))


def _code(guide: str) -> list[str]:
    return CODE.findall((ROOT / guide).read_text(encoding="utf-8"))


def _commands(guide: str) -> Iterator[str]:
    for code in _code(guide):
        for line in COMMAND.findall(code):
            # What stands in quotes is an argument; the rest of a pipe is another program.
            yield re.sub(r'"[^"]*"', "TEXT", line).split("&&")[0].strip()


def _exists(words: list[str]) -> bool:
    found: TyperCommand | TyperGroup | None = next(
        (row.load() for row in rows() if row.name == words[0]), None
    )
    rest = words[1:]
    if isinstance(found, TyperGroup) and found.commands and rest:
        inner = found.commands.get(rest[0])
        found = inner if isinstance(inner, TyperCommand | TyperGroup) else None
        rest = rest[1:]
    if found is None:
        return False
    options = {name for one in (*found.params, *_root().params) for name in one.opts}
    return {word.partition("=")[0] for word in rest if word.startswith("--")} <= options
