"""The last boundary of the command line: it opens the engine and turns errors into exit codes."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import traceback
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from cairnloop_cli.answers import Answer
from cairnloop_cli.output import Output, report
from cairnloop_engine.core.errors import CairnloopError, JsonValue, Misconfigured
from cairnloop_engine.core.text import storable

if TYPE_CHECKING:
    from cairnloop_engine import Caller, Engine, Settings

T = TypeVar("T")

DONE = 0
NOT_ALL_OK = 1
BAD_USAGE = 2
BUG = 70
INTERRUPTED = 130

log = logging.getLogger("cairnloop_cli")


@dataclass(frozen=True, slots=True)
class Invocation:
    """The global options of one command line."""

    out: Output
    operator: str | None = None
    workspace: str | None = None
    database_url: str | None = field(default=None, repr=False)
    config: Path | None = None
    debug: bool = False

    def settings(self, **overrides: JsonValue) -> Settings:
        """The settings with this command line's options on top.

        Raises:
            Misconfigured: ``settings_unknown``, ``settings_invalid`` or ``settings_missing``.
        """
        from cairnloop_engine import Settings  # deferred: --help does not read settings

        loaded = Settings.load(
            self.config,
            operator=self.operator,
            workspace=self.workspace,
            database_url=self.database_url,
            **overrides,
        )
        if storable(loaded.operator or "") != (loaded.operator or ""):
            raise Misconfigured("settings_invalid", "operator: it is not valid UTF-8 text.")
        return loaded


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with: an open engine and in whose name it acts."""

    engine: Engine
    caller: Caller
    out: Output
    settings: Settings


def invocation(ctx: typer.Context) -> Invocation:
    """The global options as the root of this command line read them."""
    found = ctx.find_root().obj
    if not isinstance(found, Invocation):
        raise TypeError("a command ran without the root's options")
    return found


def serve(ctx: typer.Context, work: Callable[[Desk], Awaitable[Answer]]) -> None:
    """Run a command's work with an open engine, and print its answer.

    Raises:
        typer.Exit: with 1 when the answer is not ok.
    """
    asked = invocation(ctx)
    answer = with_desk(asked, work)
    conclude(asked.out, answer)


def conclude(out: Output, answer: Answer) -> None:
    """Print an answer and leave with its exit code."""
    out.show(answer)
    if not answer.ok:
        raise typer.Exit(NOT_ALL_OK)


def with_desk(asked: Invocation, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Open the engine, run ``work`` in it and close it again; the one event loop of a command."""
    settings = asked.settings()
    if asked.debug:
        log_to_stderr("DEBUG")
    return asyncio.run(_at_desk(asked, settings, work))


def guarded(run: Callable[[], int | None], out: Output, *, debug: bool = False) -> int:
    """Run a whole command line and return its exit code, whatever happens in it."""
    try:
        return run() or DONE
    except CairnloopError as error:
        report(out, error)
        return error.exit_code
    except typer.TyperException as error:
        _misused(error, out)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return DONE
    except Exception as error:
        if debug:
            for line in "".join(traceback.format_exception(error)).splitlines():
                out.note(line)
        _broke(error, out)
        return BUG


def log_to_stderr(level: str) -> None:
    """Structured logs on standard error, for processes that run on."""
    from cairnloop_engine.core.telemetry import (
        configure_logging,
    )  # deferred: most commands are mute

    configure_logging(level)


async def _at_desk(
    asked: Invocation, settings: Settings, work: Callable[[Desk], Awaitable[T]]
) -> T:
    from cairnloop_engine import Caller, Engine  # deferred: --help opens no engine

    caller = Caller.operator(settings.operator, settings.workspace)
    async with Engine(settings) as engine:
        return await work(Desk(engine, caller, asked.out, settings))


def _misused(error: typer.TyperException, out: Output) -> None:
    usage = getattr(error, "ctx", None)
    if usage is not None:
        out.note(usage.get_usage())
        out.note(f"Try '{usage.command_path} --help' for help.")
    out.failure("usage", error.format_message(), {}, word="usage")


def _broke(error: Exception, out: Output) -> None:
    """A bug: people get a reference, the log file gets the stack, nobody gets the data in it."""
    ref = uuid.uuid4().hex[:8]
    kept = _log_bug(error, ref)
    where = f"The log is {kept}." if kept else "No log could be written; --debug shows the stack."
    message = f"Something broke inside Cairnloop (ref {ref}). {where}"
    out.failure("bug", message, {"ref": ref}, word="bug")


def _log_bug(error: Exception, ref: str) -> Path | None:
    from cairnloop_engine.core.telemetry import configure_logging  # deferred: only a bug is logged

    path = _log_folder() / "cli.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        return None
    with os.fdopen(handle, "a", encoding="utf-8") as stream:
        configure_logging("WARNING", stream=stream)
        log.error("a command broke", exc_info=error, extra={"ref": ref})
        logging.getLogger().handlers.clear()
    return path


def _log_folder() -> Path:
    try:
        from cairnloop_engine import Settings  # deferred: only a bug needs the folder

        return Settings.load().home_dir / "logs"
    except CairnloopError:
        return Path(tempfile.gettempdir()) / f"cairnloop-logs-{os.geteuid()}"
