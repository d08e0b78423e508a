"""Taking personal data and secrets out of text before it is kept as an excerpt."""

from __future__ import annotations

import re
from collections.abc import Callable

Replacement = str | Callable[[re.Match[str]], str]

EMAIL, PHONE, NUMBER = "[redacted-email]", "[redacted-phone]", "[redacted-number]"
CARD, IBAN, SECRET = "[redacted-card]", "[redacted-iban]", "[redacted-secret]"
QUERY = "[redacted-query]"

# Dates, times and network addresses consist of digits and separators, too.
_NO_PHONE = re.compile(
    r"\d{4}-\d\d-\d\d\D?.*|\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{1,3}(?:\.\d{1,3}){3}"
)


def _without_query(url: re.Match[str]) -> str:
    scheme, place, query = url[1], url[2], url[3]
    credentials, at, rest = place.rpartition("@")
    if at and "/" not in credentials:
        place = f"{SECRET}@{rest}"
    return f"{scheme}{place}?{QUERY}" if query else f"{scheme}{place}"


def _without_phone(digits: re.Match[str]) -> str:
    if _NO_PHONE.fullmatch(digits[0]):
        return digits[0]
    return NUMBER if digits[0].isdecimal() and digits[0][0] != "0" else PHONE


def _without_address(words: re.Match[str]) -> str:
    return EMAIL if words[1] else words[0]


# In this order. Each pattern takes time in proportion to the text, whatever is in it: it matches
# from the beginning of a word only, or takes what it looked at along, or is bounded.
_RULES: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]{1,40}-----.*?(?:-----END [A-Z ]{1,40}-----|\Z)", re.DOTALL),
        SECRET,
    ),
    (re.compile(r"(https?://)([^\s?#]+)([?#]\S*)?", re.IGNORECASE), _without_query),
    # A JSON Web Token, and keys that say by their first letters whose they are.
    (re.compile(r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), SECRET),
    (
        re.compile(
            r"(?<![\w-])(?:[a-z]{2,12}[-_](?:live|test|prod|secret)|sk|pk|rk|tok|key|gh[a-z]"
            r"|github_pat|glpat|npm|xox[a-z])[-_](?=[\w-]*\d)[\w-]{8,}",
            re.IGNORECASE,
        ),
        SECRET,
    ),
    (re.compile(r"(?<!\w)(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)|(?<!\w)AIza[\w-]{35}"), SECRET),
    (re.compile(r"(?<!\w)[A-Fa-f0-9]{32,}(?!\w)"), SECRET),
    (
        re.compile(
            r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*[0-9])[A-Za-z0-9_-]{40,}(?![\w-])"
        ),
        SECRET,
    ),
    # A secret that is called one: always after a colon, after "is" when it does not look a word.
    (re.compile(r"(?<!\w)(bearer\s+)(?=\S*\d)\S{8,}", re.IGNORECASE), rf"\g<1>{SECRET}"),
    (
        re.compile(
            r"(?<![^\W_])(pass(?:word|wort|phrase|code)|passwd|pwd|secret|token|api[ _-]?key"
            r"|credentials?)(\s*[:=]\s*|\s+(?:is|ist)\s+(?=\S*[\d!@$%^&*]))[^\s,;]+",
            re.IGNORECASE,
        ),
        rf"\g<1>\g<2>{SECRET}",
    ),
    (re.compile(r"[\w.+%'-]+(@(?:[\w-]+\.)+[\w-]{2,})?"), _without_address),
    (
        re.compile(
            r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?!\w)",
            re.IGNORECASE,
        ),
        IBAN,
    ),
    (re.compile(r"(?<!\w)\d(?:[ -]?\d){12,18}(?!\w)"), CARD),
    (re.compile(r"(?<![\w+])(?:\+ ?|\()?\d(?:[ ()./-]{0,2}\d){6,14}(?!\w)"), _without_phone),
    (re.compile(r"(?<!\w)\d{5,}(?!\w)"), NUMBER),
)


def redact(text: str) -> str:
    """Addresses, phone and card numbers, long numbers, IBANs, keys and URL queries replaced.

    Each leaves a placeholder that tells what it was, such as ``[redacted-email]``. Redact before
    cutting: half an address is not recognised.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
