"""What a word may have been meant as: typos by their edit distance. No IO in this module.

One edit (a letter too many, too few, another one, or two swapped) is undone by trying every
variant of the word as it was typed; the database then says which of them, stemmed, stand in the
knowledge. So the work does not grow with the vocabulary. Two edits are looked for in long words
only, between stems, among the vocabulary that begins with the same letters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# In a shorter word nearly every edit gives another word.
SHORTEST = 4
# From this length on two edits are forgiven, if the word begins right.
SHORTEST_FOR_TWO = 8
SURE_LETTERS = 3
LONGEST = 24
# How many words of one question are corrected: the first ones.
MOST_WORDS = 4

_LATIN = "abcdefghijklmnopqrstuvwxyz"
_ACCENTED = "àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿœßąćęłńśźżčďěňřšťůžğışőű"
_ALPHABETS = (
    ("\u0370", "\u03ff", "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώ"),
    ("\u0400", "\u04ff", "абвгдежзийклмнопрстуфхцчшщъыьэюяёєіїґ"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """A word of the knowledge: as it would be written, its lexeme, and how common it is."""

    word: str
    lexeme: str
    n_docs: int


def correctable(word: str, *, shouted: bool) -> bool:
    """Whether a word that nobody uses may be a typo.

    Never a name in capitals, unless the whole question is ``shouted`` in them.
    """
    return (
        SHORTEST <= len(word) <= LONGEST
        and word.isalpha()
        and (shouted or not word.isupper())
        and _alphabet(word.casefold()) != ""
    )


def variants(word: str) -> list[str]:
    """Every string that is one edit away from a word, in the letters of its script."""
    alphabet = _alphabet(word)
    halves = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    shorter = (left + right[1:] for left, right in halves if right)
    swapped = (left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1)
    other = (left + letter + right[1:] for left, right in halves if right for letter in alphabet)
    longer = (left + letter + right for left, right in halves for letter in alphabet)
    made = dict.fromkeys(one for kind in (swapped, shorter, other, longer) for one in kind)
    made.pop(word, None)
    return list(made)


def nearest(word: str, known: Iterable[Known]) -> Known | None:
    """The likeliest of the words one edit away: one that begins alike, then the most common.

    Several variants may have one stem; people slip in the middle, and leave letters out.
    """

    def unlikely(one: Known) -> tuple[bool, int, bool, int, str]:
        ends_otherwise = one.word[-1:] != word[-1:]
        return one.word[:1] != word[:1], -one.n_docs, ends_otherwise, -len(one.word), one.word

    return min(known, key=unlikely, default=None)


def within_two(lexeme: str, known: Sequence[Known]) -> Known | None:
    """The nearest of these lexemes within two edits; of several, the most common."""
    if not known:
        return None
    edits = distances(lexeme, [one.lexeme for one in known])
    near = [
        (int(n), -one.n_docs, one.lexeme, one)
        for n, one in zip(edits, known, strict=True)
        if n <= 2
    ]
    return min(near)[3] if near else None


def distances(word: str, others: Sequence[str]) -> npt.NDArray[np.int_]:
    """The optimal string alignment distance of a word to each of the others, all at once.

    Edits are insertion, deletion, substitution and the swap of neighbours; no letter is edited
    twice. One row of the usual table is computed for all the words together.
    """
    widest = max(map(len, others), default=0)
    # One row a place, so that a step reads memory in order.
    letters = np.zeros((widest, len(others)), dtype=np.int32)
    for number, other in enumerate(others):
        letters[: len(other), number] = [ord(letter) for letter in other]
    before = np.zeros((widest + 1, len(others)), dtype=np.int16)
    above = np.zeros_like(before) + np.arange(widest + 1, dtype=np.int16)[:, None]
    for row, letter in enumerate(word, start=1):
        current = np.empty_like(above)
        current[0] = row
        differs = letters != ord(letter)
        swaps = (letters[1:] == ord(word[row - 2])) & ~differs[:-1] if row > 1 else None
        for column in range(1, widest + 1):
            best = np.minimum(above[column], current[column - 1]) + 1
            best = np.minimum(best, above[column - 1] + differs[column - 1])
            if swaps is not None and column > 1:
                swapped = before[column - 2] + 1
                best = np.where(swaps[column - 2], np.minimum(best, swapped), best)
            current[column] = best
        before, above = above, current
    lengths = [len(other) for other in others]
    found: npt.NDArray[np.int_] = above[lengths, np.arange(len(others))].astype(np.int_)
    return found


def _alphabet(word: str) -> str:
    """The letters that a typo in this word may have had instead; empty for other scripts."""
    if word.isascii():
        return _LATIN
    for first, last, letters in _ALPHABETS:
        if all(first <= letter <= last for letter in word):
            return letters
    return _LATIN + _ACCENTED if all(letter < "\u0250" for letter in word) else ""
