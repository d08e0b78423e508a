"""Whether a customer's message stands on its own, and which topic it takes over. Pure.

Rules of thumb for English; a message in another language counts as complete once it has three
telling words, so that nothing is added to it.
"""

from __future__ import annotations

import re
from itertools import pairwise

from cairnloop_engine.drafting.lexemes import all_words, content_words, lexemes, tells
from cairnloop_engine.knowledge.sentences import sentences

# More telling words than this are the start of a story, not the topic of a question.
MOST_CARRIED = 8
# From this many telling words on, a sentence without a dangling "it" says what it is about.
COMPLETE = 3
# A "what about …" with more telling words than this is a question of its own.
LONGEST_ELLIPSIS = 3
# With this many telling words a pronoun has something in its own sentence to point at.
RICH = 6
# Scripts without spaces put a whole sentence into one word.
LONG_WITHOUT_SPACES = 8

_NEW_TOPIC = re.compile(
    r"\b(?:(?:an?other|different|separate|unrelated|new|second|further) "
    r"(?:question|topic|issue|thing|problem|matter|subject|request|note)"
    r"|one more (?:question|thing)|something else|by the way|btw)\b"
)
_OF_TOPICS = """
    another btw different else further issue matter new note problem question request second
    separate subject thing topic unrelated way
"""
_TOPIC_WORDS = frozenset(_OF_TOPICS.split())
_LINK = re.compile(r"^(?:(?:and|but|or|so|then|also|plus|ok|okay|thanks|great)\b[\s,.!:]*)+")
_ELLIPSIS = re.compile(
    r"^(?:what about|how about|what if|what of|same (?:for|with|question)|instead of"
    r"|(?:on|in|for|with|from|to|at|by|via|after|before|without|using|only)\b)"
)
_CLAUSE = re.compile(
    r"^(?:how|where|when|why|who|what|which|can|could|do|does|did|is|are|was|will|would|should"
    r"|may|i|we)\b.*\b(?:i|we|my|our|you|your)\b|^(?:i|we|my|our)\b"
)
_LATIN = re.compile(r"[a-z]")
_OWN = re.compile(r"\b(?:my|our)\b")
_POINTING = frozenset({"it", "its", "they", "them", "their", "theirs", "he", "she", "him"})
_SHOWING = frozenset({"this", "that", "these", "those"})
_NO_POINTING = frozenset({"the", "a", "an", "i", "my", "we", "our", "you", "your", "there"})
# "Is it possible to …" points at nothing.
_EXPLETIVE = re.compile(
    r"\b(?:is it|it is|it's|its|was it|would it be) (?:\w+ )?"
    r"(?:possible|allowed|ok|okay|safe|necessary|true|normal|too late|enough|better)\b"
    r"|\bit (?:seems|looks|appears)\b"
)


def is_complete(message: str) -> bool:
    """Whether a message says what it is about."""
    said = _plain(message)
    telling = len(lexemes(said))
    linked = _LINK.sub("", said)
    if _dangles(linked, telling):
        return False
    if _ELLIPSIS.match(linked):
        return telling > LONGEST_ELLIPSIS
    if telling >= COMPLETE:
        return True
    if telling == 0:
        return False
    if not _LATIN.search(said):
        return len(said) >= LONG_WITHOUT_SPACES
    if telling == 1:
        return bool(_CLAUSE.match(linked) and _OWN.search(linked))
    return bool(_CLAUSE.match(linked))


def starts_anew(message: str) -> bool:
    """Whether the customer says that this is about something else."""
    said = _plain(message)
    return bool(_NEW_TOPIC.search(said)) and bool(lexemes(said) - _TOPIC_WORDS)


def together(fresh: list[str]) -> list[str]:
    """The messages in a row, newest first, that ask one thing; the newest is always among them.

    An older message that asks something else, and small talk, are left out.
    """
    if not fresh:
        return []
    newest, kept = fresh[0], [fresh[0]]
    if starts_anew(newest):
        return kept
    for older in fresh[1:]:
        if not lexemes(older):
            continue
        if _asks(newest) and _asks(older) and not lexemes(newest) & lexemes(older):
            break
        kept.append(older)
    return kept


def carried(parts: list[str], before: list[str]) -> str:
    """The telling words of the question before, for words that lean on it.

    ``parts`` and ``before`` are newest first. Of "and on Android?" … "and on iPhone?" only the
    question that both lean on is taken over.
    """
    if any(starts_anew(part) for part in parts):
        return ""
    known = frozenset[str]().union(*(lexemes(part) for part in parts))
    parallel = any(_is_ellipsis(part) for part in parts)
    words: list[str] = []
    for older in before:
        complete = is_complete(older)
        if complete or not (parallel and _is_ellipsis(older)):
            words = [*_topic(older, known), *words]
        if complete:
            break
    return " ".join(list(dict.fromkeys(words))[:MOST_CARRIED])


def _topic(message: str, known: frozenset[str]) -> list[str]:
    """The telling words of what a message asks, or of how it begins."""
    told = sentences(message)
    asked = [sentence for sentence in told if sentence.endswith("?")] or told
    chosen = next((one for one in reversed(asked) if lexemes(one)), message)
    return [word for word, root in content_words(chosen) if root not in known]


def _asks(message: str) -> bool:
    return "?" in message and is_complete(message)


def _is_ellipsis(message: str) -> bool:
    return bool(_ELLIPSIS.match(_LINK.sub("", _plain(message)))) and not is_complete(message)


def _dangles(said: str, telling: int) -> bool:
    """Whether a pronoun points at something that an earlier message named."""
    if telling >= RICH:
        return False
    words = all_words(_EXPLETIVE.sub(" ", said))
    named = 0
    for word, following in pairwise([*words, ""]):
        if named >= 2:
            return False
        if word in _POINTING or (word in _SHOWING and _points(following)):
            return True
        named += tells(word)
    return False


def _points(following: str) -> bool:
    """Whether "this" or "that" before this word stands for something, rather than showing it."""
    return not following or (not tells(following) and following not in _NO_POINTING)


def _plain(message: str) -> str:
    return " ".join(message.casefold().replace("’", "'").split())
