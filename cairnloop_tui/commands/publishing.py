"""Commands that make an article public, and that take it out of use."""

from __future__ import annotations

from collections.abc import Callable

from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.knowledge.model import Archived, ArticleStatus, Published
from cairnloop_engine.knowledge.reads import ArticleView, RevisionView
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.knowledge import (
    ANY,
    GROUP,
    NOT_READ,
    ONE,
    article_id_of,
    article_of,
    none_chosen,
    status_of,
)
from cairnloop_tui.commands.registry import Command, Takes
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.dialogs.confirm import TypedConfirm
from cairnloop_tui.knowledge import cards
from cairnloop_tui.knowledge.editor import EditorScreen
from cairnloop_tui.knowledge.screen import KnowledgeScreen
from cairnloop_tui.text import counted, one_line
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import Trouble

STAYS = "What is published stays until the next version is; archiving takes it away."
# What has to be typed to publish what a reader cannot see.
HIDDEN = "hidden"


# Publishing


def _cannot_publish(ctx: Context) -> str | None:
    article, screen = article_of(ctx), ctx.screen
    if article is None:
        return NOT_READ
    if article.draft is None:
        return "There is no draft; what is published is current. e begins one."
    if isinstance(screen, EditorScreen):
        if screen.unsaved or screen.theirs is not None:
            return "Save first (Ctrl+S): what is published is the draft as it was saved."
        if screen.saving:
            return "A save is under way."
    return None


def _arm_publish(ctx: Context) -> Armed:
    article = article_of(ctx)
    assert article is not None
    assert article.draft is not None
    return _publishing(ctx, article, article.draft, acknowledged=False)


def _publishing(
    ctx: Context, article: ArticleView, draft: RevisionView, *, acknowledged: bool
) -> Armed:
    """Exactly what becomes public; with ``acknowledged`` also what nobody can see of it."""
    current = article.published
    replaced = "the first" if current is None else f"in place of v{current.version}"
    warnings = ["It holds hidden characters; they are shown as ⟨U+…⟩."]
    return Armed(
        title="Publish what cannot be seen, too?" if acknowledged else "Publish this draft?",
        facts=(
            ("Title", one_line(draft.title, 300)),
            ("Version", f"v{draft.version}, {replaced}"),
            ("Draft", cards.changed_by(draft, ctx.app.clock.now())),
            ("Length", counted(len(draft.content), "character")),
        ),
        text=draft.content,
        warnings=tuple(warnings) if draft.hidden_characters else (),
        tone=Tone.DANGER if acknowledged else Tone.WARNING,
        go="makes this what replies are grounded on",
        act=lambda: _publish(ctx, article, draft, acknowledged=acknowledged),
        still=lambda: _moved(ctx, article),
        show=_typed(ctx) if acknowledged else None,
    )


def _typed(ctx: Context) -> Callable[[Armed], None]:
    """What cannot be seen asks for more than a key."""
    below = ctx.screen

    def show(armed: Armed) -> None:
        ctx.app.push_screen(TypedConfirm(armed, HIDDEN, below))

    return show


def _moved(ctx: Context, article: ArticleView) -> str | None:
    now, screen = article_of(ctx), ctx.screen
    if now is None or (now.id, now.edit_version) != (article.id, article.edit_version):
        return "Disarmed: the article was changed meanwhile."
    if isinstance(screen, EditorScreen) and (screen.unsaved or screen.theirs is not None):
        return "Disarmed: the text changed."
    return None


def _publish(
    ctx: Context, article: ArticleView, draft: RevisionView, *, acknowledged: bool
) -> None:
    screen = ctx.screen

    def published(done: Published) -> None:
        ctx.app.undo_log.add(Done(f"Published v{done.version}.", why_not=STAYS))
        words = f"Published v{done.version}. A search finds it by its words now, vectors follow."
        ctx.app.say(words, Tone.SUCCESS)
        screen.reload()

    def failed(trouble: Trouble, error: Exception) -> None:
        if getattr(error, "code", "") == "hidden_characters" and screen.is_current:
            screen.arm(_publishing(ctx, article, draft, acknowledged=True))

    ctx.app.act(
        screen,
        lambda engine, caller: engine.knowledge.publish(
            caller,
            article.id,
            acknowledge_hidden=acknowledged,
            expected_version=article.edit_version,
        ),
        published,
        doing="publishing the article",
        failed=failed,
    )


# Archiving


def _cannot_archive(ctx: Context) -> str | None:
    if (reason := none_chosen(ctx)) is not None:
        return reason
    if status_of(ctx) is ArticleStatus.ARCHIVED:
        return "Archived already."
    return NOT_READ if status_of(ctx) is None else None


def _arm_archive(ctx: Context) -> Armed:
    screen, article_id = ctx.screen, article_id_of(ctx)
    row = screen.current() if isinstance(screen, KnowledgeScreen) else article_of(ctx)
    assert row is not None
    assert article_id is not None
    return Armed(
        title="Archive this article?",
        facts=(
            ("Title", one_line(row.title, 300)),
            ("Article", str(article_id)),
            ("Status", cards.status_label(row.status).words),
        ),
        warnings=(
            "No search finds it any more, and it cannot be edited or published again.",
            "It stays readable, and what was cited from it stays cited.",
        ),
        tone=Tone.DANGER,
        go="archives it for good",
        act=lambda: _archive(ctx, article_id),
        still=lambda: None if article_id_of(ctx) == article_id else "Disarmed: another article.",
    )


def _archive(ctx: Context, article_id: ArticleId) -> None:
    screen = ctx.screen

    def archived(done: Archived) -> None:
        ctx.app.undo_log.add(Done("Archived.", why_not="An archived article stays archived."))
        ctx.app.say(f"Article {done.article_id} is archived.", Tone.SUCCESS)
        screen.reload()

    ctx.app.act(
        screen,
        lambda engine, caller: engine.knowledge.archive(caller, article_id),
        archived,
        doing="archiving the article",
    )


COMMANDS: tuple[Command, ...] = (
    Command(
        "article.publish",
        "Publish the draft",
        GROUP,
        "Shows exact title, version and text; Enter then publishes.",
        keys=("a",),
        scope=ONE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_publish,
        arm=_arm_publish,
        label="publish",
        undo="Cannot be undone.",
        cli="cairnloop kb publish ID",
    ),
    Command(
        "article.archive",
        "Archive the article",
        GROUP,
        "No search finds it any more.",
        scope=ANY,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_archive,
        arm=_arm_archive,
        undo="Cannot be undone.",
        cli="cairnloop kb archive ID",
    ),
)
