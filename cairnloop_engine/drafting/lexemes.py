"""The words of a question that a sentence can answer to. No IO in this module."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:[.\-_'’][^\W_]+)*")

# Function words of English; other languages keep theirs, which weigh little by being frequent.
_STOP_WORDS = """
    a about after again all also am an and any anybody anyone anything are as at back be because
    been before being but by can cannot can't could did didn't do does doesn't doing don't down
    else even ever every for from get gets getting go goes going got had has have having he hello
    help her here hers hey hi him his how however i i'd i'll i'm i've if in into is isn't it it's
    its just know let like make makes many maybe me might more most much must my need no nor not
    now of off ok on once one only or other our ours out over own please possible really same
    say see seem she should since so some somehow something still such take tell than thank thanks
    that that's the their them then there these they thing things this those though to too try
    trying until up us use used using very want was wasn't way we well were what what's when where
    which while who whom why will with within without won't would you you're your yours
"""
_STOP = frozenset(_STOP_WORDS.split())
_SUFFIXES = ("ingly", "edly", "ings", "ies", "ing", "ied", "ed", "es", "ly", "s", "e")
_SHORTEST_STEM = 3


def stem(word: str) -> str:
    """A word without its English ending, so that "resetting" meets "reset"."""
    if any(character.isdigit() for character in word):
        return word
    for suffix in _SUFFIXES:
        root = word[: -len(suffix)]
        if word.endswith(suffix) and len(root) >= _SHORTEST_STEM:
            if suffix in ("ies", "ied"):
                return root + "y"
            doubled = len(root) > _SHORTEST_STEM and root[-1] == root[-2] and root[-1] not in "lsz"
            return root[:-1] if doubled else root
    return word


def lexemes(text: str) -> frozenset[str]:
    """The stems of the content words of a text."""
    return frozenset(root for _, root in content_words(text))


def content_words(text: str) -> list[tuple[str, str]]:
    """The content words of a text in reading order, each as it stands and as its stem."""
    words = ((match.group(), plain(match.group())) for match in _WORD.finditer(text))
    return [(word, stem(folded)) for word, folded in words if folded not in _STOP]


def plain(word: str) -> str:
    """A word as it is compared: case folded, with a straight apostrophe."""
    return word.casefold().replace("’", "'")


def all_words(text: str) -> list[str]:
    """Every word of a text in reading order, as it is compared."""
    return [plain(match.group()) for match in _WORD.finditer(text)]


def tells(word: str) -> bool:
    """Whether a word is a content word."""
    return plain(word) not in _STOP
