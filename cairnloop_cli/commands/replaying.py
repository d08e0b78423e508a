"""Past drafts under today's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cairnloop_cli.answers import Answer, Block, Shown
from cairnloop_cli.boundary import Desk, serve
from cairnloop_cli.phrases import at, count
from cairnloop_cli.values import view
from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.core.text import humanise

if TYPE_CHECKING:
    from cairnloop_engine.drafting.replaying import Replayed, Shape


def replay(
    ctx: typer.Context,
    last: Annotated[
        int, typer.Option("--last", metavar="N", min=1, max=200, help="How many drafts.")
    ] = 20,
) -> None:
    """What today's knowledge and settings would make of the last drafts; nothing is stored."""

    async def work(desk: Desk) -> Answer:
        with desk.out.progress("Drafting again") as progress:
            found = await desk.engine.rehearsal.replay(desk.caller, last=last, step=progress.step)
        items: list[JsonValue] = [view(one) for one in found]
        differ = [one for one in found if one.changed]
        failed = sum(one.error is not None for one in found)
        data: JsonObject = {
            "items": items,
            "n_drafts": len(found),
            "n_changed": len(differ),
            "n_failed": failed,
        }
        shown: list[Shown] = [line for one in found for line in _told(one)]
        shown.append(_summary(len(found), len(differ), failed))
        return Answer(data, shown, ok=not failed)

    serve(ctx, work)


def _summary(n_drafts: int, n_changed: int, n_failed: int) -> str:
    if not n_drafts:
        return "There is no draft yet."
    failed = f" {count(n_failed, 'draft')} could not be made again." if n_failed else ""
    return f"{n_changed} of {count(n_drafts, 'draft')} would be different today.{failed}"


def _told(one: Replayed) -> list[Shown]:
    place = f"Draft {one.draft_id} · conversation {one.conversation_id} · {at(one.created_at)}"
    if one.now is None:
        return [f"{place} · could not be made again ({one.error})", ""]
    if not one.changed:
        return [f"{place} · the same", ""]
    shown: list[Shown] = [place]
    shown += [
        f"  {humanise(name).lower()}: {_value(one.then, name)} -> {_value(one.now, name)}"
        for name in one.changed
        if name != "text"
    ]
    if one.diff:
        shown.append(Block("\n".join(one.diff)))
    shown.append("")
    return shown


def _value(shape: Shape, name: str) -> str:
    found = getattr(shape, name)
    if isinstance(found, tuple):
        return ", ".join(found) or "none"
    return humanise(str(found)).lower()
