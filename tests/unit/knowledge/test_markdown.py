"""Markdown as the index sees it."""

from __future__ import annotations

import time

import pytest

from cairnloop_engine.knowledge.markdown import BlockKind, parse, without_tags


def texts(markdown: str, title: str | None = None) -> list[str]:
    return [block.text for block in parse(markdown, title=title).blocks]


def test_blocks_stand_under_the_path_of_their_headings() -> None:
    document = parse("# Keys\nIntro\n## Reset\nStep\n### Alone\nNote\n## Rotate\nLast")

    assert document.title == "Keys"
    assert [(block.path, block.text) for block in document.blocks] == [
        ((), "Intro"),
        (("Reset",), "Step"),
        (("Reset", "Alone"), "Note"),
        (("Rotate",), "Last"),
    ]


def test_a_heading_that_repeats_the_title_is_left_out_and_another_one_is_a_section() -> None:
    assert parse("# Reset  your KEY\nText", title="Reset your key").blocks[0].path == ()
    assert parse("# Something else\nText", title="Reset your key").blocks[0].path == (
        "Something else",
    )


def test_lists_keep_their_numbers_and_their_nesting() -> None:
    assert texts("3. Third\n4. Fourth\n   - inner\n\n   more\n- Other") == [
        "3. Third",
        "4. Fourth",
        "  - inner",
        "  more",
        "- Other",
    ]


def test_code_keeps_its_lines_and_its_angle_brackets() -> None:
    document = parse("```html\n<b>\n  x\n</b>\n```\nUse `<del>` here")

    assert document.blocks[0].kind is BlockKind.CODE
    assert document.blocks[0].text == "<b>\n  x\n</b>"
    assert document.blocks[1].text == "Use <del> here"


def test_a_table_gives_a_line_for_each_row() -> None:
    assert texts("| plan | seats |\n|---|---|\n| Team | 10 |") == ["plan | seats", "Team | 10"]


def test_links_keep_their_address_and_images_their_words() -> None:
    assert texts("[Billing](https://pay.example/x) ![a chart](c.png) <https://s.example>") == [
        "Billing (https://pay.example/x) a chart https://s.example"
    ]
    assert texts("[press](ftp://files.example)") == ["press"]
    assert texts("[press](javascript:alert(1))") == ["[press](javascript:alert(1))"]


@pytest.mark.requirement("03-retrieval-drafting:15")
@pytest.mark.parametrize(
    ("markdown", "read"),
    [
        (
            '[x](https://e.example/"onmouseover="a(1))',
            "x (https://e.example/%22onmouseover=%22a(1))",
        ),
        ("[x](https://e.example/\u202ecba)", "x (https://e.example/%E2%80%AEcba)"),
        ("[x](JavaScript:alert(1))", "[x](JavaScript:alert(1))"),
        ("[x](data:text/html,y)", "[x](data:text/html,y)"),
        ("[x](vbscript:y)", "[x](vbscript:y)"),
    ],
)
def test_an_address_is_escaped_and_a_harmful_one_is_no_link(markdown: str, read: str) -> None:
    document = parse(markdown)

    assert [block.text for block in document.blocks] == [read]
    assert [link.href for link in document.links] == ([read[3:-1]] if "https" in read else [])


@pytest.mark.requirement("03-retrieval-drafting:23")
def test_html_gives_its_text_and_hides_what_nobody_sees() -> None:
    document = parse("## Plan\n<div>Team <b>plan</b></div>\n<script>steal()</script>\n<!-- no -->")

    assert [block.path for block in document.blocks] == [("Plan",)]
    assert document.blocks[0].text == "Team plan"


@pytest.mark.requirement("03-retrieval-drafting:114")
def test_unclosed_markup_is_text() -> None:
    assert texts("An unclosed `tick and **bold\n\n[half](") == [
        "An unclosed `tick and **bold",
        "[half](",
    ]


def test_the_whole_text_holds_each_heading_once() -> None:
    assert parse("# T\n## A\none\n\ntwo\n## B\nthree").text == "A\none\ntwo\nB\nthree"


def test_a_less_than_sign_is_not_a_tag() -> None:
    assert without_tags("a < b and 3<4 but <i>c</i>") == "a < b and 3<4 but c"


@pytest.mark.parametrize(
    "pattern",
    [
        "[",
        "![[",
        "*a ",
        "<!-- ",
        "<a ",
        "x <![CDATA[ ",
        "<div>\n<a b=",
        "`` ` ",
        "a_",
        "> ",
        "# a\n",
    ],
)
def test_hostile_repetition_is_read_in_linear_time(pattern: str) -> None:
    began = time.process_time()

    parse(pattern * (60_000 // len(pattern)))

    assert time.process_time() - began < 3.0
