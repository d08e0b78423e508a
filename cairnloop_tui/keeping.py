"""A small private file for what must outlive the console: written whole, readable by its owner."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path

from cairnloop_engine.core.errors import JsonObject

_UNFIT = re.compile(r"[^a-z0-9]+")


class KeptFile:
    """One JSON object on disk, mode 0600. A folder that cannot be written keeps it in memory."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.problem: str | None = None

    def read(self) -> JsonObject:
        """What was kept; nothing when there is no file or it is not ours to understand."""
        if self._path is None:
            return {}
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            self.problem = "What was kept from last time could not be read."
            return {}
        return kept if isinstance(kept, dict) else {}

    def write(self, kept: JsonObject) -> None:
        """Replace the file in one step, so that a crash leaves the old or the new one."""
        if self._path is None:
            return
        try:
            self._replace(json.dumps(kept, ensure_ascii=True))
            self.problem = None
        except OSError:
            self.problem = "Unsent text is kept in memory only: its folder cannot be written."

    def _replace(self, text: str) -> None:
        assert self._path is not None
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes the file 0600 before anything is in it.
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".keeping-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, self._path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


def kept_file(folder: Path | None, name: str, *owners: str) -> KeptFile:
    """The file of this name for these owners (operator, workspace)."""
    if folder is None:
        return KeptFile(None)
    owner = "/".join(owners)
    readable = _UNFIT.sub("-", owner.lower()).strip("-")[:40]
    digest = hashlib.sha256(owner.encode()).hexdigest()[:8]
    return KeptFile(folder / f"{name}-{readable}-{digest}.json")
