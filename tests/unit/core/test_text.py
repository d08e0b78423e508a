"""Text from outside: what is shown, what is stored, what is compared."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from cairnloop_engine.core.text import (
    MOST_MARKS,
    has_hidden,
    humanise,
    is_blank,
    normalise_line,
    safe,
    storable,
    truncate,
)

E_ACUTE = "e\u0301"
FAMILY = "👩\u200d👩\u200d👧\u200d👦"
PRIDE = "🏳\ufe0f\u200d🌈"


# What is shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with ümlauts · и кириллица", "plain, with ümlauts · и кириллица"),
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("\x1b[5;5H", "␛[5;5H"),
        ("\x9b5;5H", "⟨9B⟩5;5H"),
        ("a\x00b\x7fc", "a␀b␡c"),
        ("a\tb", "a    b"),
        ("total \u202e00.01", "total ⟨U+202E⟩00.01"),
        ("\u061c\u200e\u200f\u2066\u2069", "⟨U+061C⟩⟨U+200E⟩⟨U+200F⟩⟨U+2066⟩⟨U+2069⟩"),
        ("pass\u200bword\ufeff", "pass⟨U+200B⟩word⟨U+FEFF⟩"),
        ("\u00ad\u034f\u115f\u1160", "⟨U+00AD⟩⟨U+034F⟩⟨U+115F⟩⟨U+1160⟩"),
        ("\u17b4\u17b5\u180e\u2060\u2064", "⟨U+17B4⟩⟨U+17B5⟩⟨U+180E⟩⟨U+2060⟩⟨U+2064⟩"),
        ("\u3164\uffa0\u2800", "⟨U+3164⟩⟨U+FFA0⟩⟨U+2800⟩"),
        ("\u2028\u2029", "⟨U+2028⟩⟨U+2029⟩"),
        ("\U000e0041\U000e007f", "⟨U+E0041⟩⟨U+E007F⟩"),
        ("\ufff9\U0001d173", "⟨U+FFF9⟩⟨U+1D173⟩"),
        ("\ud800\ue000\U000f0000\U0010ffff\u0378", "\ufffd" * 5),
        ("[b]not bold[/b] [@click=app.quit]x[/]", "[b]not bold[/b] [@click=app.quit]x[/]"),
    ],
)
def test_what_a_terminal_would_obey_or_a_reader_would_miss_is_named(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_every_control_character_but_the_newline_is_shown_as_something_else() -> None:
    for code in (*range(0x20), *range(0x7F, 0xA0)):
        shown = safe(f"a{chr(code)}b", multiline=True)
        assert len(shown) > 2
        assert all(unicodedata.category(one) != "Cc" or one == "\n" for one in shown)


def test_line_ends_of_every_system_are_one() -> None:
    assert safe("a\r\nb\rc\nd", multiline=True) == "a\nb\nc\nd"


def test_on_one_line_the_others_follow() -> None:
    assert safe("first\r\nsecond\nthird") == "first second third"


def test_marks_that_pile_up_are_cut_and_letters_that_need_them_stay() -> None:
    assert safe("e" + "\u0301" * 50 + "!") == "e" + "\u0301" * MOST_MARKS + "!"
    assert safe("\u20dd" * 9) == "\u20dd" * MOST_MARKS
    for word in (f"caf{E_ACUTE}", "नमस्ते", "ไม่เป็นไร", "Việt", "שָׁלוֹם", "السَّلَامُ"):
        assert safe(word) == word


def test_each_pile_in_a_run_is_cut_by_itself() -> None:
    pile = "\u0301\u0302\u0303\u0304\u0305\u0306"

    assert safe(f"·{pile}·{pile}") == f"·{pile[:4]}·{pile[:4]}"


@pytest.mark.parametrize(
    "emoji", ["❤\ufe0f", FAMILY, PRIDE, "1\ufe0f\u20e3", "👍🏽", "☕\ufe0e", "🇪🇺"]
)
def test_emoji_stay_whole(emoji: str) -> None:
    assert safe(f"a {emoji}, b") == f"a {emoji}, b"
    assert not has_hidden(emoji)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pay\u200dpal", "pay⟨U+200D⟩pal"),
        ("👍\u200d", "👍⟨U+200D⟩"),
        ("\u200d👍", "⟨U+200D⟩👍"),
        ("👍\u200d\u200d👍", "👍⟨U+200D⟩⟨U+200D⟩👍"),
        ("a\ufe0f", "a⟨U+FE0F⟩"),
        ("1\ufe0f2", "1⟨U+FE0F⟩2"),
        ("❤\ufe0f\ufe0f", "❤\ufe0f⟨U+FE0F⟩"),
        ("a\ufe01\U000e0101", "a⟨U+FE01⟩⟨U+E0101⟩"),
        ("葛\U000e0100\U000e0101", "葛\U000e0100⟨U+E0101⟩"),
        ("no\u200cjoin", "no⟨U+200C⟩join"),
    ],
)
def test_a_joiner_in_the_wrong_company_is_named(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert has_hidden(text)


def test_persian_and_indian_words_keep_their_non_joiner() -> None:
    for word in ("می\u200cخواهم", "क्\u200cष"):
        assert safe(word) == word


def test_numbers_in_arabic_keep_their_sign() -> None:
    assert safe("\u0600١٢٣") == "\u0600١٢٣"


# Limits


def test_what_is_cut_off_is_counted_on_several_lines_and_marked_on_one() -> None:
    assert safe("x" * 500, multiline=True, limit=160) == "x" * 160 + "… +340 chars"
    assert safe("x" * 500, limit=160) == "x" * 160 + "…"
    assert safe("x" * 160, limit=160) == "x" * 160


def test_lines_are_limited_too() -> None:
    text = "one\ntwo\nthree\nfour"

    assert safe(text, multiline=True, max_lines=4) == text
    assert safe(text, multiline=True, max_lines=2) == "one\ntwo… +11 chars"
    assert safe(text, multiline=True, max_lines=2, limit=5) == "one\nt… +13 chars"


def test_a_limit_of_nothing_shows_nothing() -> None:
    for limit in (0, -5):
        assert safe("abc", limit=limit) == "…"
        assert truncate("abc", limit) == ""
    assert safe("a\nb", multiline=True, max_lines=0) == "… +3 chars"
    assert safe("", limit=0) == ""


def test_a_name_of_a_character_is_shown_whole_or_not_at_all() -> None:
    assert safe("abc\u202edef", limit=6) == "abc…"
    assert safe("abc\u202edef", limit=11) == "abc⟨U+202E⟩…"
    assert safe("what ⟨he⟩ wrote", limit=7) == "what ⟨h…"


def test_a_cut_through_an_emoji_leaves_no_joiner() -> None:
    assert safe(f"{FAMILY}!", limit=2) == "👩…"
    assert truncate(f"{FAMILY}!", 3) == "👩…"


# Hidden and blank


@pytest.mark.parametrize(
    "text", ["", "usual\ttext\r\nwith lines\n", "Grüße 👋🏽", "日本語", "\ufffd"]
)
def test_ordinary_text_hides_nothing(text: str) -> None:
    assert not has_hidden(text)


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "a\u202eb", "a\u200bb", "e" + "\u0301" * 5, "a\rb", "\ue000", "\ud83d"]
)
def test_odd_characters_are_noticed(text: str) -> None:
    assert has_hidden(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\r\n",
        "\x00\x07\x1b",
        "\u200b\u200d\ufeff",
        "\u202e\u2066",
        "\u3164\u2800\u00a0",
        "\u0301",
        "\ufe0f",
        "\U000e0041",
        "\ud800",
        "\u2028",
    ],
)
def test_nothing_visible_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", " . ", "\u200b0\u200b", "👍", "\u0600", "\ufffd", "\ue000"])
def test_anything_visible_is_not_blank(text: str) -> None:
    assert not is_blank(text)


# Storing


def test_what_postgres_cannot_hold_is_replaced_and_nothing_else() -> None:
    assert storable("a\x00b\ud800c\udfff") == "a\ufffdb\ufffdc\ufffd"
    kept = "\x01\x1b\u202e\uffff\U0010ffff 👍\r\n\t"
    assert storable(kept) == kept


# Words


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("awaiting_customer", "Awaiting customer"),
        ("AwaitingCustomer", "Awaiting Customer"),
        ("open", "Open"),
        ("over_15_minutes", "Over 15 minutes"),
        ("_", ""),
        ("", ""),
    ],
)
def test_stored_words_become_words_for_people(word: str, words: str) -> None:
    assert humanise(word) == words


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("short", 5, "short"),
        ("the quick brown fox", 12, "the quick…"),
        ("the quick brown fox", 10, "the quick…"),
        ("the quick brown fox", 4, "the…"),
        ("a verylongwordwithoutspaces", 10, "a verylon…"),
        ("anything", 1, "…"),
    ],
)
def test_text_is_cut_between_words_where_that_is_near(text: str, limit: int, cut: str) -> None:
    assert truncate(text, limit) == cut


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  Straße \n 1 ", "STRASSE 1"),
        ("ﬁle", "FILE"),
        (f"caf{E_ACUTE}", "CAFÉ"),
        ("ﾊﾟ", "パ"),
        ("a\u00a0b", "A B"),
    ],
)
def test_what_reads_the_same_compares_the_same(one: str, other: str) -> None:
    assert normalise_line(one) == normalise_line(other)


# What the implementation stands on


def test_no_combining_mark_is_a_word_character_of_the_regular_expressions() -> None:
    marks = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Mn", "Me")
    ]

    assert [one for one in marks if one.isalnum() or one == "_" or one.isspace()] == []
