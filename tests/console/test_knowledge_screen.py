"""The knowledge in the console: the list, one article, publishing and archiving."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.model import ArticleStatus, RevisionState
from cairnloop_tui.knowledge.article import ArticleScreen
from cairnloop_tui.knowledge.editor import EditorScreen
from cairnloop_tui.knowledge.screen import KnowledgeScreen
from tests.console.acting import by_palette
from tests.console.driving import MEDIUM, NARROW, Console, open_console
from tests.fakes import FixedClock

MAYA, NOOR = Caller.operator("maya"), Caller.operator("noor")
BODY = "# Reset\n\nPress **Revoke**, then *Generate*.\n\n- one\n- two\n"
HIDDEN = "Pay \u202e05$\u202c at once."


async def written(engine: Engine, title: str, body: str = BODY) -> ArticleId:
    return (await engine.knowledge.create(MAYA, title, body)).article_id


async def published(engine: Engine, title: str, body: str = BODY) -> ArticleId:
    article_id = await written(engine, title, body)
    await engine.knowledge.publish(MAYA, article_id)
    return article_id


async def edited(engine: Engine, article_id: ArticleId, body: str, who: Caller = NOOR) -> None:
    view = await engine.knowledge.article(who, article_id)
    await engine.knowledge.save_draft(who, article_id, body, expected_version=view.edit_version)


def the_list(console: Console) -> KnowledgeScreen:
    assert isinstance(console.app.screen, KnowledgeScreen)
    return console.app.screen


def the_article(console: Console) -> ArticleScreen:
    assert isinstance(console.app.screen, ArticleScreen)
    return console.app.screen


async def opened(console: Console) -> ArticleScreen:
    """The first article of the list."""
    await console.press("g", "k", "enter")
    await console.until(lambda: the_article(console).article is not None)
    return the_article(console)


# The list


@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_articles_are_listed_with_status_version_index_and_draft(
    engine: Engine, clock: FixedClock, size: tuple[int, int]
) -> None:
    await written(engine, "Only a draft")
    both = await published(engine, "Published with a draft")
    await edited(engine, both, "Newer words.")
    gone = await published(engine, "Put away")
    await engine.knowledge.archive(MAYA, gone)

    async with open_console(engine, clock, size=size) as console:
        await console.press("g", "k")
        await console.shows("✓ Published v1   draft words", "Published with a draft")
        await console.shows("◆ Draft     v1", "Only a draft", "· Archived  v1", "Put away")
        await console.press("f", "n")
        await console.shows("Only a draft")
        assert "Put away" not in console.frame()
        await console.press("f", "p")
        await console.shows("Published with a draft")
        assert "Only a draft" not in console.frame()
        await console.press("f", "r")
        await console.shows("Put away")
        assert "Published with" not in console.frame()
        await console.press("f", "a")
        await console.shows("Put away", "Published with a draft", "Only a draft")
        console.proved(
            "go.knowledge",
            "knowledge.tab_all",
            "knowledge.tab_published",
            "knowledge.tab_drafts",
            "knowledge.tab_archived",
        )


async def test_an_empty_list_says_how_to_begin(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("g", "k")
        await console.shows("There is no article yet. c writes the first.")
        await console.press("enter")
        assert "Nothing is listed." in console.status()
        await console.press("f", "r")
        await console.shows("Nothing is archived.")


async def test_titles_are_filtered_by_the_server_as_they_are_typed(
    engine: Engine, clock: FixedClock
) -> None:
    for number in range(120):
        await written(engine, f"Guide {number}")
    await written(engine, "Rotating a token")

    async with open_console(engine, clock, size=NARROW) as console:
        await console.press("g", "k", "slash")
        await console.type("token rot")
        await console.shows("titles with  token rot", "1 article   Esc", "Rotating a token")
        assert "Guide" not in console.frame()
        await console.press("enter", "escape")
        await console.shows("Guide 119")
        await console.press("slash")
        await console.type("zebra\n")
        await console.shows("No title holds all of these words.")
        await console.press("escape")
        # The rest of a long list comes when it is scrolled to.
        await console.press("G")
        await console.until(lambda: len(the_list(console).rows.rows) == 121)
        console.proved("knowledge.filter")


async def test_what_others_write_appears_under_a_cursor_that_stays(
    engine: Engine, clock: FixedClock
) -> None:
    await written(engine, "First")
    await written(engine, "Second")

    async with open_console(engine, clock) as console:
        await console.press("g", "k", "j")
        assert the_list(console).current() is not None
        before = the_list(console).rows.current_key()
        await published(engine, "From somebody else")
        await console.shows("From somebody else")
        assert the_list(console).rows.current_key() == before


async def test_a_list_that_cannot_be_read_says_so(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        await _rename(engine, "articles", "hidden")
        await console.press("g", "k")
        await console.shows("The articles could not be read. Ctrl+R tries again.")
        await _rename(engine, "hidden", "articles")
        await console.press("ctrl+r")
        await console.shows("There is no article yet.")


async def _rename(engine: Engine, name: str, to: str) -> None:
    async with engine.db.engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE cairnloop.{name} RENAME TO {to}"))


# One article


@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_an_article_reads_as_what_is_published_with_its_revisions_beside(
    engine: Engine, clock: FixedClock, size: tuple[int, int]
) -> None:
    article_id = await published(engine, "Reset your key")
    await edited(engine, article_id, "A newer text.")

    async with open_console(engine, clock, size=size) as console:
        screen = await opened(console)
        await console.shows("Press Revoke, then Generate.", "- one", "draft v2 waits")
        await console.shows("v2 Draft", "v1 Published  shown", "published by maya")
        assert "A newer text" not in console.frame()
        await console.press("tab", "enter")
        await console.shows("A newer text.", "This is v2 draft, saved by noor", "v2 Draft  shown")
        await console.press("escape", "escape")
        await console.shows("v1 Published  shown")
        assert screen.version is None
        await console.press("v")
        await console.shows_no("Revisions")
        await console.press("y")
        assert f"Copied article {article_id}" in console.status()
        console.proved("article.revisions", "article.copy")


async def test_the_reader_walks_along_the_list(engine: Engine, clock: FixedClock) -> None:
    await written(engine, "The older")
    await written(engine, "The newer")

    async with open_console(engine, clock) as console:
        await opened(console)
        await console.shows("The newer")
        await console.press("]")
        await console.shows("The older")
        await console.press("]")
        assert "last of the list" in console.status()
        await console.press("[")
        await console.shows("The newer")
        await console.press("A")
        await console.shows("only  article", "Article draft saved")
        await console.press("escape", "escape", "escape")
        assert the_list(console).rows.cursor == 0


async def test_links_lead_to_the_other_article_and_esc_comes_back(
    engine: Engine, clock: FixedClock
) -> None:
    target = await published(engine, "The target", "Here it is.")
    await published(engine, "The origin", f"Read [this](article:{target}) and [that](gone.md).")

    async with open_console(engine, clock) as console:
        screen = await opened(console)
        await console.shows("▸ The target", "▲ gone.md leads nowhere", f"this (article:{target})")
        await console.press("o")
        assert "Tab goes to the links" in console.status()
        await console.press("tab", "j", "o")
        await console.shows("Here it is.", "Linked from", "▸ The origin")
        await console.press("escape")
        assert console.app.screen is screen
        await console.press("j", "enter")
        assert "leads to no article" in console.status()
        console.proved("article.follow")


async def test_hostile_articles_are_drawn_as_words(engine: Engine, clock: FixedClock) -> None:
    await written(
        engine,
        "\x1b]0;owned\x07 [@click=app.quit]x[/]",
        "[/b] \x1b[2J <script>alert(1)</script> [x](javascript:quit) \u202eevil",
    )

    async with open_console(engine, clock, size=NARROW) as console:
        await opened(console)
        await console.shows(
            "[@click=app.quit]x[/]",
            "[/b] ␛[2J <script>alert(1)</script>",
            "[x](javascript:quit)",
            "⟨U+202E⟩evil",
            "hidden characters",
        )
        assert "\x1b" not in console.frame()


async def test_an_article_of_another_workspace_cannot_be_read(
    engine: Engine, clock: FixedClock
) -> None:
    elsewhere = Caller.operator("maya", "elsewhere")
    made = await engine.knowledge.create(elsewhere, "Theirs", BODY)

    async with open_console(engine, clock) as console:
        console.app.open_article(made.article_id)
        await console.shows("could not be read. Esc goes back.")
        assert "Theirs" not in console.frame()


# Publishing


async def test_publishing_shows_exact_title_version_and_text_before_anything_happens(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await published(engine, "Reset your key")
    await edited(engine, article_id, "The words that become canon.")

    async with open_console(engine, clock) as console:
        await opened(console)
        await console.press("a")
        await console.shows(
            "Publish this draft?",
            "Title    Reset your key",
            "Version  v2, in place of v1",
            "saved by noor",
            "The words that become canon.",
        )
        await console.press("escape")
        assert "Nothing was done" in console.status()
        assert (await engine.knowledge.article(MAYA, article_id)).version == 2
        await console.press("a", "enter")
        await console.until(lambda: "Published v2" in console.status())
        await console.shows("The words that become canon.", "v2 Published  shown")
        await console.press("a")
        assert "There is no draft" in console.status()
        await console.press("u")
        assert "stays until the next version" in console.status()
        console.proved("article.publish")

    view = await engine.knowledge.article(MAYA, article_id)
    assert [(r.version, r.state) for r in view.revisions] == [
        (2, RevisionState.PUBLISHED),
        (1, RevisionState.ARCHIVED),
    ]


async def test_what_was_changed_meanwhile_is_not_published(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Reset your key")

    async with open_console(engine, clock) as console:
        await opened(console)
        await console.press("a")
        await console.shows("Publish this draft?")
        await edited(engine, article_id, "Somebody else's words.")
        await console.until(lambda: "the article was changed meanwhile" in console.status())
        await console.press("enter")

    assert (await engine.knowledge.article(MAYA, article_id)).published is None


async def test_hidden_characters_are_published_only_after_they_are_named(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Paying", HIDDEN)

    async with open_console(engine, clock, size=NARROW) as console:
        await opened(console)
        await console.press("a")
        await console.shows("▲ It holds hidden characters", "Pay ⟨U+202E⟩05$⟨U+202C⟩ at once.")
        await console.press("enter")
        await console.shows("Publish what cannot be seen, too?", "Type hidden to confirm")
        assert (await engine.knowledge.article(MAYA, article_id)).published is None
        await console.type("yes\n")
        assert "not what has to be typed" in console.status()
        await console.press("ctrl+u")
        await console.type("hidden\n")
        await console.until(lambda: isinstance(console.app.screen, ArticleScreen))
        await console.until(lambda: "Published v1" in console.status())

    assert (await engine.knowledge.article(MAYA, article_id)).published is not None


# Archiving


async def test_archiving_is_asked_for_twice_and_cannot_be_undone(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await published(engine, "Reset your key")

    async with open_console(engine, clock) as console:
        await console.press("g", "k")
        await by_palette(console, "Archive the article")
        await console.shows("Archive this article?", "Title    Reset your key", "No search finds")
        await console.press("enter")
        await console.until(lambda: f"Article {article_id} is archived" in console.status())
        await console.shows("· Archived")
        await console.press("e")
        assert "archived; write a new one" in console.status()
        await by_palette(console, "Archive the article")
        assert "Archived already" in console.status()
        await console.press("escape", "u")
        assert "stays archived" in console.status()
        console.proved("article.archive", "article.edit")

    view = await engine.knowledge.article(MAYA, article_id)
    assert view.status is ArticleStatus.ARCHIVED


# New articles


@pytest.mark.requirement("03-retrieval-drafting:18")
async def test_a_new_article_is_a_draft_whose_editor_opens(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock) as console:
        await console.press("g", "k", "c")
        await console.shows("What is the new article called?")
        await console.type("How to [/b] rotate\n")
        await console.until(lambda: isinstance(console.app.screen, EditorScreen))
        await console.shows("How to [/b] rotate", "Draft v1")
        console.proved("article.new")

    (row,) = (await engine.knowledge.articles(MAYA)).items
    assert (row.title, row.status) == ("How to [/b] rotate", ArticleStatus.DRAFT)


@pytest.mark.requirement("03-retrieval-drafting:18")
async def test_an_article_that_cannot_be_begun_keeps_its_title_and_stays(
    engine: Engine, clock: FixedClock
) -> None:
    async with open_console(engine, clock) as console:
        await console.press("g", "k", "c")
        await console.type("A title that waits")
        await _rename(engine, "articles", "hidden")
        await console.press("enter")
        await console.until(lambda: "cairnloop migrate" in console.status())
        assert isinstance(console.app.screen, KnowledgeScreen)
        await _rename(engine, "hidden", "articles")
        await console.press("c")
        await console.shows("A title that waits")
        await console.press("escape")
        await console.press("c", "enter")
        await console.until(lambda: isinstance(console.app.screen, EditorScreen))


async def test_without_a_title_nothing_is_begun(engine: Engine, clock: FixedClock) -> None:
    async with open_console(engine, clock) as console:
        await console.press("g", "k", "c", "enter")
        assert "Nothing was begun" in console.status()

    assert (await engine.knowledge.articles(MAYA)).items == ()


async def test_whoever_may_only_read_is_told_why_nothing_is_written(
    engine: Engine, clock: FixedClock, tmp_path: Path
) -> None:
    await written(engine, "Reset your key")

    async with open_console(engine, clock, read_only=True, state_folder=tmp_path) as console:
        await console.press("g", "k")
        for key in ("c", "e"):
            await console.press(key)
            assert "Read-only" in console.status()
        await opened(console)
        await console.press("a")
        assert "Read-only" in console.status()
        await console.press("e")
        assert isinstance(console.app.screen, ArticleScreen)
