"""Articles in words: where each stands, who changed it, and where an edit goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cairnloop_engine.core.ids import ArticleId, RevisionId
from cairnloop_engine.knowledge.model import ArticleStatus, Origin, RevisionState
from cairnloop_engine.knowledge.reads import (
    ArticleRow,
    ArticleView,
    BacklinkView,
    LinkView,
    RevisionView,
)
from cairnloop_tui.keeping import kept_file
from cairnloop_tui.knowledge import cards
from cairnloop_tui.knowledge.kept import UnsavedArticles, Writing
from cairnloop_tui.text import width_of, words_of
from cairnloop_tui.theme.glyphs import ASCII, UNICODE
from tests.unit.tui.test_cards import NOW, spot, text_of

ROW = ArticleRow(
    id=ArticleId(3),
    title="Rotating a token",
    status=ArticleStatus.PUBLISHED,
    version=4,
    published_version=3,
    has_draft=True,
    indexed=True,
    source_path=None,
    updated_at=NOW - timedelta(hours=2),
)
DRAFT = RevisionView(
    id=RevisionId(14),
    version=4,
    state=RevisionState.DRAFT,
    origin=Origin.EDITOR,
    title="Rotating a token",
    content="New words.",
    author="noor",
    hidden_characters=False,
    published_at=None,
    published_by=None,
    indexed=False,
    updated_at=NOW - timedelta(minutes=5),
)
CURRENT = replace(
    DRAFT,
    id=RevisionId(13),
    version=3,
    state=RevisionState.PUBLISHED,
    published_at=NOW - timedelta(days=2),
    published_by="maya",
    indexed=True,
)
ARTICLE = ArticleView(
    id=ArticleId(3),
    title="Rotating a token",
    status=ArticleStatus.PUBLISHED,
    edit_version=7,
    source_path="guides/rotate.md",
    inserted_at=NOW - timedelta(days=9),
    updated_at=NOW - timedelta(minutes=5),
    revisions=(DRAFT, CURRENT),
    links=(),
    backlinks=(),
)


def row_words(row: ArticleRow, width: int = 76) -> str:
    line = cards.row_line(row, spot(width))
    assert width_of(line) <= width
    return words_of(line).rstrip()


def test_a_row_tells_status_version_draft_and_index_before_the_title() -> None:
    assert row_words(ROW) == "✓ Published v3   draft indexed   2h  Rotating a token"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"indexed": False}, "draft words     2h"),
        ({"has_draft": False, "version": 3}, "✓ Published v3         indexed"),
        (
            {
                "status": ArticleStatus.DRAFT,
                "published_version": None,
                "version": 1,
                "indexed": None,
            },
            "◆ Draft     v1                   2h  Rotating",
        ),
        ({"status": ArticleStatus.ARCHIVED, "has_draft": False}, "· Archived  v3"),
        ({"source_path": "guides/rotate.md"}, "Rotating a token  guides/rotate.md"),
    ],
)
def test_every_state_of_an_article_reads_in_words(change: dict[str, object], said: str) -> None:
    assert said in row_words(replace(ROW, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [40, 56, 76, 120])
def test_the_columns_stand_under_their_names(width: int) -> None:
    head = words_of(cards.head_line(width))

    assert width_of(cards.head_line(width)) <= width
    if width >= 56:
        assert head.index("Title") == row_words(ROW, width).index("Rotating") + 3


def test_a_hostile_title_stays_on_its_line() -> None:
    said = row_words(replace(ROW, title="a\nb\x1b[2J\u202e[/b]"))

    assert "\n" not in said
    assert "\x1b" not in said
    assert "[/b]" in said


def test_each_tab_has_a_letter_of_its_own_and_words_for_emptiness() -> None:
    letters = [tab.letter for tab in cards.TABS.values()]

    assert len(set(letters)) == len(letters)
    assert all(tab.letter in tab.label.lower() for tab in cards.TABS.values())
    assert all(tab.empty.endswith(".") for tab in cards.TABS.values())


def test_the_head_of_an_article_tells_how_current_it_is() -> None:
    first, second = (
        words_of(line).rstrip() for line in cards.article_lines(ARTICLE, 100, NOW, UNICODE)
    )

    assert first == " ✓ Published  article 3  Rotating a token"
    assert second == (
        " ◆ draft v4 waits · v3 published · indexed · changed 5m ago · from guides/rotate.md"
    )


def test_an_article_that_was_never_published_says_that_nobody_finds_it() -> None:
    new = replace(ARTICLE, status=ArticleStatus.DRAFT, revisions=(DRAFT,), source_path=None)

    lines = [words_of(line) for line in cards.article_lines(new, 100, NOW, UNICODE)]

    assert "not to be found by a search" in lines[1]


def test_revisions_tell_who_and_when_and_which_is_shown() -> None:
    hidden = replace(CURRENT, hidden_characters=True)

    said = text_of(
        cards.revision_blocks(replace(ARTICLE, revisions=(DRAFT, hidden)), 3, NOW, ASCII)
    )

    assert said.split("\n") == [
        " Revisions",
        "* v4 Draft",
        "  saved by noor 5m ago",
        "+ v3 Published  shown",
        "  published by maya 2d ago",
        "  ! hidden characters",
    ]


def test_links_of_both_directions_are_told_and_broken_ones_named() -> None:
    linked = replace(
        ARTICLE,
        links=(
            LinkView("tokens", "tokens.md", ArticleId(8), "All about tokens", broken=False),
            LinkView("gone", "gone.md", None, None, broken=True),
        ),
        backlinks=(BacklinkView(ArticleId(9), "First steps", "rotate"),),
    )

    said = text_of(cards.place_blocks(linked, UNICODE)).strip().split("\n")

    assert said == [
        "Links",
        "▸ All about tokens",
        "▲ gone.md leads nowhere",
        "",
        " Linked from",
        "▸ First steps",
    ]
    assert [place.article_id for place in cards.places(linked)] == [8, None, 9]
    assert len({place.key for place in cards.places(linked)}) == 3
    assert cards.place_blocks(ARTICLE, UNICODE) == ()


def test_the_editor_says_where_a_save_goes() -> None:
    words, _ = cards.editor_banner(ARTICLE, unsaved=False, theirs=None, now=NOW)
    assert words == "Draft v4, saved by noor 5m ago. Published v3 is what customers get."

    current = replace(ARTICLE, revisions=(CURRENT,))
    words, _ = cards.editor_banner(current, unsaved=True, theirs=None, now=NOW)
    assert words == ("Not saved yet. Published v3 stays as it is: editing begins a new draft, v4.")


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (ARTICLE, "noor saved v4 at "),
        (replace(ARTICLE, revisions=(CURRENT,)), "maya published v3 at "),
        (replace(ARTICLE, status=ArticleStatus.ARCHIVED), "The article was archived 5m ago"),
    ],
)
def test_who_was_faster_is_named(theirs: ArticleView, said: str) -> None:
    words, _ = cards.editor_banner(ARTICLE, unsaved=True, theirs=theirs, now=NOW)

    assert words.startswith(said)
    assert words.endswith("while you wrote. Your text is kept; Ctrl+S asks what to do.")


# What is kept


def test_unsaved_texts_come_back_with_the_version_they_began_from(tmp_path: Path) -> None:
    UnsavedArticles(kept_file(tmp_path, "articles", "maya")).keep(3, Writing("T", "x\ny", 7))

    again = UnsavedArticles(kept_file(tmp_path, "articles", "maya"))

    assert again.of(3) == Writing("T", "x\ny", 7)
    assert again.articles() == (3,)
    again.forget(3)
    assert UnsavedArticles(kept_file(tmp_path, "articles", "maya")).articles() == ()


def test_what_is_kept_is_read_tolerantly(tmp_path: Path) -> None:
    kept_file(tmp_path, "articles", "maya").write(
        {"3": {"title": "T"}, "x": {}, "4": 1, "5": {"title": "", "text": "", "edit_version": 1}}
    )

    assert UnsavedArticles(kept_file(tmp_path, "articles", "maya")).articles() == (5,)
