"""Which files of a folder changed since the last look, told once each has come to rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cairnloop_engine.knowledge.files import Listing, articles_in

# Changes with every way of writing or replacing a file: times in ns, size, and number.
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found: the folder, the files that changed, and names that are gone."""

    listing: Listing
    changed: tuple[Path, ...]
    gone: tuple[str, ...]


@dataclass(slots=True)
class FolderWatch:
    """Looks at a folder again and again.

    The first look tells of every file. After that, a file counts as changed, or as gone, when two
    looks in a row find it so: editors write a file in pieces, or put a new one in its place.
    """

    folder: Path
    _told: dict[str, Stamp] = field(default_factory=dict)
    _moving: dict[str, Stamp | None] = field(default_factory=dict)
    _began: bool = False

    def look(self) -> Seen:
        """One look.

        Raises:
            Invalid: ``folder_missing``; then nothing counts as gone.
        """
        listing = articles_in(self.folder)
        changed: list[Path] = []
        present: set[str] = set()
        for path in listing.files:
            stamp = _stamp(path)
            if stamp is None:
                continue
            name = listing.name(path)
            present.add(name)
            if self._settled(name, stamp):
                self._told[name] = stamp
                changed.append(path)
        self._began = True
        gone = [
            name
            for name in self._told
            if name not in present and listing.covers(name) and self._settled(name, None)
        ]
        for name in gone:
            del self._told[name]
        return Seen(listing, tuple(changed), tuple(gone))

    def forget(self, name: str) -> None:
        """Tell of this file again, as if it had changed."""
        self._told.pop(name, None)

    def _settled(self, name: str, stamp: Stamp | None) -> bool:
        """Whether this is news, and the look before saw the same."""
        if stamp is not None and self._told.get(name) == stamp:
            self._moving.pop(name, None)
            return False
        if not self._began or (name in self._moving and self._moving[name] == stamp):
            self._moving.pop(name, None)
            return True
        self._moving[name] = stamp
        return False


def _stamp(path: Path) -> Stamp | None:
    """What tells two states of a file apart; None when it is gone again."""
    try:
        found = path.stat()
    except FileNotFoundError:
        # A link to nowhere is there, and says so when it is read.
        return (0, 0, 0, 0) if path.is_symlink() else None
    except OSError:
        return (0, 0, 0, 0)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
