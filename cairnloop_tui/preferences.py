"""What an operator likes: theme and preview, kept between runs."""

from __future__ import annotations

from cairnloop_tui.keeping import KeptFile


class Preferences:
    """Read once; written when changed."""

    def __init__(self, file: KeptFile) -> None:
        self._file = file
        kept = file.read()
        theme = kept.get("theme")
        self.theme = theme if isinstance(theme, str) else None
        self.preview = kept.get("preview") is not False

    def choose_theme(self, name: str) -> None:
        self.theme = name
        self._write()

    def show_preview(self, shown: bool) -> None:
        self.preview = shown
        self._write()

    def _write(self) -> None:
        self._file.write({"theme": self.theme, "preview": self.preview})
