"""Every acceptance case is proven by a test that names it, or stands in an open range."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.requirements import CASES, OPEN

TESTS = Path(__file__).parents[1]
MARK = re.compile(r"""requirement\(\s*["']([\w-]+):(\d+)["']\s*,?\s*\)""")


def named() -> Counter[tuple[str, int]]:
    """How many tests name each case."""
    found: Counter[tuple[str, int]] = Counter()
    for path in TESTS.rglob("test_*.py"):
        for document, number in MARK.findall(path.read_text()):
            found[document, int(number)] += 1
    return found


def test_every_named_case_exists() -> None:
    unknown = [
        f"{document}:{number}"
        for document, number in named()
        if not 1 <= number <= CASES.get(document, 0)
    ]
    assert unknown == []


def test_every_case_is_proven_or_in_an_open_range_with_a_reason() -> None:
    proven = named()
    covered = {
        (one.document, number)
        for one in OPEN
        if one.reason
        for number in range(one.first, one.last + 1)
    }
    missing = [
        f"{document}:{number}"
        for document, count in CASES.items()
        for number in range(1, count + 1)
        if (document, number) not in covered and not proven[document, number]
    ]
    assert missing == []
