"""Every promise of the README is kept by tests that exist."""

from __future__ import annotations

import re

import pytest

from cairnloop_engine.operations.doctor import PROMISES
from tests.promises import PROVEN_BY
from tools.sources import ROOT

ALL = [f"P{number}" for number in range(1, 11)]


@pytest.mark.parametrize("promise", ALL)
def test_the_promise_is_kept_by_tests_that_exist(promise: str) -> None:
    missing = [node for node in PROVEN_BY[promise] if not _exists(node)]

    assert PROVEN_BY[promise]
    assert missing == []


def test_the_readme_makes_exactly_these_promises() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| (P\d+) \|", readme, re.MULTILINE) == ALL
    assert list(PROVEN_BY) == ALL


def test_the_doctor_speaks_of_no_other_promise() -> None:
    assert set(PROMISES.values()) <= set(ALL)


def _exists(node: str) -> bool:
    path, _, name = node.partition("::")
    file = ROOT / path
    return file.is_file() and f"def {name}(" in file.read_text(encoding="utf-8")
