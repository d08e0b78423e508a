"""Where a sentence ends and how long a text is, in any script. No IO in this module."""

from __future__ import annotations

import re

# A token longer than this stands for several words: a URL, or a script without spaces.
LETTERS_PER_WORD = 20

_END = re.compile(
    r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])|\n+",
)
# A full stop after one of these belongs to the word, not to the sentence.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'])(?:e\.g|i\.e|etc|vs|cf|no|nr|fig|approx|dr|mr|mrs|ms|prof|st|inc|ltd|[A-Z])\.$",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"^(?:[-*•]|\d{1,3}[.)])$")


def sentences(text: str) -> list[str]:
    """The sentences of a plain text, each trimmed; line breaks end one, abbreviations do not."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        piece = text[start : end.start()].strip()
        hard = "\n" in end.group()
        if not hard and (_ABBREVIATION.search(piece) or _LIST_NUMBER.match(piece)):
            continue
        closed = text[start : end.end()].strip()
        start = end.end()
        if closed:
            found.append(closed)
    rest = text[start:].strip()
    if rest:
        found.append(rest)
    return found


def n_words(text: str) -> int:
    """How many words a text is worth to an embedder."""
    return sum(-(-len(token) // LETTERS_PER_WORD) for token in text.split())


def cut(text: str, words: int) -> list[str]:
    """A text in pieces of at most ``words`` words, cut between words where there are any."""
    pieces: list[str] = []
    taken: list[str] = []
    room = words
    for token in _short_tokens(text, words * LETTERS_PER_WORD):
        cost = n_words(token)
        if taken and cost > room:
            pieces.append(" ".join(taken))
            taken, room = [], words
        taken.append(token)
        room -= cost
    if taken:
        pieces.append(" ".join(taken))
    return pieces


def _short_tokens(text: str, letters: int) -> list[str]:
    return [
        token[start : start + letters]
        for token in text.split()
        for start in range(0, len(token), letters)
    ]
