"""What changed between two texts."""

from __future__ import annotations

import difflib
import time

from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.knowledge.diffing import unified
from cairnloop_engine.knowledge.texts import Text

NAMES = ("version 1", "version 2")
LINES = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30).map("\n".join)


def test_a_change_is_told_with_the_lines_around_it() -> None:
    old = Text("Keys", "\n".join(f"line {n}" for n in range(1, 11)))
    new = Text("Keys", old.content.replace("line 5", "line five"))

    assert unified(old, new, names=NAMES) == [
        "--- version 1",
        "+++ version 2",
        "@@ -4,7 +4,7 @@",
        *(" line 2", " line 3", " line 4"),
        *("-line 5", "+line five"),
        *(" line 6", " line 7", " line 8"),
    ]


def test_the_first_version_is_all_new_and_the_same_is_nothing() -> None:
    text = Text("Keys", "Press revoke")

    assert unified(Text("", ""), text, names=NAMES)[2:] == [
        "@@ -0,0 +1,3 @@",
        "+title: Keys",
        "+",
        "+Press revoke",
    ]
    assert unified(text, text, names=NAMES) == []
    assert "-title: Keys" in unified(text, Text("Tokens", text.content), names=NAMES)


@given(LINES, LINES)
def test_it_says_what_the_standard_diff_says(before: str, after: str) -> None:
    found = unified(Text("t", before), Text("t", after), names=NAMES)

    ours = [line[1:] for line in found[2:] if line[0] == "+"]
    theirs = difflib.unified_diff(before.split("\n"), after.split("\n"), lineterm="", n=3)
    changed = [line[1:] for line in list(theirs)[2:] if line[0] == "+"]
    assert sorted(ours) == sorted(changed)
    assert _applied(["title: t", "", *before.split("\n")], found) == [
        "title: t",
        "",
        *after.split("\n"),
    ]


def test_two_long_texts_with_little_in_common_are_compared_in_bounded_time() -> None:
    many = [f"{n % 150}" for n in range(40_000)]
    old, new = Text("t", "\n".join(many)), Text("t", "\n".join(reversed(many)))
    began = time.process_time()

    found = unified(old, new, names=NAMES)

    assert time.process_time() - began < 3.0
    assert _applied(["title: t", "", *many], found) == ["title: t", "", *reversed(many)]


def _applied(before: list[str], diff: list[str]) -> list[str]:
    """What ``patch`` would make of it."""
    after: list[str] = []
    position = 0
    for line in diff[2:]:
        if line.startswith("@@"):
            start, length = (int(part) for part in line.split()[1][1:].split(","))
            first = start - 1 if length else start
            after += before[position:first]
            position = first
        elif line[0] == "+":
            after.append(line[1:])
        else:
            assert before[position] == line[1:]
            position += 1
            if line[0] == " ":
                after.append(line[1:])
    return after + before[position:]
