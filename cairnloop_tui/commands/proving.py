"""Commands of the evidence: why a source was found, and the source itself."""

from __future__ import annotations

from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import EVIDENCE, Command
from cairnloop_tui.conversation.sources import EvidenceScreen

GROUP = "Evidence"
SCOPE = frozenset({EVIDENCE})


def _none(ctx: Context) -> str | None:
    return None if ctx.on(EvidenceScreen).current() is not None else "There is no source here."


def _no_reasons(ctx: Context) -> str | None:
    source = ctx.on(EvidenceScreen).current()
    if source is not None and source.why is None:
        return "Of what a message cites, only the draft it came from kept how it was found."
    return _none(ctx)


def _no_article(ctx: Context) -> str | None:
    source = ctx.on(EvidenceScreen).current()
    if source is not None and source.article_id is None:
        return "There is no article behind it; Ctrl+F finds the case it is from."
    return _none(ctx)


def _copy(ctx: Context) -> None:
    source = ctx.on(EvidenceScreen).current()
    assert source is not None
    reference = source.title if source.article_id is None else f"article {source.article_id}"
    ctx.app.copy_to_clipboard(reference)
    ctx.app.say(f"Copied {reference}.")


COMMANDS: tuple[Command, ...] = (
    Command(
        "evidence.open",
        "Open the article",
        GROUP,
        "As it was when the passage was found.",
        keys=("o",),
        scope=SCOPE,
        why_not=_no_article,
        run=lambda ctx: ctx.on(EvidenceScreen).open_focused(),
        label="open",
    ),
    Command(
        "evidence.why",
        "Show why it was found",
        GROUP,
        "Nearness in meaning, and the words that matched.",
        keys=("v",),
        scope=SCOPE,
        why_not=_no_reasons,
        run=lambda ctx: ctx.on(EvidenceScreen).toggle_why(),
        label="why",
    ),
    Command(
        "evidence.copy",
        "Copy the reference",
        GROUP,
        "To the clipboard of your terminal.",
        keys=("y",),
        scope=SCOPE,
        why_not=_none,
        run=_copy,
    ),
)
