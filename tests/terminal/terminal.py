"""A terminal in tmux, with a server of its own and a record of every byte that was sent to it."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 60.0
# What stands unchanged for this long has been seen, and the console's guard believes it.
SEEN_AFTER_S = 0.3
PROMPT = "shell is here"


@dataclass(frozen=True, slots=True)
class Terminal:
    """One window of 80×24 with a shell in it."""

    socket: str
    record: Path

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.socket, "-f", "/dev/null", *arguments],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        """Keys by tmux's names, each once, when a person has seen what the one before did."""
        for key in keys:
            self.rests()
            self.tmux("send-keys", "-t", "0", key)

    def press_at_once(self, *keys: str) -> None:
        """Keys that arrive together, as over a slow line."""
        self.tmux("send-keys", "-t", "0", *keys)

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-t", "0", "-l", text)

    def paste(self, text: str) -> None:
        """Paste as a terminal does, in brackets when the program asked for them."""
        self.tmux("set-buffer", "-b", "paste", text)
        self.tmux("paste-buffer", "-p", "-b", "paste", "-t", "0")

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "0")

    def shows(self, *words: str) -> str:
        return self.until(lambda screen: all(word in screen for word in words))

    def rests(self) -> None:
        """Wait until nothing on the screen has moved for as long as it takes to see it."""
        last, since = self.screen(), time.monotonic()

        def unchanged(screen: str) -> bool:
            nonlocal last, since
            if screen != last:
                last, since = screen, time.monotonic()
            return time.monotonic() - since >= SEEN_AFTER_S

        self.until(unchanged)

    def until(self, condition: Callable[[str], bool]) -> str:
        """Wait, bounded, until the screen is as wanted.

        Raises:
            AssertionError: with the screen, when that never happens.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            screen = self.screen()
            if condition(screen):
                return screen
            time.sleep(0.05)
        raise AssertionError(f"never came true; the screen shows:\n{self.screen()}")

    def sent(self) -> bytes:
        """Everything that programs wrote to the terminal."""
        return self.record.read_bytes()

    def run_console(self, environment: Mapping[str, str], *options: str) -> None:
        """Start the console from the shell; its exit code stands on the screen afterwards."""
        given = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        command = shlex.join([sys.executable, "-m", "cairnloop_cli", "tui", *options])
        self.type(f'env {given} {command}; echo "left with $?"')
        self.press("Enter")

    def console_pid(self) -> int:
        """The process in the foreground of the window."""
        shell = self.tmux("display-message", "-p", "-t", "0", "#{pane_pid}").strip()
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[-1])


@contextmanager
def open_terminal(folder: Path) -> Iterator[Terminal]:
    """A terminal that is gone afterwards, with everything that ran in it."""
    terminal = Terminal(f"cairnloop-{uuid.uuid4().hex[:8]}", folder / "terminal.bytes")
    terminal.record.touch()
    shell = "PS1='$ ' exec bash --noprofile --norc"
    terminal.tmux("new-session", "-d", "-x", "80", "-y", "24", shell)
    try:
        terminal.tmux("pipe-pane", "-t", "0", f"cat >> {shlex.quote(str(terminal.record))}")
        terminal.type(f"echo {shlex.quote(PROMPT)}")
        terminal.press("Enter")
        terminal.shows(PROMPT)
        yield terminal
    finally:
        terminal.tmux("kill-server")
