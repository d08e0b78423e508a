"""``--watch``: the same answer again whenever something changes, through any outage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import typer

from cairnloop_cli.answers import Answer
from cairnloop_cli.boundary import Desk, invocation, serve, with_desk
from cairnloop_cli.phrases import at
from cairnloop_engine.core.changes import ChangeFeed
from cairnloop_engine.core.errors import Unavailable

# A burst of changes is shown once.
SETTLE_S = 0.3
# Ages grow without anything changing.
REDRAW_S = 15.0


Load = Callable[[Desk], Awaitable[Answer]]


def serve_watching(ctx: typer.Context, load: Load, *, watch: bool) -> None:
    """Run a command once, or with ``watch`` until somebody ends it."""
    if not watch:
        serve(ctx, load)
        return
    with_desk(invocation(ctx), lambda desk: _again_and_again(desk, load))


async def _again_and_again(desk: Desk, load: Load) -> None:
    """Show an answer, then show it anew after each change; ends when nobody reads any more."""
    changed = asyncio.Event()
    async with desk.engine.changes(desk.caller.workspace) as feed:
        following = asyncio.create_task(_follow(feed, changed), name="watch")
        try:
            while not desk.out.gone:
                changed.clear()
                await _show(desk, load)
                await _wait(changed)
                await asyncio.sleep(SETTLE_S)
        finally:
            following.cancel()


async def _show(desk: Desk, load: Load) -> None:
    try:
        answer = await load(desk)
    except Unavailable as error:
        desk.out.note(f"unavailable: {error.message} Trying again.")
        return
    if desk.out.as_json:
        desk.out.document(answer.data, one_line=True)
        return
    desk.out.clear()
    desk.out.line(at(desk.engine.clock.now()))
    desk.out.show(answer)


async def _follow(feed: ChangeFeed, changed: asyncio.Event) -> None:
    async for _ in feed:
        changed.set()


async def _wait(changed: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(REDRAW_S):
            await changed.wait()
    except TimeoutError:
        return
