"""Taking personal data and secrets out of text before it is kept as an excerpt."""

from __future__ import annotations

import re

_RULES = (
    (re.compile(r"(https?://[^\s?#]+)[?#]\S*"), r"\1?[query]"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[email]"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"), "[iban]"),
    (re.compile(r"\b(?:sk|pk|ghp|xox[abp]|key|tok)[-_][A-Za-z0-9_-]{8,}\b"), "[secret]"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+\b"), "[secret]"),
    (re.compile(r"\b[A-Fa-f0-9]{32,}\b"), "[secret]"),
    (re.compile(r"\b(?:\d[ -]?){13,19}\b"), "[card]"),
    (re.compile(r"(?<!\w)\+?\d(?:[ ()./-]?\d){7,14}(?!\w)"), "[phone]"),
)


def redact(text: str) -> str:
    """Addresses, phone and card numbers, IBANs, keys and URL queries as typed placeholders."""
    for pattern, placeholder in _RULES:
        text = pattern.sub(placeholder, text)
    return text
