"""What changed between two texts, line by line. No IO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from cairnloop_engine.knowledge.texts import Text

CONTEXT = 3
# Comparing costs the product of the lines that differ at worst; past this, what lies between the
# first and the last difference is told as replaced.
MOST_COMPARED = 4_000_000

Opcode = tuple[str, int, int, int, int]


def unified(old: Text, new: Text, *, names: tuple[str, str]) -> list[str]:
    """A unified diff without line ends; empty when nothing changed. The title is its first line."""
    before, after = _lines(old), _lines(new)
    if before == after:
        return []
    lines = [f"--- {names[0]}", f"+++ {names[1]}"]
    for group in _groups(before, after):
        first, last = group[0], group[-1]
        span_before, span_after = (first[1], last[2]), (first[3], last[4])
        lines.append(f"@@ -{_span(*span_before)} +{_span(*span_after)} @@")
        for tag, from_before, to_before, from_after, to_after in group:
            if tag == "equal":
                lines += [f" {line}" for line in before[from_before:to_before]]
                continue
            lines += [f"-{line}" for line in before[from_before:to_before]]
            lines += [f"+{line}" for line in after[from_after:to_after]]
    return lines


def _lines(text: Text) -> list[str]:
    if not text.title and not text.content:
        return []
    return [f"title: {text.title}", "", *text.content.split("\n")]


def _groups(before: Sequence[str], after: Sequence[str]) -> Iterator[list[Opcode]]:
    """The changes with the lines around them, numbered as in the whole texts."""
    start, tail = _shared(before, after)
    skipped = max(0, start - CONTEXT)
    kept = max(0, tail - CONTEXT)
    old, new = before[skipped : len(before) - kept], after[skipped : len(after) - kept]
    if (len(before) - start - tail) * (len(after) - start - tail) > MOST_COMPARED:
        lead, rest = start - skipped, tail - kept
        groups: Iterator[list[Opcode]] = iter([_replaced(len(old), len(new), lead, rest)])
    else:
        groups = iter(SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT))
    for group in groups:
        yield [
            (tag, a + skipped, b + skipped, c + skipped, d + skipped) for tag, a, b, c, d in group
        ]


def _shared(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many lines both begin with, and how many of the others both end with."""
    shorter = min(len(before), len(after))
    start = next((n for n in range(shorter) if before[n] != after[n]), shorter)
    rest = shorter - start
    tail = next((n for n in range(rest) if before[-1 - n] != after[-1 - n]), rest)
    return start, tail


def _replaced(n_before: int, n_after: int, lead: int, rest: int) -> list[Opcode]:
    to_before, to_after = n_before - rest, n_after - rest
    whole: list[Opcode] = [
        ("equal", 0, lead, 0, lead),
        ("replace", lead, to_before, lead, to_after),
        ("equal", to_before, n_before, to_after, n_after),
    ]
    return [opcode for opcode in whole if opcode[1] < opcode[2] or opcode[3] < opcode[4]]


def _span(start: int, end: int) -> str:
    # An empty range is named by the line before it, as diff does.
    length = end - start
    return f"{start + 1 if length else start},{length}"
