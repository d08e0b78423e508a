"""The editor of articles: what is typed is previewed, saved as shown, and never lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.model import RevisionState
from cairnloop_tui.dialogs.choose import Choose
from cairnloop_tui.knowledge import editor
from cairnloop_tui.knowledge.editor import EditorScreen
from cairnloop_tui.text import Block
from cairnloop_tui.theme.glyphs import Glyphs
from tests.console.driving import MEDIUM, NARROW, Console, open_console
from tests.console.test_knowledge_screen import edited, published, written
from tests.fakes import FixedClock

MAYA, NOOR = Caller.operator("maya"), Caller.operator("noor")


def the_editor(console: Console) -> EditorScreen:
    assert isinstance(console.app.screen, EditorScreen)
    return console.app.screen


async def opened(console: Console, article_id: ArticleId) -> EditorScreen:
    console.app.push_screen(EditorScreen(article_id))
    await console.until(
        lambda: (
            isinstance(console.app.screen, EditorScreen)
            and the_editor(console).article is not None
            and the_editor(console).area.has_focus
        )
    )
    return the_editor(console)


async def content(engine: Engine, article_id: ArticleId) -> str:
    return (await engine.knowledge.article(MAYA, article_id)).content


async def from_palette(console: Console, title: str) -> None:
    """In a text field the colon of the palette is only a colon."""
    await console.press("ctrl+p")
    await console.type(title)
    await console.press("enter")
    await console.settled()


async def save(console: Console) -> None:
    await console.press("ctrl+s")
    await console.shows("Save this draft?")
    await console.press("enter")


@pytest.mark.requirement("03-retrieval-drafting:14")
@pytest.mark.requirement("03-retrieval-drafting:16")
@pytest.mark.parametrize("size", [NARROW, MEDIUM], ids=["80x24", "120x34"])
async def test_the_preview_follows_the_text_shortly_after_the_last_key(
    engine: Engine,
    clock: FixedClock,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    article_id = await written(engine, "Reset your key", "Start.\n")
    drawn: list[str] = []
    draw = editor.preview_blocks

    def noting(text: str, glyphs: Glyphs) -> tuple[Block, ...]:
        drawn.append(text)
        return draw(text, glyphs)

    monkeypatch.setattr(editor, "preview_blocks", noting)

    async with open_console(engine, clock, size=size) as console:
        screen = await opened(console, article_id)
        await console.until(lambda: drawn == ["Start.\n"])
        await console.press("down")
        await console.type("- **bold** words")
        await console.until(lambda: len(drawn) == 2)
        # One drawing for all keys that were typed in one go.
        assert drawn[1] == "Start.\n- **bold** words"
        await console.shows("- **bold** words", "- bold words")
        assert screen.unsaved
        assert editor.PREVIEW_AFTER_S == 0.3


async def test_saving_shows_where_it_goes_and_then_stores_exactly_the_text(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await published(engine, "Reset your key", "Old words.")

    async with open_console(engine, clock, size=NARROW) as console:
        await opened(console, article_id)
        await console.shows("Published v1 stays as it is: editing begins a new draft, v2.")
        await console.press("ctrl+s")
        assert "Nothing was changed" in console.status()
        await console.type("New. ")
        await console.shows("Not saved yet.")
        await console.press("ctrl+s")
        await console.shows("Save this draft?", "Into    a new draft, v2", "15 characters")
        assert await content(engine, article_id) == "Old words."
        await console.press("enter")
        await console.until(lambda: "Draft v2 saved" in console.status())
        await console.shows("Draft v2, saved by maya", "Published v1 is what customers get.")
        assert not the_editor(console).unsaved
        await console.type("Newer. ")
        await console.press("f9")
        await console.shows("Into    draft v2")
        await console.press("enter")
        await console.until(lambda: not the_editor(console).unsaved)
        await console.press("escape", "u")
        assert "A saved draft stays" in console.status()
        console.proved("article.save")

    view = await engine.knowledge.article(MAYA, article_id)
    assert [(r.version, r.state, r.content) for r in view.revisions] == [
        (2, RevisionState.DRAFT, "New. Newer. Old words."),
        (1, RevisionState.PUBLISHED, "Old words."),
    ]


async def test_the_title_is_saved_with_the_text(engine: Engine, clock: FixedClock) -> None:
    article_id = await written(engine, "Reset", "Words.")

    async with open_console(engine, clock) as console:
        screen = await opened(console, article_id)
        await console.press("shift+tab")
        assert screen.title_field.has_focus
        await console.press("end")
        await console.type(" your key")
        await console.press("enter")
        assert screen.area.has_focus
        await save(console)
        await console.until(lambda: not screen.unsaved)

    assert (await engine.knowledge.article(MAYA, article_id)).title == "Reset your key"


async def test_a_title_that_is_refused_keeps_the_text(engine: Engine, clock: FixedClock) -> None:
    article_id = await written(engine, "Reset", "Words.")

    async with open_console(engine, clock) as console:
        screen = await opened(console, article_id)
        await console.press("shift+tab", "ctrl+u")
        await save(console)
        await console.until(lambda: "needs a title" in console.status())
        assert screen.unsaved
        assert not screen.saving

    assert (await engine.knowledge.article(MAYA, article_id)).title == "Reset"


# Two people


async def in_conflict(engine: Engine, console: Console, article_id: ArticleId) -> EditorScreen:
    """Maya typed, noor saved meanwhile, and maya's save was refused."""
    screen = await opened(console, article_id)
    await console.type("Mine. ")
    await edited(engine, article_id, "Theirs.")
    await console.shows("noor saved v1 at", "while you wrote. Your text is kept")
    await save(console)
    await console.until(lambda: isinstance(console.app.screen, Choose))
    await console.shows("Keep mine. noor saved v1", "Take theirs.", "Put theirs below mine")
    assert await content(engine, article_id) == "Theirs."
    return screen


async def test_whoever_was_faster_is_named_and_mine_can_be_kept(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock) as console:
        screen = await in_conflict(engine, console, article_id)
        await console.press("enter")
        await console.until(lambda: screen.theirs is None)
        assert screen.area.text == "Mine. Start."
        await save(console)
        await console.until(lambda: not screen.unsaved)

    assert await content(engine, article_id) == "Mine. Start."


async def test_theirs_can_be_taken_and_undo_brings_mine_back(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock) as console:
        screen = await in_conflict(engine, console, article_id)
        await console.press("j", "enter")
        await console.until(lambda: screen.area.text == "Theirs.")
        assert not screen.unsaved
        await console.until(lambda: screen.area.has_focus)
        await console.press("ctrl+z")
        assert screen.area.text == "Mine. Start."
        assert screen.unsaved


async def test_both_can_be_put_together(engine: Engine, clock: FixedClock) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock) as console:
        screen = await in_conflict(engine, console, article_id)
        await console.press("j", "j", "enter")
        await console.until(lambda: "Theirs." in screen.area.text)
        assert screen.area.text.startswith("Mine. Start.\n\n---- noor saved v1 at")
        assert screen.area.text.endswith("----\n\nTheirs.")


async def test_leaving_the_question_loses_nothing(engine: Engine, clock: FixedClock) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock) as console:
        screen = await in_conflict(engine, console, article_id)
        await console.press("escape")
        await console.until(lambda: console.app.screen is screen)
        assert screen.area.text == "Mine. Start."
        await save(console)
        await console.until(lambda: isinstance(console.app.screen, Choose))


async def test_an_untouched_editor_follows_what_others_save(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock) as console:
        screen = await opened(console, article_id)
        await edited(engine, article_id, "Theirs.")
        await console.until(lambda: screen.area.text == "Theirs.")
        assert not screen.unsaved
        assert screen.theirs is None


# Nothing is lost


async def test_leaving_with_unsaved_text_asks_and_keeps_it(
    engine: Engine, clock: FixedClock, tmp_path: Path
) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock, state_folder=tmp_path) as console:
        screen = await opened(console, article_id)
        await console.type("Unsaved. ")
        await console.press("escape")
        assert screen.preview.has_focus
        await console.press("escape")
        await console.shows("Leave with unsaved text?", "e brings it back")
        await console.press("escape")
        assert console.app.screen is screen
        await console.press("q")
        await console.shows("Leave with unsaved text?")
        await console.press("enter")
        await console.shows("Home")
        await console.press("ctrl+q")
        await console.shows("Quit with unsent text?", f"article {article_id}")
        await console.press("escape")

    assert await content(engine, article_id) == "Start."
    async with open_console(engine, clock, state_folder=tmp_path) as console:
        screen = await opened(console, article_id)
        assert screen.area.text == "Unsaved. Start."
        assert "Your unsaved text from before is back" in console.status()
        await save(console)
        await console.until(lambda: not screen.unsaved)
        assert console.app.unsaved_articles.articles() == ()
        await console.press("escape", "escape")
        await console.shows("Home")


async def test_a_text_that_was_kept_meets_what_others_saved_since(
    engine: Engine, clock: FixedClock, tmp_path: Path
) -> None:
    article_id = await written(engine, "Reset", "Start.")
    async with open_console(engine, clock, state_folder=tmp_path) as console:
        await opened(console, article_id)
        await console.type("Kept. ")
        await console.press("escape", "q", "enter")
    await edited(engine, article_id, "Theirs.")

    async with open_console(engine, clock, state_folder=tmp_path) as console:
        screen = await opened(console, article_id)
        await console.shows("noor saved v1 at", "while you wrote")
        assert screen.area.text == "Kept. Start."
        await save(console)
        await console.until(lambda: isinstance(console.app.screen, Choose))

    assert await content(engine, article_id) == "Theirs."


async def test_an_article_that_was_archived_meanwhile_keeps_the_text(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock) as console:
        screen = await opened(console, article_id)
        await console.type("Mine. ")
        await engine.knowledge.archive(NOOR, article_id)
        await console.shows("The article was archived")
        assert screen.area.text == "Mine. Start."


async def test_a_long_paste_arrives_whole_and_without_controls(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock) as console:
        screen = await opened(console, article_id)
        console.app.post_message(events.Paste("word " * 10_000 + "\x1b[2J"))
        await console.until(lambda: len(screen.area.text) > 50_000)
        assert "\x1b" not in screen.area.text
        await console.press("escape", "G")
        await console.shows("chars are not shown here")


# Publishing from here


@pytest.mark.requirement("03-retrieval-drafting:17")
async def test_publishing_is_offered_here_for_what_is_saved(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock) as console:
        screen = await opened(console, article_id)
        await console.type("More. ")
        await from_palette(console, "Publish the draft")
        await console.shows("Save first (Ctrl+S)")
        await console.press("escape")
        await save(console)
        await console.until(lambda: not screen.unsaved)
        await from_palette(console, "Publish the draft")
        await console.shows("Publish this draft?", "v1, the first", "More. Start.")
        await console.press("enter")
        await console.until(lambda: "Published v1" in console.status())
        await console.shows("Published v1 stays as it is")
        assert screen.area.text == "More. Start."

    view = await engine.knowledge.article(MAYA, article_id)
    assert view.published is not None


async def test_hidden_characters_are_shown_where_they_stand(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Paying", "Pay \u202e05$ now, [/b] \x1b[2J")

    async with open_console(engine, clock, size=NARROW) as console:
        screen = await opened(console, article_id)
        await console.shows("▲ Hidden characters", "Pay ⟨U+202E⟩05$ now, [/b] ␛[2J")
        assert "\x1b" not in console.frame()
        assert "\u202e" not in console.frame()
        # What is stored is not touched by showing it.
        assert screen.area.text == "Pay \u202e05$ now, [/b] \x1b[2J"


async def test_letters_are_text_in_the_fields_and_commands_beside_them(
    engine: Engine, clock: FixedClock
) -> None:
    article_id = await written(engine, "Reset", "Start.")

    async with open_console(engine, clock) as console:
        screen = await opened(console, article_id)
        await console.type("equal ")
        assert screen.area.text == "equal Start."
        await console.press("escape", "e")
        assert screen.area.has_focus
        await console.press("ctrl+g")
        assert "cannot be handed to an editor" in console.status()
        assert screen.area.text == "equal Start."
        console.proved("article.editor")
