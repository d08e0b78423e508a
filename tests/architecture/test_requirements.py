"""Every acceptance case is proven by a test that names it, or stands in an open range."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.requirements import OPEN, every_case

TESTS = Path(__file__).parents[1]
MARK = re.compile(r"""requirement\(\s*["']([\w-]+):([A-Z]?\d+)["']\s*,?\s*\)""")


def named() -> Counter[tuple[str, str]]:
    """How many tests name each case."""
    found: Counter[tuple[str, str]] = Counter()
    for path in TESTS.rglob("test_*.py"):
        for document, number in MARK.findall(path.read_text()):
            found[document, number] += 1
    return found


def test_every_named_case_exists() -> None:
    known = set(every_case())
    assert [f"{document}:{number}" for document, number in named().keys() - known] == []


def test_every_case_is_proven_or_in_an_open_range_with_a_reason() -> None:
    proven = named()
    covered = {case for one in OPEN if one.reason for case in one.cases()}
    missing = [
        f"{document}:{number}"
        for document, number in every_case()
        if (document, number) not in covered and not proven[document, number]
    ]
    assert missing == []
