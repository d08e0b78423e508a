"""The demo as a person sees it: what is started, where the doors are, and the end of it."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from importlib import import_module

from cairnloop_cli.answers import Answer
from cairnloop_cli.demo import stage
from cairnloop_cli.demo.processes import LOOPBACK, Crew, await_ready
from cairnloop_cli.demo.signals import stoppable
from cairnloop_cli.demo.stage import START_WITHIN_S, Place
from cairnloop_cli.output import Output
from cairnloop_engine import Settings
from cairnloop_engine.core.errors import JsonObject, Misconfigured, Unavailable
from cairnloop_engine.demo import files
from cairnloop_engine.demo.reset import reset

LOOK_EVERY_S = 0.5
# The customer whose conversation waits for a person: good company for a first chat.
NEIGHBOUR = "acme"


@dataclass(frozen=True, slots=True)
class Wish:
    """How the demo is wanted."""

    reset: bool = False
    console: bool = True


def check_terminal() -> None:
    """The console needs a terminal on both sides.

    Raises:
        Misconfigured: ``no_terminal``, with what to do instead.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Misconfigured(
            "no_terminal",
            "The console needs a terminal, and this is not one. Without a terminal, walk the same "
            "stages with `cairnloop demo --smoke`, or start everything but the console with "
            "`cairnloop demo --no-tui`.",
        )


def show(settings: Settings, wish: Wish, out: Output) -> None:
    """Run the demo until the operator leaves the console, or, without it, until told to stop.

    Raises:
        CairnloopError: why it could not be started.
    """
    told = stage.demo_settings(settings)
    with stoppable(), stage.database_kept(told):
        if wish.reset:
            out.note("Deleting what the demo's database holds.")
            asyncio.run(reset(told))
        _load(told, out)
        out.note("Starting the chat, a worker and the HTTP server.")
        meanwhile = _load_console if wish.console else None
        with stage.running(told, say=out.note, meanwhile=meanwhile) as (place, crew):
            out.show(doors(place))
            _enter(crew, place, wish, out)
            _mourn(crew, out)
            out.note("Stopping what the demo started.")
    if wish.console and not out.as_json:
        out.line("These links work again whenever the demo runs:")
        out.show(doors(place))
    out.note("Stopped. The data stays: `cairnloop demo` opens it again.")


def _enter(crew: Crew, place: Place, wish: Wish, out: Output) -> None:
    with crew.keeping("worker"):
        if wish.console:
            _console(place.settings)
        else:
            _stay(crew, place, out)


def doors(place: Place) -> Answer:
    """Where customers come in, as JSON and in words."""
    people = files.cast()
    neighbour = people.customers[NEIGHBOUR]
    visitor, known = place.chat_link(people.visitor), place.chat_link(neighbour)
    data: JsonObject = {"chat": visitor, f"chat_as_{NEIGHBOUR}": known}
    lines = [
        "Be a customer in a browser on this machine (links last 12 hours):",
        f"  a new visitor     {visitor}",
        f"  {neighbour.name:<16}  {known}",
    ]
    if place.http_port is not None:
        health = f"http://{LOOPBACK}:{place.http_port}/health"
        data["http"] = health
        lines.append(f"  health            {health}")
    config = place.write_settings()
    data["config"] = str(config)
    lines += ["In another shell, be an operator beside it:", f"  export CAIRNLOOP_CONFIG={config}"]
    return Answer(data, lines)


def _load(settings: Settings, out: Output) -> None:
    out.note("Preparing the database and the story of Trailmark; the first time takes a moment.")
    with out.progress("Loading the story") as progress:
        stage.load_story(settings, told=progress.step)


def _load_console() -> None:
    import_module("cairnloop_tui.start")


def _console(settings: Settings) -> None:
    from cairnloop_tui.start import run_console  # deferred: only with a console is it loaded

    run_console(settings, operator=settings.operator, workspace=settings.workspace)


def _stay(crew: Crew, place: Place, out: Output) -> None:
    """Keep everything running until somebody says stop, or a process ends by itself."""
    try:
        if place.http_port is not None:
            await_ready(crew.child("http"), place.http_port, "/ready", within=START_WITHIN_S)
        out.note("Running. Press Ctrl+C to stop.")
        while crew.all_alive:
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        return
    (gone, *_) = crew.gone
    raise Unavailable(
        "demo_process_failed",
        f"The process {gone.name} stopped by itself. Its log ends:\n{gone.last_words()}",
        process=gone.name,
        log=str(gone.log),
    )


def _mourn(crew: Crew, out: Output) -> None:
    """Tell of processes that ended while nobody could be told."""
    for child in crew.gone:
        out.note(f"The process {child.name} had stopped by itself. Its log ends:")
        for line in child.last_words().splitlines():
            out.note(f"  {line}")
