"""An article cut into passages: about 120 words, overlapping, at block borders. No IO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from cairnloop_engine.knowledge.markdown import Block, BlockKind, Document
from cairnloop_engine.knowledge.sentences import cut, n_words, sentences

WORDS = 120
# What a chunk repeats of the one before: a step of 90 words.
OVERLAP = 30
# A chunk at least this full rather ends at a block border than in the middle of a block.
FULL_ENOUGH = 60

PATH_SEPARATOR = " > "


@dataclass(frozen=True, slots=True)
class Chunk:
    """One passage. ``heading`` is the path of headings above it, without the article's title."""

    position: int
    heading: str
    content: str


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never torn: a sentence, a list item, a line of code or of a table."""

    text: str
    words: int
    # How it is joined to the unit before it.
    joint: str


def chunk(document: Document) -> tuple[Chunk, ...]:
    """The passages of an article in reading order; no passage crosses a heading."""
    found: list[Chunk] = []
    for path, blocks in groupby(document.blocks, key=lambda block: block.path):
        heading = PATH_SEPARATOR.join(path)
        for content in _packed(list(blocks)):
            found.append(Chunk(len(found), heading, content))
    return tuple(found)


def _packed(blocks: Sequence[Block]) -> Iterator[str]:
    taken: list[_Unit] = []
    fresh = False
    for block in blocks:
        units = list(_units(block))
        size = sum(unit.words for unit in units)
        if fresh and _size(taken) >= FULL_ENOUGH and _size(taken) + size > WORDS:
            yield _joined(taken)
            taken, fresh = _tail(taken), False
        for unit in units:
            if fresh and _size(taken) + unit.words > WORDS:
                yield _joined(taken)
                taken, fresh = _tail(taken), False
            if not fresh and _size(taken) + unit.words > WORDS:
                taken = []
            taken.append(unit)
            fresh = True
    if fresh:
        yield _joined(taken)


def _units(block: Block) -> Iterator[_Unit]:
    joint = "\n"
    for piece in _pieces(block):
        for part in [piece] if n_words(piece) <= WORDS else cut(piece, WORDS):
            yield _Unit(part, n_words(part), joint)
            joint = "\n" if block.kind is BlockKind.CODE else " "


def _pieces(block: Block) -> list[str]:
    if block.kind is BlockKind.CODE:
        return [line for line in block.text.splitlines() if line.strip()]
    if block.kind is not BlockKind.PROSE and n_words(block.text) <= WORDS:
        return [block.text]
    return sentences(block.text)


def _tail(taken: Sequence[_Unit]) -> list[_Unit]:
    """The last units that together are small enough to be repeated."""
    room = OVERLAP
    start = len(taken)
    while start > 1 and taken[start - 1].words <= room:
        start -= 1
        room -= taken[start].words
    return list(taken[start:])


def _size(taken: Sequence[_Unit]) -> int:
    return sum(unit.words for unit in taken)


def _joined(taken: Sequence[_Unit]) -> str:
    first, *rest = taken
    return first.text + "".join(unit.joint + unit.text for unit in rest)
