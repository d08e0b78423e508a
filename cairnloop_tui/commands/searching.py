"""Commands of the search palette."""

from __future__ import annotations

from cairnloop_engine.retrieval.model import Hit, Trust
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import SEARCH, Command
from cairnloop_tui.search.cards import title_of
from cairnloop_tui.search.screen import Search

GROUP = "Result"
SCOPE = frozenset({SEARCH})


def _nothing(ctx: Context) -> str | None:
    return None if ctx.on(Search).current() is not None else "No result is selected."


def _cannot_cite(ctx: Context) -> str | None:
    """Only what is published may be shown to a customer as what we go by."""
    search = ctx.on(Search)
    if search.cite is None:
        return "Open a conversation first; the citation goes into its reply."
    hit = search.current()
    if hit is not None and hit.trust is not Trust.CANONICAL:
        return (
            "A resolved case supports you; it is not cited to a customer. Enter opens it, and "
            "what it rested on can be cited."
        )
    return _nothing(ctx)


def _reference(hit: Hit) -> str:
    if hit.article_id is not None:
        return f"article {hit.article_id}"
    return f"conversation {hit.conversation_id}" if hit.conversation_id else title_of(hit)


def _copy(ctx: Context) -> None:
    hit = ctx.on(Search).current()
    if hit is not None:
        reference = _reference(hit)
        ctx.app.copy_to_clipboard(reference)
        ctx.app.say(f"Copied {reference}.")


COMMANDS: tuple[Command, ...] = (
    Command(
        "search.cite",
        "Insert as a citation",
        GROUP,
        "Puts a marker into the reply; the engine stores what it points at. Articles only.",
        keys=("i",),
        scope=SCOPE,
        why_not=_cannot_cite,
        label="insert",
        run=lambda ctx: ctx.on(Search).insert_citation(),
    ),
    Command(
        "search.open",
        "Open the source",
        GROUP,
        "The whole article, or the conversation of a case.",
        keys=("o",),
        scope=SCOPE,
        why_not=_nothing,
        label="open",
        run=lambda ctx: ctx.on(Search).open_focused(),
    ),
    Command(
        "search.copy",
        "Copy the reference",
        GROUP,
        "To the clipboard of your terminal.",
        keys=("y",),
        scope=SCOPE,
        why_not=_nothing,
        run=_copy,
    ),
)
