"""Processes that run on: the console, the worker, the chat server, the HTTP server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cairnloop_cli.answers import Answer
from cairnloop_cli.boundary import Desk, invocation, log_to_stderr, serve
from cairnloop_cli.phrases import count
from cairnloop_cli.stopping import until_stopped
from cairnloop_engine.core.errors import JsonObject, Misconfigured

# The fixed queues (architecture); said here so that --help needs no queue library.
QUEUES = ("drafting", "indexing", "effects", "delivery", "mail", "maintenance", "sweep")


def _named_host(given: str | None) -> str | None:
    """An empty address would mean every one that the machine has."""
    if given is not None and not given.strip():
        raise typer.BadParameter("an address cannot be blank; 0.0.0.0 means every one")
    return given


Host = Annotated[
    str | None,
    typer.Option(
        "--host", callback=_named_host, help="Address to listen on; without it, the setting."
    ),
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="Port; 0 takes any that is free."),
]


def tui(
    ctx: typer.Context,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Look, and change nothing.")
    ] = False,
    ascii_only: Annotated[
        bool, typer.Option("--ascii", help="Draw with plain ASCII characters.")
    ] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="Only the terminal's own colours, bold, reverse.")
    ] = False,
) -> None:
    """The operator's console."""
    asked = invocation(ctx)
    settings = asked.settings()
    _check_terminal()
    from cairnloop_tui.start import run_console  # deferred: only the console loads textual

    code = run_console(settings, read_only=read_only, ascii=ascii_only, no_color=no_color)
    if code:
        raise typer.Exit(code)


def _check_terminal() -> None:
    from rich.console import Console  # deferred: knows which terminals can only print

    able = sys.stdin.isatty() and sys.stdout.isatty() and not Console().is_dumb_terminal
    if not able:
        raise Misconfigured(
            "no_terminal",
            "The console needs a terminal that can draw, and this is none. "
            "Without one, `cairnloop inbox` and `cairnloop show` tell the same.",
        )


def worker(
    ctx: typer.Context,
    queues: Annotated[
        list[str] | None,
        typer.Option(
            "--queues",
            metavar="NAMES",
            help=f"Serve only these, comma-separated: {', '.join(QUEUES)}.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", min=1, max=64, help="Jobs at once; else the setting."),
    ] = None,
    drain: Annotated[bool, typer.Option("--drain", help="Stop when nothing is due.")] = False,
) -> None:
    """Run jobs until told to stop; an absent database is waited for."""
    chosen = _queues(queues or [])

    async def work(desk: Desk) -> Answer:
        with _stopping(desk, ctx) as stop:
            done = await desk.engine.run_worker(
                queues=chosen,
                concurrency=concurrency,
                drain=drain,
                stop=stop,
                ready=lambda: desk.out.note("Working. Ctrl+C stops."),
            )
        data: JsonObject = {"ran": done.ran, "failed": done.failed}
        return Answer(data, [f"{count(done.ran, 'run')}, {done.failed} failed."])

    serve(ctx, work)


def serve_widget(ctx: typer.Context, host: Host = None, port: Port = None) -> None:
    """The customer chat: its websocket, its page and its script."""

    async def work(desk: Desk, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
        await desk.engine.serve_widget(host=host, port=port, stop=stop, ready=ready)

    serve(ctx, _serving(ctx, "The chat", work))


def serve_http(ctx: typer.Context, host: Host = None, port: Port = None) -> None:
    """The HTTP server: health, readiness, metrics."""

    async def work(desk: Desk, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
        await desk.engine.operations.serve_http(host=host, port=port, stop=stop, ready=ready)

    serve(ctx, _serving(ctx, "The HTTP server", work))


Server = Callable[[Desk, asyncio.Event, Callable[[str], None]], Awaitable[None]]


def _serving(ctx: typer.Context, what: str, run: Server) -> Callable[[Desk], Awaitable[Answer]]:
    async def work(desk: Desk) -> Answer:
        address = ""

        def ready(url: str) -> None:
            nonlocal address
            address = url
            desk.out.note(f"{what} listens at {url}. Ctrl+C stops.")

        with _stopping(desk, ctx) as stop:
            await run(desk, stop, ready)
        return Answer({"address": address, "stopped": True}, notes=[f"{what} stopped."])

    return work


@contextmanager
def _stopping(desk: Desk, ctx: typer.Context) -> Iterator[asyncio.Event]:
    """The same as :func:`until_stopped`, with the logs of a process that runs on."""
    if not invocation(ctx).debug:
        log_to_stderr(desk.settings.log_level)
    with until_stopped() as stop:
        yield stop


def _queues(given: list[str]) -> tuple[str, ...]:
    named = [name.strip() for part in given for name in part.split(",") if name.strip()]
    unknown = sorted(set(named) - set(QUEUES))
    if unknown:
        raise typer.BadParameter(f"no queue is called {', '.join(unknown)}")
    return tuple(dict.fromkeys(named))
