"""The house rules hold, and each of them finds what it is there to find."""

from __future__ import annotations

import pytest

from tools import house_rules
from tools.house_rules import check
from tools.sources import Source, sources

HEAD = '"""A module for this test."""\n\n'


def test_every_tracked_file_keeps_the_house_rules() -> None:
    findings = [str(finding) for source in sources() for finding in check(source)]

    assert findings == []


def test_the_check_looks_at_the_code_and_the_texts_of_the_project() -> None:
    paths = {source.path for source in sources()}

    assert {"pyproject.toml", "Makefile", "cairnloop_engine/engine.py"} <= paths


@pytest.mark.parametrize(
    "homes",
    [house_rules.BROAD_EXCEPT_HOMES, house_rules.ENVIRONMENT_HOMES, house_rules.CLOCK_HOMES],
    ids=["broad except", "environment", "clock"],
)
def test_every_exception_to_a_rule_is_still_needed(homes: dict[str, str]) -> None:
    by_path = {source.path: source for source in sources()}

    needed = {path for path in homes if path in by_path and _breaks_elsewhere(by_path[path])}

    assert sorted(set(homes) - needed) == []


def _breaks_elsewhere(source: Source) -> bool:
    """Whether the file would break a rule if it were not its home."""
    moved = Source(f"cairnloop_engine/elsewhere/{source.path.rpartition('/')[2]}", source.text)
    homed = {"broad-except", "environment", "clock"}
    return any(finding.rule in homed for finding in check(moved))


BREAKING = {
    "module-docstring": "import os\n",
    "file-budget": HEAD + "x = 1\n" * 400,
    "function-budget": HEAD + "def f() -> None:\n" + "    g()\n" * 50,
    "positional-budget": HEAD + "def f(a, b, c, d, e, f): ...\n",
    "nesting": HEAD + "def f():\n if a:\n  for b in c:\n   with d:\n    while e:\n     g()\n",
    "deferred-import": HEAD + "def f() -> None:\n    import json\n",
    "broad-except": HEAD + "try:\n    f()\nexcept Exception:\n    pass\n",
    "environment": HEAD + "import os\nx = os.environ['HOME']\n",
    "clock": HEAD + "from datetime import UTC, datetime\nx = datetime.now(UTC)\n",
    "literal-colour": HEAD + 'COLOUR = "#a8492a"\n',
    "licence-header": HEAD + "# SPDX-License-Identifier: MIT\n",
    "unfinished": HEAD + "# TO" + "DO: later\n",
    "outside": HEAD + "# see https://py" + "pi.org/simple\n",
}


@pytest.mark.parametrize("rule", BREAKING)
def test_a_rule_finds_what_breaks_it(rule: str) -> None:
    found = {finding.rule for finding in check(Source("cairnloop_tui/broken.py", BREAKING[rule]))}

    assert found == {rule}


TESTS_BREAKING = {
    "sleeping-test": HEAD + "async def test_it():\n    await asyncio.sleep(0.1)\n",
    "mocked-module": HEAD + "def test_it():\n    patch('cairnloop_engine.engine.Engine')\n",
}


@pytest.mark.parametrize("rule", TESTS_BREAKING)
def test_a_rule_for_tests_finds_what_breaks_it(rule: str) -> None:
    found = {finding.rule for finding in check(Source("tests/broken.py", TESTS_BREAKING[rule]))}

    assert found == {rule}


KEEPING = {
    "an elif is no deeper than its if": HEAD
    + "def f():\n for a in b:\n  with c:\n"
    + "   if d:\n    g()\n   elif e:\n    h()\n   else:\n    i()\n",
    "an exception that is raised again": HEAD
    + "try:\n    f()\nexcept BaseException:\n    g()\n    raise\n",
    "one reason for a block of deferred imports": HEAD
    + "def f() -> None:\n    # deferred: only this command needs them\n"
    + "    import json\n    import csv\n",
    "keyword-only parameters": HEAD + "def f(a, *, b, c, d, e, g, h): ...\n",
    "a heading that is no colour": HEAD + 'TEXT = "#filter and #1"\n',
}


@pytest.mark.parametrize("text", KEEPING.values(), ids=KEEPING)
def test_what_the_rules_allow_is_not_found(text: str) -> None:
    assert list(check(Source("cairnloop_tui/fine.py", text))) == []


def test_a_test_may_pause_between_two_looks_at_a_condition() -> None:
    text = HEAD + "async def test_it():\n    while not f():\n        await asyncio.sleep(0.1)\n"

    assert list(check(Source("tests/fine.py", text))) == []
