"""A passage of the knowledge base as pieces that can be quoted to a customer. No IO here.

Passages are plain text already: the index keeps no markup, one line for each list item, row of
a table or line of code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cairnloop_engine.knowledge.sentences import sentences

_ITEM = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])\s")
# Left-over footnotes of the source would read as our citations; "list[0]" is code.
_FOOTNOTE = re.compile(r"(?<![\w\])])\s?\[\d{1,3}\]")


@dataclass(frozen=True, slots=True)
class Unit:
    """One sentence, or one line that stands on its own; ``line`` numbers the source's lines."""

    text: str
    line: int
    is_item: bool = False


def units(passage: str) -> list[Unit]:
    """The units of a passage in reading order."""
    return list(_units(passage))


def joined(chosen: Sequence[Unit]) -> str:
    """Units as they read best: sentences of one line together, every other line on its own."""
    text = ""
    previous: Unit | None = None
    for unit in chosen:
        if previous is not None:
            text += " " if unit.line == previous.line else "\n"
        text += unit.text
        previous = unit
    return text


def _units(passage: str) -> Iterator[Unit]:
    for number, line in enumerate(passage.splitlines()):
        shown = _FOOTNOTE.sub("", line).rstrip()
        if _ITEM.match(shown):
            yield Unit(shown, number, is_item=True)
        else:
            yield from (Unit(sentence, number) for sentence in sentences(shown))
