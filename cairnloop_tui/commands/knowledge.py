"""Commands of the knowledge: what is listed, and writing articles."""

from __future__ import annotations

from collections.abc import Callable

from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.model import ArticleStatus, Saved
from cairnloop_engine.knowledge.reads import ArticleView
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import ARTICLE, EDITOR, KNOWLEDGE, Command, Takes
from cairnloop_tui.dialogs.prompt import Prompt
from cairnloop_tui.knowledge.article import ArticleScreen
from cairnloop_tui.knowledge.cards import TABS, StatusTab
from cairnloop_tui.knowledge.editor import EditorScreen
from cairnloop_tui.knowledge.screen import KnowledgeScreen
from cairnloop_tui.theme.tokens import Tone

GROUP = "Knowledge"
LIST = frozenset({KNOWLEDGE})
ONE = frozenset({ARTICLE, EDITOR})
ANY = LIST | ONE
NONE_CHOSEN = "No article is selected."
NOT_READ = "The article is not read yet."
# Where a title that was typed for a new article waits when it could not be begun.
NEW_TITLE = "title of a new article"


def _go(ctx: Context) -> None:
    ctx.app.go_home()
    ctx.app.push_screen(KnowledgeScreen())


def article_of(ctx: Context) -> ArticleView | None:
    """The article before the operator, as it was read last."""
    screen = ctx.screen
    return screen.article if isinstance(screen, ArticleScreen | EditorScreen) else None


def article_id_of(ctx: Context) -> ArticleId | None:
    """Which article a verb is about."""
    screen = ctx.screen
    if isinstance(screen, KnowledgeScreen):
        row = screen.current()
        return None if row is None else row.id
    return screen.article_id if isinstance(screen, ArticleScreen | EditorScreen) else None


def none_chosen(ctx: Context) -> str | None:
    return None if article_id_of(ctx) is not None else NONE_CHOSEN


def status_of(ctx: Context) -> ArticleStatus | None:
    row = ctx.screen.current() if isinstance(ctx.screen, KnowledgeScreen) else article_of(ctx)
    return None if row is None else row.status


# Writing


def _cannot_edit(ctx: Context) -> str | None:
    if article_id_of(ctx) is None:
        return NONE_CHOSEN
    if status_of(ctx) is ArticleStatus.ARCHIVED and not isinstance(ctx.screen, EditorScreen):
        return "This article is archived; write a new one instead (c in the list)."
    return None


def _edit(ctx: Context) -> None:
    screen, article_id = ctx.screen, article_id_of(ctx)
    assert article_id is not None
    if isinstance(screen, EditorScreen):
        screen.focus_pane(screen.area)
    else:
        ctx.app.push_screen(EditorScreen(article_id))


def _new(ctx: Context) -> None:
    """Ask for the title; the article begins as a draft, and its editor opens."""
    screen, typed = ctx.screen, ctx.app.left_typed

    def answered(title: str | None) -> None:
        if title is None or not title.strip():
            ctx.app.say("Nothing was begun.")
            return
        typed[NEW_TITLE] = title
        ctx.app.act(
            screen,
            lambda engine, caller: engine.knowledge.create(caller, title, ""),
            begun,
            doing="beginning the article",
        )

    def begun(saved: Saved) -> None:
        typed.pop(NEW_TITLE, None)
        ctx.app.say("Begun as a draft; nobody finds it until it is published.", Tone.SUCCESS)
        if ctx.app.screen is screen:
            ctx.app.push_screen(EditorScreen(saved.article_id))

    question = "What is the new article called?"
    hint = "Enter begins it as a draft, Esc leaves."
    ctx.app.push_screen(
        Prompt("New article", question, hint, value=typed.get(NEW_TITLE, "")), answered
    )


# One article


def _no_link(ctx: Context) -> str | None:
    if ctx.on(ArticleScreen).place() is not None:
        return None
    return "Tab goes to the links of this article; o opens the one under the cursor."


def _follow(ctx: Context) -> None:
    place = ctx.on(ArticleScreen).place()
    assert place is not None
    ctx.on(ArticleScreen).follow(place)


def _copy(ctx: Context) -> None:
    reference = f"article {article_id_of(ctx)}"
    ctx.app.copy_to_clipboard(reference)
    ctx.app.say(f"Copied {reference}.")


def _show(tab: StatusTab) -> Callable[[Context], None]:
    return lambda ctx: ctx.on(KnowledgeScreen).show_tab(tab.key)


COMMANDS: tuple[Command, ...] = (
    Command(
        "article.new",
        "Write a new article",
        GROUP,
        "Asks for its title; it begins as a draft.",
        keys=("c",),
        scope=LIST,
        writes=True,
        run=_new,
        label="new",
        cli="cairnloop kb new TITLE",
    ),
    Command(
        "article.edit",
        "Edit the article",
        GROUP,
        "Opens the editor; a published version is never changed.",
        keys=("e",),
        scope=ANY,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_edit,
        run=_edit,
        label="edit",
        cli="cairnloop kb edit ID",
    ),
    Command(
        "article.revisions",
        "Show or hide the revisions",
        GROUP,
        "Beside or below the text.",
        keys=("v",),
        scope=frozenset({ARTICLE}),
        run=lambda ctx: ctx.on(ArticleScreen).toggle_revisions(),
    ),
    Command(
        "article.follow",
        "Open the linked article",
        GROUP,
        "The link under the cursor, beside the text.",
        keys=("o",),
        scope=frozenset({ARTICLE}),
        why_not=_no_link,
        run=_follow,
    ),
    Command(
        "article.copy",
        "Copy the id of the article",
        GROUP,
        "To the clipboard of your terminal (OSC 52).",
        keys=("y",),
        scope=ANY,
        why_not=none_chosen,
        run=_copy,
    ),
    Command(
        "knowledge.filter",
        "Filter by title",
        GROUP,
        "Words that stand in the title; Esc shows all.",
        keys=("/",),
        scope=LIST,
        run=lambda ctx: ctx.on(KnowledgeScreen).edit_words(),
        label="filter",
    ),
    *(
        Command(
            f"knowledge.tab_{tab.key}",
            f"List articles: {tab.label}",
            GROUP,
            "",
            keys=(f"f {tab.letter}",),
            scope=LIST,
            run=_show(tab),
        )
        for tab in TABS.values()
    ),
)
# Listed with the other ways to go somewhere.
GOING: tuple[Command, ...] = (
    Command(
        "go.knowledge",
        "Go to Knowledge",
        "Go to",
        "The articles, published and in progress.",
        keys=("g k",),
        run=_go,
        cli="cairnloop kb list",
    ),
)
