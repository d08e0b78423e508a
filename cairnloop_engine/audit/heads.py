"""The head of the chain outside the database: a short file that only grows.

Somebody who owns the database can cut the newest events and their seals off without leaving a
gap. What this file remembers is what then is missing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from cairnloop_engine.core.errors import Misconfigured

FILE = "audit-head.jsonl"
OLDER_FILE = "audit-head.1.jsonl"
LARGEST_BYTES = 128 * 1024
# A home knows one chain, or the few of a developer; the file must stay short all the same.
MOST_CHAINS = 50


@dataclass(frozen=True, slots=True)
class Head:
    """How long a chain of a database was at a moment; ``closed`` ends it on purpose."""

    at: str
    database: str
    chain: str
    count: int
    last_id: int
    head: str
    closed: bool = False


@dataclass(frozen=True, slots=True)
class HeadFile:
    """The file in the home folder. Its work blocks for a moment: call it from a thread."""

    home: Path

    def read(self) -> list[Head]:
        """Every head that is remembered, oldest first; a line that is not one is left out.

        Raises:
            Misconfigured: ``audit_head_unreadable``.
        """
        found: list[Head] = []
        for name in (OLDER_FILE, FILE):
            try:
                text = (self.home / name).read_text(encoding="utf-8", errors="replace")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise Misconfigured(
                    "audit_head_unreadable",
                    f"{name} in the home folder cannot be read ({type(error).__name__}).",
                ) from error
            found += filter(None, map(_parsed, text.splitlines()))
        return found

    def append(self, head: Head) -> None:
        """Remember one more head, unless it is remembered already; on disk when this returns."""
        # Passable: the embedded server's account has to reach its data below.
        self.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        with self._alone():
            known = self.read()
            if any(_same(one, head) for one in known):
                return
            self._make_room(known)
            self._write("a", [head])

    def close(self, database: str, *, at: datetime) -> None:
        """Note that this database was emptied on purpose, so that its chains end here."""
        if not self.home.is_dir():
            return
        with self._alone():
            for head in newest_by_chain(self.read()):
                if head.database == database and not head.closed:
                    ended = Head(at.isoformat(), database, head.chain, head.count, 0, "", True)
                    self._write("a", [ended])

    def _make_room(self, known: list[Head]) -> None:
        """Begin a new file with the newest head of the latest chains, and keep one older file."""
        path = self.home / FILE
        if not path.exists() or path.stat().st_size < LARGEST_BYTES:
            return
        path.replace(self.home / OLDER_FILE)
        self._write("w", newest_by_chain(known)[-MOST_CHAINS:])

    def _write(self, mode: str, heads: list[Head]) -> None:
        path = self.home / FILE
        handle = os.open(path, _FLAGS[mode], 0o600)
        with os.fdopen(handle, mode, encoding="utf-8") as stream:
            if not _ends_a_line(path):
                stream.write("\n")
            for head in heads:
                stream.write(json.dumps(asdict(head), separators=(",", ":")) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        handle = os.open(self.home / f".{FILE}.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


_FLAGS = {
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
}


def _ends_a_line(path: Path) -> bool:
    """Whether the last write came to its end; a power cut may have torn it."""
    with path.open("rb") as stream:
        if stream.seek(0, os.SEEK_END) == 0:
            return True
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def newest_by_chain(heads: list[Head]) -> list[Head]:
    """The last word on each chain, in the order in which they were spoken."""
    last: dict[tuple[str, str], Head] = {}
    for head in heads:
        last.pop((head.database, head.chain), None)
        last[head.database, head.chain] = head
    return list(last.values())


def _same(one: Head, other: Head) -> bool:
    return (one.database, one.chain, one.count, one.head) == (
        other.database,
        other.chain,
        other.count,
        other.head,
    )


def _parsed(line: str) -> Head | None:
    try:
        head = Head(**json.loads(line))
    except (ValueError, TypeError):
        return None
    return head if isinstance(head.count, int) and isinstance(head.head, str) else None
