"""Commands of the editor: saving, and writing in one's own editor."""

from __future__ import annotations

from cairnloop_engine import Conflict
from cairnloop_engine.knowledge.model import Saved
from cairnloop_tui.commands.armed import Armed
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.outside import edited_outside
from cairnloop_tui.commands.registry import EDITOR, Command, Takes
from cairnloop_tui.commands.undo import Done
from cairnloop_tui.knowledge import cards
from cairnloop_tui.knowledge.editor import EditorScreen
from cairnloop_tui.knowledge.kept import Writing
from cairnloop_tui.text import counted, one_line
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.trouble import Trouble

GROUP = "Editor"
SCOPE = frozenset({EDITOR})
STAYS = "A saved draft stays. Ctrl+Z in the text goes back, then save again."


def _not_read(ctx: Context) -> str | None:
    return None if ctx.on(EditorScreen).article is not None else "The article is not read yet."


def _cannot_save(ctx: Context) -> str | None:
    screen = ctx.on(EditorScreen)
    if (reason := _not_read(ctx)) is not None:
        return reason
    if screen.saving:
        return "A save is under way already."
    return None if screen.unsaved else "Nothing was changed since the last save."


def _arm_save(ctx: Context) -> Armed:
    screen = ctx.on(EditorScreen)
    article, written = screen.article, screen.written
    assert article is not None
    screen.keep()
    draft = article.draft
    into = f"a new draft, v{article.version + 1}" if draft is None else f"draft v{draft.version}"
    warnings: tuple[str, ...] = ()
    if screen.theirs is not None:
        said = cards.saved_elsewhere(screen.theirs, ctx.app.clock.now())
        warnings = (f"{said} while you wrote; saving asks what to do.",)
    return Armed(
        title="Save this draft?",
        facts=(
            ("Title", one_line(written.title, 300)),
            ("Into", into),
            ("Length", counted(len(written.text), "character")),
        ),
        warnings=warnings,
        tone=Tone.WARNING if warnings else Tone.INFO,
        go="saves it; customers get what is published",
        act=lambda: _save(ctx, written),
        still=lambda: None if screen.written == written else "Disarmed: the text changed.",
    )


def _save(ctx: Context, written: Writing) -> None:
    screen = ctx.on(EditorScreen)
    title = written.title if screen.title_changed else None
    screen.saving = True

    def saved(made: Saved) -> None:
        ctx.app.undo_log.add(Done("Draft saved.", why_not=STAYS))
        ctx.app.say(f"Draft v{made.version} saved; a publishes it.", Tone.SUCCESS)
        screen.saved(written, made)

    def failed(trouble: Trouble, error: Exception) -> None:
        faster = isinstance(error, Conflict) and error.code == "version_conflict"
        screen.not_saved(somebody_else=faster)

    ctx.app.act(
        screen,
        lambda engine, caller: engine.knowledge.save_draft(
            caller,
            screen.article_id,
            written.text,
            expected_version=written.edit_version,
            title=title,
        ),
        saved,
        doing="saving the draft",
        failed=failed,
    )


def _edit_outside(ctx: Context) -> None:
    screen = ctx.on(EditorScreen)
    screen.keep()
    text = edited_outside(ctx.app, screen.area.text, f"article-{screen.article_id}.md")
    if text is not None:
        screen.retype(text)


COMMANDS: tuple[Command, ...] = (
    Command(
        "article.save",
        "Save the draft",
        GROUP,
        "Enter then saves it; nothing is published by it.",
        keys=("ctrl+s", "f9"),
        scope=SCOPE,
        in_text=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_cannot_save,
        arm=_arm_save,
        label="save",
        undo="Ctrl+Z in the text goes back.",
        cli="cairnloop kb edit ID -",
    ),
    Command(
        "article.editor",
        "Write the article in $EDITOR",
        GROUP,
        "The text of the article, in your own editor.",
        keys=("ctrl+g",),
        scope=SCOPE,
        in_text=SCOPE,
        takes=Takes.ONE,
        writes=True,
        why_not=_not_read,
        run=_edit_outside,
    ),
)
