"""Error codes, product numbers and versions in a text, each in one spelling. No IO in this module.

A text search parser takes ``ERR-4012`` for a word and a negative number, so that ``ERR4012`` finds
nothing. Here both are one identifier. The question, the title and the body are read by the same
function, and identifiers are indexed beside the words, under a mark that no word begins with.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# No parser of Postgres makes a lexeme that begins with this.
MARK = "#"
# A longer one is a web address with its query or a key that nobody types.
LONGEST = 80
# Shorter numbers are counts and days; they are words like any other.
FEWEST_DIGITS = 3
# In a question, a word of this many letters may be an identifier that lost its joints.
FEWEST_LETTERS = 5
# What may stand between the parts of an identifier.
JOINTS = "-_./:@#+\\"

_JOINT = re.escape(JOINTS)
# Never from the middle of a word, nor from the thousands of ``1,000``.
_RUN = re.compile(rf"(?<![^\W_])(?<!\d,)@?[^\W_]+(?:[{_JOINT}]{{1,2}}[^\W_]+)*")
_JOINING = re.compile(rf"(?<=\d)([{_JOINT}]+)(?=\d)|[{_JOINT}]+")
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_WORD_BEFORE = re.compile(r"([^\W\d_]{1,12})[ \t]+$")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier as it was written, and ``keys``: the lexemes under which it is looked up.

    The first key is the whole, the others are the numbers in it and, behind a word, the word with
    its number: ``HTTP 502`` is also ``http502``.
    """

    written: str
    keys: tuple[str, ...]


def identifiers(text: str) -> list[Identifier]:
    """The identifiers of a text in reading order, those that repeat as often as they stand there.

    What counts: letters with digits (``E4012``, ``SKU-AB-12-X``), parts joined by ``_``, ``@``,
    ``::`` or several ``/``, and numbers of three digits or more. Case never matters; joints count
    only between two digits, so that ``2.3.1`` stays apart from ``23.1``.
    """
    return list(_all(text, loose=False))


def counted(texts: Iterable[str]) -> Counter[str]:
    """How often each key stands in these texts, as the index keeps it."""
    keys: Counter[str] = Counter()
    for text in texts:
        for found in identifiers(text):
            keys.update(MARK + key for key in found.keys)
    return keys


def asked(question: str) -> list[Identifier]:
    """The identifiers of a question, and its words that may be one without its joints.

    Nobody has to type ``E_CONN_RESET`` the way it is written: ``econnreset`` is looked up as well
    and means nothing when no text holds it.
    """
    return list(_all(question, loose=True))


def _all(text: str, *, loose: bool) -> Iterator[Identifier]:
    for run in _RUN.finditer(text):
        written = run.group()
        # Most runs are plain words.
        if written.isalpha() and not loose:
            continue
        key = _key(written)
        if len(key) > LONGEST:
            continue
        if _is_one(written, key):
            yield Identifier(written, tuple(_keys(text, run.start(), key)))
        elif loose and len(key) >= FEWEST_LETTERS:
            yield Identifier(written, (key,))


def _key(written: str) -> str:
    """``Err_4012`` and ``ERR-4012`` are ``err4012``; between digits every joint is a full stop."""
    return _JOINING.sub(lambda joint: "." if joint[1] else "", written).casefold()


def _is_one(written: str, key: str) -> bool:
    if _DIGIT.search(key):
        return not _NUMBER.fullmatch(key) or _tells(key)
    return any(joint in written for joint in ("_", "@", "::")) or written.count("/") > 1


def _keys(text: str, start: int, key: str) -> Iterator[str]:
    yield key
    numbers = [n for n in _NUMBER.findall(key) if n != key and _tells(n)]
    yield from dict.fromkeys(numbers)
    if key[0].isdigit():
        before = _WORD_BEFORE.search(text, max(0, start - 16), start)
        if before is not None and _tells(key):
            yield before.group(1).casefold() + key


def _tells(number: str) -> bool:
    return sum(c.isdigit() for c in number) >= FEWEST_DIGITS or number.count(".") > 1
