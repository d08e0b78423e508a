"""The figures, amounts, dates, links and addresses in a text, in one spelling each. Pure."""

from __future__ import annotations

import re

_NUMBER_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty
"""
# "one" is a pronoun more often than a number.
_SPELT = {word: str(value) for value, word in enumerate(_NUMBER_WORDS.split()) if word != "one"} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "hundred": "100",
    "thousand": "1000",
    "million": "1000000",
    "dozen": "12",
    "twice": "2",
    "half": "0.5",
}
_SPELT_WORD = re.compile(rf"\b(?:{'|'.join(_SPELT)})\b", re.IGNORECASE)
# Days and months are part of a date; "march" and "may" are words as well.
_OF_DATES = """
    monday tuesday wednesday thursday friday saturday sunday today tomorrow tonight yesterday
    january february april june july august september october november december
"""
_DATE_WORDS = frozenset(_OF_DATES.split())
_TWO_FACED_MONTH = re.compile(r"\b(?:(?:\d{1,2}(?:st|nd|rd|th)? )(march|may)|(march|may) \d)\b")

_CORE = re.compile(r"\d+(?:[.,:/]\d+)*")
_NAMED = re.compile(r"\b[^\W\d_]+-?\d[\w-]*")
_LIST_NUMBER = re.compile(r"^[ \t]*\d{1,3}[.)](?=\s)", re.MULTILINE)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))")

_SIGNS = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen"}
_CURRENCIES = {
    "usd": "dollar",
    "dollar": "dollar",
    "dollars": "dollar",
    "eur": "euro",
    "euro": "euro",
    "euros": "euro",
    "gbp": "pound",
    "pound": "pound",
    "pounds": "pound",
    "cent": "cent",
    "cents": "cent",
    "percent": "%",
    "%": "%",
}
_NUMBER = r"\d+(?:[.,]\d+)*"
_SIGNED = re.compile(rf"([$€£¥])\s?({_NUMBER})|({_NUMBER})\s?([$€£¥])")
_UNITED = re.compile(rf"({_NUMBER})\s?(%|(?:{'|'.join(sorted(_CURRENCIES)[1:])})\b)")
_CODED = re.compile(rf"\b(usd|eur|gbp)\s?({_NUMBER})")

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_LINK = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,15}://[^\s<>()\[\]\"'“”]+"
    r"|\b(?:www\.|mailto:|javascript:|data:|tel:)[^\s<>()\[\]\"'“”]+"
    r"|\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|app|co|ai|info|biz|example|test|me|de|fr|uk|eu|us"
    r"|xyz|ru|cn|link|site|online|shop|cloud|support|help|store|click|top)\b(?:/[^\s<>()\[\]\"']*)?"
    r"|(?<=\]\()[^\s)]+"
)


def numbers(text: str) -> frozenset[str]:
    """Every number, spelt or not, every code with digits in it, and the words of dates."""
    said = _LIST_NUMBER.sub(" ", text.casefold())
    cores = {_core(found) for found in _CORE.findall(said)}
    named = set(_NAMED.findall(said))
    words = set(re.findall(r"[^\W\d_]+", said))
    spelt = {value for word, value in _SPELT.items() if word in words}
    months = {month for pair in _TWO_FACED_MONTH.findall(said) for month in pair if month}
    return frozenset(cores | named | spelt | (words & _DATE_WORDS) | months)


def without_spelt(text: str) -> str:
    """The text without numbers in words, for comparing the other words."""
    return _SPELT_WORD.sub(" ", text)


def amounts(text: str) -> frozenset[tuple[str, str]]:
    """Every price and share as number and unit, so that 20 days are no 20 %."""
    said = text.casefold()
    found: set[tuple[str, str]] = set()
    for before, first, second, behind in _SIGNED.findall(said):
        found.add((_core(first or second), _SIGNS[before or behind]))
    for number, unit in _UNITED.findall(said):
        found.add((_core(number), _CURRENCIES[unit]))
    for unit, number in _CODED.findall(said):
        found.add((_core(number), _CURRENCIES[unit]))
    return frozenset(found)


def addresses(text: str) -> frozenset[str]:
    """Every e-mail address."""
    return frozenset(found.rstrip(".") for found in _ADDRESS.findall(text.casefold()))


def links(text: str) -> frozenset[str]:
    """Every link, whatever its scheme, also without one."""
    without = _ADDRESS.sub(" ", text.casefold())
    return frozenset(_link(found) for found in _LINK.findall(without))


def _core(number: str) -> str:
    plain = _THOUSANDS.sub("", number)
    return plain[:-3] if plain.endswith(".00") else plain


def _link(found: str) -> str:
    bare = found.rstrip(".,;:!?/").removeprefix("https://").removeprefix("http://")
    return bare.removeprefix("www.")
