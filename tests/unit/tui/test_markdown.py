"""Markdown in a terminal: marked words, visible links, and nothing that obeys anybody."""

from __future__ import annotations

import unicodedata

import pytest

from cairnloop_tui.knowledge.markdown import destination, rendered
from cairnloop_tui.text import Piece, words_of, wrap
from cairnloop_tui.theme.glyphs import UNICODE
from cairnloop_tui.theme.tokens import Tone


def lines_of(markdown: str, width: int = 70) -> list[str]:
    (block,) = rendered(markdown, UNICODE)
    return [words_of(line).rstrip() for para in block.paras for line in wrap(para, width)]


def pieces_of(markdown: str) -> list[Piece]:
    (block,) = rendered(markdown, UNICODE)
    return [piece for para in block.paras for piece in para.pieces]


@pytest.mark.requirement("03-retrieval-drafting:14")
def test_headings_and_emphasis_look_like_what_they_are() -> None:
    found = {piece.text: piece for piece in pieces_of("# Reset\n\nPress **now** or *later*.")}

    assert (found["Reset"].bold, found["Reset"].tone) == (True, Tone.PRIMARY)
    assert (found["now"].bold, found["now"].italic) == (True, False)
    assert (found["later"].bold, found["later"].italic) == (False, True)
    assert found["Press "].look == (Tone.TEXT, False, False)


def test_lists_quotes_code_and_tables_keep_their_form() -> None:
    markdown = (
        "Do this:\n\n- one\n- two\n  1. first\n  2. second\n\n> wait\n\n"
        "```\nrm -rf\n    x\n```\n\n| a | b |\n|---|---|\n| long cell | 2 |\n"
    )

    assert lines_of(markdown) == [
        "Do this:",
        "",
        "- one",
        "- two",
        "  1. first",
        "  2. second",
        "",
        "│ wait",
        "",
        "│ rm -rf",
        "│     x",
        "",
        "a         │ b",
        "long cell │ 2",
    ]


def test_what_is_wrapped_stays_under_its_marker() -> None:
    assert lines_of("- one two three four", width=12) == ["- one two", "  three four"]


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("mailto:help@example.com", "mailto:help@example.com"),
        ("other.md#part", "other.md#part"),
        ("article:12", "article:12"),
        ("ftp://example.com", "link left out"),
        (" JavaScript:alert(1)", "link left out"),
        ("data:text/html,x", "link left out"),
        ("vbscript:x", "link left out"),
        ("file:///etc/passwd", "link left out"),
    ],
)
def test_a_link_shows_where_it_leads_or_is_left_out(href: str, shown: str) -> None:
    assert destination(href) == shown


@pytest.mark.requirement("03-retrieval-drafting:15")
def test_an_address_with_an_attribute_in_it_is_only_words() -> None:
    (line,) = lines_of('[x](https://a.example/"onclick="steal) and [y](javascript:alert(1))', 120)

    assert line == "x (https://a.example/%22onclick=%22steal) and [y](javascript:alert(1))"


def test_an_address_that_is_its_own_text_is_said_once() -> None:
    assert lines_of("<https://example.com> <help@example.com>") == [
        "https://example.com help@example.com"
    ]


def test_html_and_console_markup_are_words() -> None:
    assert lines_of("<b onclick='x'>hi</b> [/b] [@click=app.quit]x[/]") == [
        "<b onclick='x'>hi</b> [/b] [@click=app.quit]x[/]"
    ]


def test_images_are_named_and_never_loaded() -> None:
    assert lines_of("![a cat](https://example.com/cat.png)") == ["[image, not loaded: a cat]"]


def test_hidden_characters_are_shown_also_when_they_come_as_entities() -> None:
    (line,) = lines_of("a\u202eb &#x202e;c \x1b[2Jd")

    assert line == "a⟨U+202E⟩b ⟨U+202E⟩c ␛[2Jd"
    assert not any(unicodedata.category(character) == "Cc" for character in line)


def test_what_is_too_long_is_cut_and_says_so() -> None:
    (block,) = rendered("word " * 100, UNICODE, limit=50)
    said = [words_of(para.pieces) for para in block.paras]

    assert said[-1] == "… +450 chars are not shown here"
    assert len(said[0]) <= 50


@pytest.mark.parametrize("text", ["", "`unclosed", "[a](", "***", "> > >", "|", "\x00", "- " * 500])
def test_nothing_is_an_error(text: str) -> None:
    (block,) = rendered(text, UNICODE)

    assert isinstance(block.paras, tuple)
