"""Which texts of an article are embedded, and which sentences of a passage are shown. No IO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairnloop_engine.core.text import normalise_line
from cairnloop_engine.knowledge.sentences import cut, sentences
from cairnloop_engine.retrieval.identifiers import MARK, counted
from cairnloop_engine.retrieval.model import Slot

# An embedder reads about 256 word pieces; what lies far behind costs time and changes nothing.
READ_BY_EMBEDDER = 3_000
# Postgres counts a word at most 256 times in one text and gives up at a megabyte.
WORDS_PER_PIECE = 200
SENTENCES = 3


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk on its way to the embedder."""

    chunk_id: int
    position: int
    heading: str
    content: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One text to embed, and where its vector belongs."""

    slot: Slot
    position: int
    chunk_id: int | None
    text: str


def to_embed(title: str, body: str, passages: Sequence[Passage]) -> list[Entry]:
    """The texts of one article: the whole, its title, and every passage with title and path.

    A document without a title, as evaluations have them, has no text for it either.
    """
    whole = f"{title}\n{body}" if title else body
    entries = [Entry(Slot.DOCUMENT, 0, None, whole[:READ_BY_EMBEDDER])]
    if title:
        entries.append(Entry(Slot.TITLE, 0, None, title))
    for passage in passages:
        above = "".join(f"{name}. " for name in (title, passage.heading) if name)
        text = f"{above}{passage.content}"
        entries.append(
            Entry(Slot.CHUNK, passage.position, passage.chunk_id, text[:READ_BY_EMBEDDER])
        )
    return entries


def word_pieces(body: str) -> list[str]:
    """A body in pieces that Postgres can count completely, cut between words."""
    return cut(body, WORDS_PER_PIECE)


def telling_sentences(
    content: str, lexemes: Sequence[str], *, most: int = SENTENCES
) -> tuple[str, ...]:
    """The sentences that together say most about the words of the question, in reading order.

    Each next sentence is the one that adds most words not covered yet; without any match the
    passage's first sentence stands for it.
    """
    found = sentences(content)
    covers = [_covered(sentence, lexemes) for sentence in found]
    chosen: set[int] = set()
    seen: set[str] = set()
    while len(chosen) < most:
        gains = [(len(cover - seen), -place) for place, cover in enumerate(covers)]
        gain, place = max(gains, default=(0, 0))
        if gain == 0:
            break
        chosen.add(-place)
        seen |= covers[-place]
    if not chosen:
        return tuple(found[:1])
    return tuple(found[place] for place in sorted(chosen))


def _covered(sentence: str, lexemes: Sequence[str]) -> frozenset[str]:
    words = [word.strip(".,;:!?()[]\"'") for word in normalise_line(sentence).split()]
    codes = counted([sentence]) if any(lexeme.startswith(MARK) for lexeme in lexemes) else {}
    return frozenset(
        lexeme
        for lexeme in lexemes
        if lexeme in codes or any(word.startswith(_stem(lexeme)) for word in words)
    )


def _stem(lexeme: str) -> str:
    # Stemmers write "repli" for reply and replies: the last letter is not the word's own.
    return lexeme[:-1] if len(lexeme) > 3 and lexeme.endswith("i") else lexeme
