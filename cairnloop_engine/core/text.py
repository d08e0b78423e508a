"""Text from outside, made safe to draw, to store and to compare. Nothing here ever raises."""

from __future__ import annotations

import re
import unicodedata

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

MOST_MARKS = 4
TAB = "    "
REPLACEMENT = "\ufffd"

_ELLIPSIS = "…"
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_PLAIN = re.compile(r"[^\n -~]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# Drawn as nothing or as an empty space, and not in the category of formats (Cf).
_INVISIBLE = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
    | set(range(0x180B, 0x1810))
    | set(range(0xE0000, 0xE0080))
)
# The formats that are drawn: signs which Arabic, Syriac and Kaithi put before numbers.
_DRAWN_FORMATS = frozenset(
    {*range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD}
)

# Allowed in the right company only, which the patterns below look for before the table is used.
_JOINERS = frozenset({0x200C, 0x200D, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)})

_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
# Scripts that tell words apart by a letter which does not join its neighbour: Arabic to Thaana,
# India, Tibet, Burma, Khmer, Mongolia.
_JOINING = "\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af"

_STRAY: tuple[re.Pattern[str], ...] = (
    re.compile(f"(?<![{_EMOJI}])(?<![{_EMOJI}]\ufe0f)\u200d|\u200d(?![{_EMOJI}])"),
    re.compile(f"(?<![{_JOINING}])\u200c|\u200c(?![{_JOINING}])"),
    # After an emoji, or inside a keycap such as 1️⃣.
    re.compile(f"(?<![{_EMOJI}0-9#*])[\ufe0e\ufe0f]|(?<=[0-9#*])[\ufe0e\ufe0f](?!\u20e3)"),
    # Picks one of several forms of an ideograph; a row of them can carry a secret message.
    re.compile("(?<![^\\W\\x00-\\x7f])[\ufe00-\ufe0d\U000e0100-\U000e01ef]"),
)
# No mark is a word character, so that whatever is longer than allowed stands in such a run.
_PILE = re.compile(rf"[^\w\s\x00-\x7f]{{{MOST_MARKS + 1},}}")
_MARKS = ("Mn", "Me")


class _Shown(dict[int, int | str]):
    """A translation table that learns what stands for each character it meets."""

    def __missing__(self, code: int) -> int | str:
        shown = self[code] = _shown(code)
        return shown


def safe(
    text: str, *, multiline: bool = False, limit: int | None = None, max_lines: int | None = None
) -> str:
    """What a view may hold: nothing that a terminal would obey, nothing invisible (spec 05 §10.1).

    On one line, newlines become spaces. ``limit`` counts characters, ``max_lines`` lines. What is
    cut off leaves an ellipsis, on several lines with its length: ``… +340 chars``.
    """
    # One more than is shown tells that something is missing; a megabyte is not read for a line.
    enough = text if limit is None else text[: max(0, limit) + 1]
    shown = _cleaned(enough)
    if not multiline:
        shown = shown.replace("\n", " ")
    missing = len(text) - len(enough)

    fitting = shown
    if max_lines is not None:
        fitting = "\n".join(fitting.split("\n", max(0, max_lines))[: max(0, max_lines)])
    if limit is not None and len(fitting) > limit:
        fitting = _without_broken_end(fitting[: max(0, limit)])
    missing += len(shown) - len(fitting)

    if not missing:
        return shown
    return f"{fitting}{_ELLIPSIS} +{missing} chars" if multiline else f"{fitting}{_ELLIPSIS}"


def has_hidden(text: str) -> bool:
    """Whether something is in there that a reader would not see, or see wrongly."""
    usual = text.replace("\r\n", "\n").replace("\t", TAB)
    return _cleaned(usual) != usual


def is_blank(text: str) -> bool:
    """Whether nothing in the text can be seen."""
    return all(_is_unseen(ord(character)) for character in text.strip())


def storable(text: str) -> str:
    """The text as Postgres can hold it: NUL and lone surrogates replaced, nothing else changed."""
    return _LONE_SURROGATE.sub(REPLACEMENT, text.replace("\x00", REPLACEMENT))


def humanise(word: str) -> str:
    """``awaiting_customer`` or ``AwaitingCustomer`` as words for people."""
    spaced = _CAMEL_HUMP.sub(" ", word).replace("_", " ").strip()
    return spaced[:1].upper() + spaced[1:]


def truncate(text: str, limit: int) -> str:
    """At most ``limit`` characters, cut between words where that is near, with an ellipsis."""
    if len(text) <= limit:
        return text
    if limit <= 0:
        return ""
    cut = text[: limit - 1]
    if not text[limit - 1].isspace():
        words = cut.rsplit(None, 1)
        near = len(words) == 2 and len(cut) - len(words[1]) > limit // 2
        cut = words[0] if near else cut
    return _without_broken_end(cut.rstrip()) + _ELLIPSIS


def normalise_line(text: str) -> str:
    """The text as it is compared: NFKC, case folded, white space collapsed."""
    # Normalising sorts the marks of a character; a million of them would take minutes.
    folded = unicodedata.normalize("NFKC", _PILE.sub(_without_pile, text)).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _cleaned(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not _NOT_PLAIN.search(text):
        return text
    if not text.isascii():
        for stray in _STRAY:
            text = stray.sub(_named, text)
        text = _PILE.sub(_without_pile, text)
    return text.translate(_Shown())


def _shown(code: int) -> int | str:
    """What stands for one character, whatever stands around it."""
    if code == 0x09:
        return TAB
    if code == 0x0A or 0x20 <= code <= 0x7E or code in _JOINERS:
        return code
    if code < 0x20:
        return 0x2400 + code
    if code == 0x7F:
        return 0x2421
    if code <= 0x9F:
        return f"⟨{code:02X}⟩"
    if _is_invisible(code):
        return f"⟨U+{code:04X}⟩"
    return REPLACEMENT if unicodedata.category(chr(code)) in ("Cs", "Cn", "Co") else code


def _is_invisible(code: int) -> bool:
    if code in _INVISIBLE:
        return True
    category = unicodedata.category(chr(code))
    return category in ("Zl", "Zp") or (category == "Cf" and code not in _DRAWN_FORMATS)


def _is_unseen(code: int) -> bool:
    character = chr(code)
    if character.isspace() or _is_invisible(code) or code in _JOINERS:
        return True
    return unicodedata.category(character) in ("Cc", "Cs", *_MARKS)


def _named(stray: re.Match[str]) -> str:
    return f"⟨U+{ord(stray[0]):04X}⟩"


def _without_pile(run: re.Match[str]) -> str:
    """The run with at most the allowed number of marks on each character."""
    kept: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.category(character) in _MARKS else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _without_broken_end(cut: str) -> str:
    """Without half a name such as ``⟨U+20`` and without a joiner that lost its neighbour."""
    opened = cut.rfind("⟨", -len("⟨U+E0000"))
    if opened >= 0 and "⟩" not in cut[opened:] and re.fullmatch(r"⟨[U+0-9A-F]*", cut[opened:]):
        cut = cut[:opened]
    return cut.rstrip("\u200d")
