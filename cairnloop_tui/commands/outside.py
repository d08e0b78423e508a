"""Writing in the operator's own editor."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from cairnloop_tui.hostile import typed_text

if TYPE_CHECKING:
    from cairnloop_tui.app import ConsoleApp

# The shell knows the operator's editor; it is not a setting of ours.
EDITOR = 'exec ${VISUAL:-${EDITOR:-vi}} "$0"'


def edited_outside(app: ConsoleApp, text: str, name: str) -> str | None:
    """Hand a text to the operator's editor and take back what it leaves.

    ``name`` is what the file is called, with an ending that the editor knows. None, and a word of
    why, when there is nothing to take back.
    """
    with tempfile.TemporaryDirectory(prefix="cairnloop-") as folder:
        # The folder is 0700; the file is gone when the editor is.
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        try:
            with app.suspend():
                ended = subprocess.run(["/bin/sh", "-c", EDITOR, str(path)], check=False)
        except SuspendNotSupported:
            app.warn("This terminal cannot be handed to an editor.")
            return None
        written = typed_text(path.read_text(encoding="utf-8", errors="replace"))
    if ended.returncode != 0:
        app.warn("The editor ended with an error; your text is as it was.")
        return None
    return written.removesuffix("\n")
