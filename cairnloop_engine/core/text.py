"""Text from outside, made safe to draw, to store and to compare. Nothing here ever raises."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from cairnloop_engine.core.redaction import redact

__all__ = [
    "has_hidden",
    "humanise",
    "is_blank",
    "normalise_line",
    "redact",
    "safe",
    "storable",
    "truncate",
]

MOST_COMBINING = 4
TAB = "    "

_INVISIBLE = (
    {0x061C, 0x200E, 0x200F, 0x00AD, 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0}
    | set(range(0x202A, 0x202F))
    | set(range(0x2060, 0x2070))
    | set(range(0x180B, 0x180F))
    | {0x200B, 0x200C, 0xFEFF, 0x2028, 0x2029}
    | set(range(0xE0000, 0xE0080))
)
_JOINERS = {0x200D, 0xFE0F}
_PLAIN = re.compile(r"[\n\x20-\x7e]*\Z")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_EMOJI = re.compile("[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff]")


@lru_cache(maxsize=4096)
def _shown(character: str) -> str:
    """What stands for one character that is neither plain nor context-dependent."""
    code = ord(character)
    if character == "\t":
        return TAB
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0x80 <= code <= 0x9F:
        return f"⟨{code:02X}⟩"
    if code in _INVISIBLE or code in _JOINERS:
        return f"⟨U+{code:04X}⟩"
    if unicodedata.category(character) in ("Cs", "Cn", "Co"):
        return "\ufffd"
    return character


def _cleaned(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _PLAIN.match(text):
        return text
    out: list[str] = []
    combining = 0
    for position, character in enumerate(text):
        if character == "\n" or " " <= character <= "~":
            combining = 0
            out.append(character)
            continue
        if unicodedata.combining(character) or unicodedata.category(character) == "Me":
            combining += 1
            if combining <= MOST_COMBINING:
                out.append(character)
            continue
        combining = 0
        if ord(character) in _JOINERS and _joins(text, position):
            out.append(character)
            continue
        out.append(_shown(character))
    return "".join(out)


def _joins(text: str, position: int) -> bool:
    before = text[position - 1] if position else ""
    if before == "\ufe0f" and position > 1:
        before = text[position - 2]
    if not _EMOJI.match(before):
        return False
    if text[position] == "\ufe0f":
        return True
    return position + 1 < len(text) and _EMOJI.match(text[position + 1]) is not None


def safe(
    text: str, *, multiline: bool = False, limit: int | None = None, max_lines: int | None = None
) -> str:
    """What a view may hold: nothing that a terminal would obey, nothing invisible (spec 05 §10.1).

    On one line, newlines become spaces. ``limit`` counts characters, ``max_lines`` lines; what
    is left out is counted at the end.
    """
    # Enough for the limit, whatever the cleaning adds; a megabyte is not cleaned to show a line.
    enough = text if limit is None else text[: limit + 1]
    shown = _cleaned(enough)
    if not multiline:
        shown = " ".join(shown.split("\n")) if "\n" in shown else shown
    hidden = len(text) - len(enough)
    if max_lines is not None and shown.count("\n") >= max_lines:
        lines = shown.split("\n")
        dropped = "\n".join(lines[max_lines:])
        hidden += len(dropped)
        shown = "\n".join(lines[:max_lines])
    if limit is not None and len(shown) > limit:
        hidden += len(shown) - limit
        shown = shown[:limit]
    if not hidden:
        return shown
    return f"{shown}… +{hidden} chars" if multiline else f"{shown}…"


def has_hidden(text: str) -> bool:
    """Whether something is in there that a reader would not see, or see wrongly."""
    return _cleaned(text).replace(TAB, "\t") != text.replace("\r\n", "\n").replace(TAB, "\t")


def is_blank(text: str) -> bool:
    """Whether nothing in the text can be seen."""
    return all(
        character.isspace()
        or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Mn", "Me")
        or ord(character) in _INVISIBLE
        for character in text
    )


def storable(text: str) -> str:
    """The text as Postgres can hold it: NUL and lone surrogates replaced, nothing else changed."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return _LONE_SURROGATE.sub("\ufffd", text)


def humanise(word: str) -> str:
    """``awaiting_customer`` or ``AwaitingCustomer`` as words for people."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", word).replace("_", " ").strip()
    return spaced[:1].upper() + spaced[1:]


def truncate(text: str, limit: int) -> str:
    """At most ``limit`` characters, cut at a word where that is near, with an ellipsis."""
    if len(text) <= limit:
        return text
    cut = text[: max(0, limit - 1)]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit // 2 else cut).rstrip() + "…"


def normalise_line(text: str) -> str:
    """The text as it is compared: NFKC, case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
