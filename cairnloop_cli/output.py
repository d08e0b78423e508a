"""The only place that prints: data on standard output, narration on standard error.

Every string that reaches a terminal passes ``core.text.safe`` here, whoever wrote it.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from shutil import get_terminal_size
from typing import TextIO

from cairnloop_cli.answers import Answer, Block, Shown, Table
from cairnloop_engine.core.errors import CairnloopError, JsonObject, JsonValue
from cairnloop_engine.core.text import safe

GAP = "  "
LONGEST_CELL = 400
LONGEST_LINE = 2_000
BAR_WIDTH = 24
NARROWEST = 8
HOME_AND_CLEAR = "\x1b[H\x1b[2J"
BOLD = "\x1b[1m"
PLAIN = "\x1b[0m"


@dataclass(slots=True)
class Output:
    """Where a command's answer goes, as JSON or for people."""

    as_json: bool = False
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    gone: bool = False

    def show(self, answer: Answer) -> None:
        """Print an answer, whole."""
        for note in answer.notes:
            self.note(note)
        if self.as_json:
            self.document(answer.data)
            return
        for shown in answer.shown:
            self._write(self.stdout, self.drawn(shown))

    def document(self, data: JsonObject, *, one_line: bool = False) -> None:
        """One JSON document; pure ASCII, so that nothing in it can steer a terminal."""
        indent = 2 if self.is_terminal and not one_line else None
        self._write(self.stdout, json.dumps(data, ensure_ascii=True, indent=indent) + "\n")

    def note(self, text: str) -> None:
        """Narration: what happens, for whoever watches."""
        self._write(self.stderr, safe(text, limit=LONGEST_LINE) + "\n")

    def line(self, text: str) -> None:
        """One line of data for people."""
        self._write(self.stdout, safe(text, limit=LONGEST_LINE) + "\n")

    def block(self, block: Block) -> None:
        """Several lines that somebody else wrote, behind their gutter."""
        self._write(self.stdout, self.drawn(block))

    def raw(self, text: str) -> None:
        """Data that leaves the terminal's world on purpose, such as an export."""
        self._write(self.stdout, text)

    def failure(self, code: str, message: str, facts: JsonObject, *, word: str) -> None:
        """Why nothing came of it: a line for people, and the agreed document with ``--json``."""
        if self.as_json:
            error: dict[str, JsonValue] = {"code": code, "message": message, "facts": facts}
            self.document({"error": error})
        self.note(f"{word}: {message}" + (f" ({code})" if code != word else ""))

    def clear(self) -> None:
        """Begin at the top of an empty screen, when there is a screen."""
        if self.is_terminal:
            self._write(self.stdout, HOME_AND_CLEAR)

    @property
    def is_terminal(self) -> bool:
        return self.stdout.isatty()

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Progress]:
        """Count long work on standard error; silent when nobody watches."""
        progress = Progress(self, what, total, shown=self.stderr.isatty())
        try:
            yield progress
        finally:
            progress.end()

    def drawn(self, shown: Shown) -> str:
        """One part of an answer as text."""
        match shown:
            case str():
                return safe(shown) + "\n"
            case Block():
                lines = safe(shown.text, multiline=True).split("\n")
                return "".join(f"{shown.gutter}{line}".rstrip() + "\n" for line in lines)
            case Table():
                return self._table(shown)

    def _table(self, table: Table) -> str:
        rows = [[safe(cell, limit=LONGEST_CELL) for cell in row] for row in table.rows]
        if not rows:
            return f"{table.empty}\n" if self.is_terminal else ""
        cut = self.is_terminal and not table.whole
        width = get_terminal_size().columns if cut else None
        heading, *lines = columns([table.headings, *rows], width=width)
        if self.is_terminal:
            heading = f"{BOLD}{heading}{PLAIN}"
        return "".join(f"{line}\n" for line in (heading, *lines))

    def _write(self, stream: TextIO, text: str) -> None:
        if self.gone and stream is self.stdout:
            return
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            self._reader_left(stream)

    def _reader_left(self, stream: TextIO) -> None:
        """``cairnloop inbox | head`` is no error: what the command did, it did."""
        if stream is self.stdout:
            self.gone = True
        try:
            # Python flushes once more on its way out; let that go nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (OSError, io.UnsupportedOperation):
            return


@dataclass(slots=True)
class Progress:
    """A bar, or a counter when the end is not known."""

    out: Output
    what: str
    total: int | None
    shown: bool
    done: int = 0

    def step(self, done: int | None = None, total: int | None = None) -> None:
        """One more is done, or ``done`` of ``total`` are."""
        self.done = self.done + 1 if done is None else done
        self.total = self.total if total is None else total
        if self.shown:
            self.out.stderr.write(f"\r\x1b[2K{self._line()}")
            self.out.stderr.flush()

    def end(self) -> None:
        """Leave the line as if nothing had been there."""
        if self.shown:
            self.out.stderr.write("\r\x1b[2K")
            self.out.stderr.flush()

    def _line(self) -> str:
        if not self.total:
            return f"{self.what}: {self.done}"
        filled = BAR_WIDTH * min(self.done, self.total) // self.total
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        return f"{self.what} [{bar}] {self.done}/{self.total}"


def report(out: Output, error: CairnloopError) -> None:
    """A known failure, in the words of its family."""
    words = {1: "refused", 2: "misconfigured", 3: "unavailable", 4: "unknown outcome"}
    out.failure(error.code, error.message, error.facts, word=words.get(error.exit_code, "failed"))


def forgive_encoding() -> None:
    """A terminal that cannot show a character shows a question mark; it never ends a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def columns(rows: Sequence[Sequence[str]], *, width: int | None) -> list[str]:
    """Columns of even width, measured in terminal cells.

    With ``width`` the last column is cut so that a row fits; without it nothing is cut.
    """
    from rich.cells import cell_len, set_cell_size  # deferred: --json and --help need no widths

    number = len(rows[0])
    widths = [max(cell_len(row[index]) for row in rows) for index in range(number)]
    if width is not None:
        others = sum(widths[:-1]) + len(GAP) * (number - 1)
        widths[-1] = min(widths[-1], max(NARROWEST, width - others))

    def fitted(cell: str, most: int) -> str:
        if cell_len(cell) > most:
            return set_cell_size(cell, most - 1) + "…"
        return cell + " " * (most - cell_len(cell))

    return [
        GAP.join(fitted(cell, most) for cell, most in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
