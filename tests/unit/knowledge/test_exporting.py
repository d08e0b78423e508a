"""Articles as files: names that are safe, front matter that reads back, marks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import storable
from cairnloop_engine.knowledge.exporting import (
    Exported,
    Named,
    keeps_its_path,
    paths,
    quoted,
    short,
    written,
)
from cairnloop_engine.knowledge.files import read_article, split_front_matter
from cairnloop_engine.knowledge.texts import Text


def planned(*articles: tuple[str, str | None]) -> list[str]:
    named = [Named(ArticleId(n), title, path) for n, (title, path) in enumerate(articles, 1)]
    found = paths(named)
    return [found[one.article_id] for one in named]


def test_an_article_goes_back_to_its_file_and_others_are_named_after_title_and_id() -> None:
    assert planned(
        ("Billing", "billing/email.md"),
        ("How? Über *keys* & more!", None),
        ("日本語", None),
        ("x" * 200, None),
    ) == ["billing/email.md", "how-ber-keys-more-2.md", "article-3.md", "x" * 60 + "-4.md"]


def test_no_two_files_share_a_name_on_any_system() -> None:
    found = planned(("A", "keys-3.md"), ("B", "Keys-3.md"), ("Keys", None), ("Keys", "keys-3-3.md"))

    assert len({name.casefold() for name in found}) == 4
    assert found[0] == "keys-3.md"


@pytest.mark.parametrize(
    "path",
    [
        *(None, "../up.md", "/root.md", "a/../b.md", ".hidden.md", ".git/a.md", "con:stream.md"),
        *("a\\b.md", "a\x1b[31m.md", "a\u202eb.md", "what?.md", "a.txt", "a .md/ b.md", "a\nb.md"),
    ],
)
def test_a_name_that_is_not_safe_everywhere_is_not_written(path: str | None) -> None:
    assert not keeps_its_path(path)
    assert planned(("Keys", path)) == ["keys-1.md"]


def test_ordinary_names_are_kept() -> None:
    for path in ("a.md", "Über uns/häufige fragen.MD", "a-b_c (1).markdown", "日本.md"):
        assert keeps_its_path(path)


@given(st.text(max_size=80))
def test_any_title_reads_back_as_it_was(words: str) -> None:
    title = " ".join(storable(words).split())

    front, rest = split_front_matter(f"---\ntitle: {quoted(title)}\n---\nText")

    assert (front, rest) == ({"title": title}, "Text")


@pytest.mark.parametrize(
    "content", ["Text", "---\ntitle: no\n---\n", "\ufeffx", "a\n\n", "x\n---\n"]
)
def test_a_file_says_what_the_article_said(tmp_path: Path, content: str) -> None:
    text = Text("Yes: #1 \U0001f600", content)
    path = tmp_path / "a.md"
    path.write_text(written(text, "a.md", "a.md", draft=True, files={}), newline="\n")

    found = read_article(path, tmp_path, limit=10_000)

    assert (found.title, found.content, found.publish) == (text.title, content, False)
    assert found.exported is None


def test_a_file_that_says_something_else_is_marked_and_known_again(tmp_path: Path) -> None:
    text = Text("Keys", "See [billing](article:2).")
    file = written(text, "keys-1.md", None, draft=False, files={ArticleId(2): "billing.md"})
    path = tmp_path / "keys-1.md"
    path.write_text(file)

    found = read_article(path, tmp_path, limit=10_000)

    assert found.content == "See [billing](billing.md)."
    assert found.exported is not None
    assert found.exported.is_of(text.digest)
    assert found.exported.wrote(Text(found.title, found.content).digest)
    assert not found.exported.wrote(Text(found.title, "Edited").digest)


@pytest.mark.parametrize("mark", [None, "", "2024-01-01", "abc", "g" * 16, "a" * 17, ["a" * 16]])
def test_a_mark_of_somebody_else_is_none(mark: object) -> None:
    assert Exported.parse(mark) is None


def test_a_mark_reads_back() -> None:
    for known in (Exported("a" * 16, "b" * 16), Exported("0" * 16, "0" * 16)):
        assert Exported.parse(known.mark) == known
    assert short("0123456789abcdef0123") == "0123456789abcdef"
