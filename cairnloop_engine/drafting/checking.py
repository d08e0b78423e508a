"""Whether the sources carry what a reply says, sentence by sentence and without a judge. Pure.

The rules are about form, so that a program can decide them; what they cannot see is a sentence
that uses the words of its source to say the opposite. A person reads every draft.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cairnloop_engine.core.text import has_hidden, is_blank
from cairnloop_engine.drafting import figures
from cairnloop_engine.drafting.lexemes import lexemes
from cairnloop_engine.knowledge.sentences import sentences

# So much of a sentence's telling words stands in the sources that it cites.
SUPPORTED = 0.5
# Of fewer telling words than this, all do.
COMPARABLE = 3
# A literal quote that answers a question has at least so many words.
SHORTEST_QUOTE = 3

_MARKER = re.compile(r"\[(\d+)\]")
# What a reader takes for a citation: "[2]", "[1, 3]", "[1-3]".
_BRACKETS = re.compile(r"\[\s*\d[\d\s,;–-]*\]")
_LOOSE_GROUP = re.compile(r"\[\s*(\d+(?:\s*[,;]\s*\d+)+)\s*\]")
_CROWDED = re.compile(r"(?<=[^\s\[(])\[(?=\d+\])")
_AFTER_THE_STOP = re.compile(r"([.!?…]+[\"'”’)]*)((?:[ \t]*\[\d+\])+)")
_SLOT = re.compile(r"\[[^\W\d_][^\[\]\n]*\](?!\()|\{\{?[^{}\n]*\}\}?|<[^\W\d_][^<>\n]*>")
_STRAIGHT = str.maketrans("“”’‘", "\"\"''")
_LEFT_OUT = "(The article has the rest.)"

_COURTESY_WORDS = """
    answer apolog apology appreciate article ask assist base best care clear concern contact cover
    day dear detail explain feel find follow frustrat further glad good great happy hear hello
    hope inconvenience issue knowledge kind let look mean message patience problem question reach
    read regard regret reply say source sorry step summary support team trouble unclear understand
    welcome write yes
"""
_COURTESY = frozenset().union(*(lexemes(word) | {word} for word in _COURTESY_WORDS.split()))

# What commits us to something, or claims that something was done.
_PROMISE = re.compile(
    r"\b(?:i|we|our team)(?: will| shall| can| have| are going to|'ll|'ve|'re going to"
    r"| guarantee| promise| ensure| commit| just| already)\b"
    r"|\b(?:guarante|promis|refund|credit|compensat|discount|waive|voucher|reimburs)\w*"
    r"|\b(?:free|gift|bonus|at no cost|right away)\b"
    r"|\b(?:has|have) been \w+ed\b"
)
# What claims a deed: nobody has done anything for this customer by drafting a reply.
_DEED = re.compile(
    r"\b(?:i|we)(?:'ve| have)\b|\bi(?:'m| am| will|'ll| can)\b(?! sorry| glad| happy)"
    r"|\b(?:i|we) (?:just|already)\b|\byour\b[^,;]{1,40}\b(?:has|have) been\b"
)


class Fault(StrEnum):
    """Why a model's words are not used; the word is stored as the reason of the fallback."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    HIDDEN_TEXT = "hidden_text"
    PLACEHOLDER = "placeholder"
    UNCITED = "uncited"
    CITATION_UNKNOWN = "citation_unknown"
    NUMBER_UNSUPPORTED = "number_unsupported"
    LINK_UNSUPPORTED = "link_unsupported"
    PROMISE_UNSUPPORTED = "promise_unsupported"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a reply may rest on.

    ``sources`` are the passages by number, title in front. The customer's words may be echoed,
    numbers included; they never support a price, a link or a promise, which ``ours`` (what
    operators wrote in the thread) and the sources do.
    """

    sources: Mapping[int, str]
    ours: str = ""
    customers: str = ""

    @property
    def settled(self) -> str:
        """What stands on our side."""
        return "\n".join([*self.sources.values(), self.ours])

    @property
    def everything(self) -> str:
        return f"{self.settled}\n{self.customers}"


@dataclass(frozen=True, slots=True)
class Told:
    """One sentence of a reply, without its markers, and the numbers that it rests on."""

    text: str
    cited: frozenset[int]
    own: bool


@dataclass(frozen=True, slots=True)
class Marks:
    """What the rules found in one reply: how many sentences state facts, and how they fared."""

    n_facts: int
    n_cited: int
    faults: tuple[Fault, ...]


def tidied(reply: str) -> str:
    """A reply with its markers written one way: ``[1] [2]``, each apart from the word before."""
    spread = _LOOSE_GROUP.sub(
        lambda found: " ".join(f"[{number}]" for number in re.findall(r"\d+", found[1])), reply
    )
    return _CROWDED.sub(" [", spread).strip()


def fault(reply: str, grounds: Grounds, *, max_length: int) -> Fault | None:
    """The first rule that a reply breaks; None when it may become a draft."""
    if is_blank(reply):
        return Fault.EMPTY
    if len(reply) > max_length:
        return Fault.TOO_LONG
    if has_hidden(reply):
        return Fault.HIDDEN_TEXT
    if _SLOT.search(reply):
        return Fault.PLACEHOLDER
    return next(iter(marks(reply, grounds).faults), None)


def marks(reply: str, grounds: Grounds) -> Marks:
    """How a reply fares under every rule about its content."""
    faults: list[Fault] = []
    numbers = {int(number) for number in _MARKER.findall(reply)}
    strange = len(_BRACKETS.findall(reply)) != len(_MARKER.findall(reply))
    if strange or numbers - grounds.sources.keys():
        faults.append(Fault.CITATION_UNKNOWN)

    plain = _BRACKETS.sub(" ", reply)
    if figures.links(plain) - figures.links(grounds.settled):
        faults.append(Fault.LINK_UNSUPPORTED)
    if figures.addresses(plain) - figures.addresses(grounds.everything):
        faults.append(Fault.LINK_UNSUPPORTED)
    if figures.numbers(plain) - figures.numbers(grounds.everything):
        faults.append(Fault.NUMBER_UNSUPPORTED)
    if figures.amounts(plain) - figures.amounts(grounds.settled):
        faults.append(Fault.NUMBER_UNSUPPORTED)

    facts = [told for told in _told(reply, grounds) if _states_a_fact(told.text, grounds)]
    valid = [told for told in facts if _is_cited(told, grounds)]
    if len(valid) < len(facts) or not numbers:
        faults.append(Fault.UNCITED)
    if any(_promises(told, grounds) for told in facts):
        faults.append(Fault.PROMISE_UNSUPPORTED)
    if any(not _is_supported(told, grounds) for told in valid):
        faults.append(Fault.UNSUPPORTED)
    return Marks(len(facts), len(valid), tuple(dict.fromkeys(faults)))


def literal_quote(answer: str, sources: Mapping[int, str]) -> tuple[int, str] | None:
    """The passage that a claimed quote really stands in, and the quote; None when it does not.

    White space and the kind of quotation marks do not count, everything else does.
    """
    claimed = _spaced(answer).strip("\"' ")
    if len(claimed.split()) < SHORTEST_QUOTE or not lexemes(claimed):
        return None
    for number, text in sources.items():
        if claimed in _spaced(text):
            return number, claimed
    return None


def _told(reply: str, grounds: Grounds) -> Iterator[Told]:
    """The sentences of a reply, each with its own markers or the next ones of its paragraph."""
    for paragraph in re.split(r"\n\s*\n", _AFTER_THE_STOP.sub(r"\2\1", reply)):
        following: frozenset[int] = frozenset()
        found: list[Told] = []
        for sentence in reversed(sentences(paragraph)):
            if _is_note(sentence, grounds):
                continue
            own = frozenset(int(number) for number in _MARKER.findall(sentence))
            following = own or following
            text = " ".join(_BRACKETS.sub(" ", sentence).split())
            found.append(Told(text, own or following, bool(own)))
        yield from reversed(found)


def _is_note(sentence: str, grounds: Grounds) -> bool:
    """The line under a reply that names a source: ``[1] Title``."""
    noted = re.fullmatch(r"\[(\d+)\] (.+)", sentence.strip())
    if noted is None:
        return False
    titled = grounds.sources.get(int(noted[1]), "").split("\n", 1)[0]
    named = noted[2].rstrip("…").strip()
    return bool(named) and _spaced(titled).casefold().startswith(_spaced(named).casefold())


def _states_a_fact(text: str, grounds: Grounds) -> bool:
    if text == _LEFT_OUT:
        return False
    telling = lexemes(text) - _COURTESY
    if not telling:
        return False
    if text.endswith("?"):
        # Asking back with words that were used already states nothing.
        return bool(telling - lexemes(grounds.everything))
    return True


def _is_cited(told: Told, grounds: Grounds) -> bool:
    if not told.cited or told.cited - grounds.sources.keys():
        return False
    return told.own or _stands_in(told, grounds)


def _stands_in(told: Told, grounds: Grounds) -> bool:
    """Whether the sentence is quoted letter by letter, perhaps with its end left out."""
    said = _spaced(told.text).rstrip("…").strip()
    return any(said in _spaced(grounds.sources[number]) for number in told.cited)


def _promises(told: Told, grounds: Grounds) -> bool:
    """Whether a sentence commits us to more than its sources say in the same words.

    A claim that something was done needs its source letter by letter.
    """
    said = told.text.casefold().replace("’", "'")
    if _DEED.search(said):
        return not _stands_in(told, grounds)
    if not _PROMISE.search(said):
        return False
    words = lexemes(figures.without_spelt(told.text)) - _COURTESY
    return bool(words - _words_of(told.cited, grounds) - lexemes(grounds.ours))


def _is_supported(told: Told, grounds: Grounds) -> bool:
    words = lexemes(figures.without_spelt(told.text)) - _COURTESY
    # Figures have a rule of their own.
    telling = {word for word in words if not any(map(str.isdigit, word))}
    known = telling & (_words_of(told.cited, grounds) | lexemes(grounds.ours))
    return len(known) >= len(telling) * (SUPPORTED if len(telling) >= COMPARABLE else 1)


def _words_of(numbers: frozenset[int], grounds: Grounds) -> frozenset[str]:
    return frozenset[str]().union(
        *(lexemes(grounds.sources[number]) for number in numbers if number in grounds.sources)
    )


def _spaced(text: str) -> str:
    return " ".join(text.translate(_STRAIGHT).split())
