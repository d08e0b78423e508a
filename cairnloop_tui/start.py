"""Starting the console: over the engine of these settings, in the terminal of this process."""

from __future__ import annotations

import os

from cairnloop_engine import Engine, Settings
from cairnloop_tui.app import ConsoleApp
from cairnloop_tui.logs import logged_to
from cairnloop_tui.session import EngineSource, Session

# With these a program believes that its window has one size for ever.
FIXED_SIZE = ("COLUMNS", "LINES")


def console_for(
    source: EngineSource,
    settings: Settings,
    *,
    operator: str | None,
    workspace: str,
    read_only: bool = False,
    ascii_only: bool = False,
    no_color: bool = False,
) -> ConsoleApp:
    """A console over any source of engines."""
    session = Session(
        source,
        operator=operator,
        workspace=workspace,
        read_only=read_only,
        hold_s=settings.console_reply_hold,
    )
    return ConsoleApp(
        session,
        state_folder=settings.home_dir / "console",
        ascii_only=ascii_only,
        no_color=no_color,
    )


def run_console(
    settings: Settings,
    *,
    operator: str | None = None,
    workspace: str | None = None,
    read_only: bool = False,
    ascii: bool = False,  # noqa: A002 - the word of the command line
    no_color: bool = False,
) -> int:
    """Run the console until the operator leaves it; the exit code of the process.

    Raises:
        CairnloopError: why the engine could not be opened.
    """
    for name in FIXED_SIZE:
        os.environ.pop(name, None)  # noqa: TID251 - the terminal itself knows its size
    app = console_for(
        lambda: Engine(settings),
        settings,
        operator=operator or settings.operator,
        workspace=workspace or settings.workspace,
        read_only=read_only,
        ascii_only=ascii,
        no_color=no_color,
    )
    with logged_to(settings.home_dir / "logs" / "console.log"):
        app.run()
    if app.start_error is not None:
        raise app.start_error
    return app.return_code or 0
