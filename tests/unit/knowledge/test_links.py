"""Where the links of an article lead."""

from __future__ import annotations

import posixpath
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.links import as_paths, target_name, targets
from cairnloop_engine.knowledge.markdown import parse

PATHS = {ArticleId(1): "keys.md", ArticleId(2): "billing/your email.md"}


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("email.md", "billing/email.md"),
        ("./email.md#change", "billing/email.md"),
        ("../keys.md?plain=1", "keys.md"),
        ("/keys.md", "keys.md"),
        ("deep/../email.MARKDOWN", "billing/email.MARKDOWN"),
        ("your%20email.md", "billing/your email.md"),
        ("caf%C3%A9.md", "billing/café.md"),
        ("article:12", "article:12"),
        ("ARTICLE:0012#top", "article:12"),
    ],
)
def test_a_link_to_an_article_is_read_from_its_own_folder(href: str, name: str) -> None:
    assert target_name(href, "billing/invoices.md") == name


@pytest.mark.parametrize(
    "href",
    [
        *("https://example.com/a.md", "mailto:a@b.md", "//host/a.md", "C:\\a.md", "file:///a.md"),
        *("#part", "?x", "", "picture.png", "folder/", "article:", "article:x"),
        *("article:99999999999999999999", "article:9223372036854775808", "x" * 5000 + ".md"),
    ],
)
def test_other_links_name_no_article(href: str) -> None:
    assert target_name(href, "a.md") is None


def test_a_path_out_of_the_folder_names_nothing_that_can_be_imported() -> None:
    assert target_name("../../etc/secret.md", "billing/a.md") == "../etc/secret.md"
    assert target_name("%00.md", "a.md") == "\ufffd.md"


@given(st.text(max_size=60), st.none() | st.just("deep/folder/a.md"))
def test_no_address_breaks_the_reading(href: str, source: str | None) -> None:
    name = target_name(href, source)

    assert name is None or ("\0" not in name and not posixpath.isabs(name))


def test_links_are_found_wherever_markdown_has_them_and_not_in_code() -> None:
    text = (
        "# See [keys](keys.md)\n- item [**bold** words](a.md)\n\n| [cell](b.md) | x |\n|--|--|\n\n"
        "By [reference][r] or <article:7>.\n\n[r]: c.md 'title'\n\n`[no](no.md)`\n\n"
        "    [no](no.md)\n\n[itself](me.md) <a href='no.md'>no</a> ![no](no.md)"
    )

    found = targets(parse(text).links, "me.md")

    assert [(one.label, one.name) for one in found] == [
        ("keys", "keys.md"),
        ("bold words", "a.md"),
        ("cell", "b.md"),
        ("reference", "c.md"),
        ("article:7", "article:7"),
    ]
    assert [one.article_id for one in found] == [None, None, None, None, 7]


@pytest.mark.parametrize(
    ("written", "path", "expected"),
    [
        ("See [keys](article:1).", "a.md", "See [keys](keys.md)."),
        ("[k](article:1#reset 'T')", "a.md", "[k](keys.md#reset 'T')"),
        ("[k](<article:1>)", "deep/a.md", "[k](<../keys.md>)"),
        ("<article:2>", "billing/a.md", "[article:2](your%20email.md)"),
        ("[k]\n\n[k]: article:2", "a.md", "[k]\n\n[k]: billing/your%20email.md"),
        ("`[k](article:1)` [k](article:1)", "a.md", "`[k](article:1)` [k](keys.md)"),
        (
            "``a ` [k](article:1)`` ` [k](article:1)",
            "a.md",
            "``a ` [k](article:1)`` ` [k](keys.md)",
        ),
        ("```\n[k](article:1)\n```", "a.md", "```\n[k](article:1)\n```"),
        ("    [k](article:1)", "a.md", "    [k](article:1)"),
        ("[k](article:3) article:1 (article:1)", "a.md", "[k](article:3) article:1 (article:1)"),
        ("[k](article:12)", "a.md", "[k](article:12)"),
    ],
)
def test_links_by_id_become_paths_and_code_stays(written: str, path: str, expected: str) -> None:
    assert as_paths(written, path, PATHS) == expected


@pytest.mark.parametrize(
    "pattern", ["`` ` article:1 ", "](article:1", "[a]: article:1 ", "<article:1>"]
)
def test_a_hostile_line_is_rewritten_in_linear_time(pattern: str) -> None:
    began = time.process_time()

    as_paths(pattern * (60_000 // len(pattern)), "a.md", PATHS)

    assert time.process_time() - began < 3.0
