"""Writes docs/reference from the code: ``python -m tools.write_docs``; ``--check`` only looks."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tools.reference import cli, errors, events, keys, settings
from tools.sources import ROOT

REFERENCE = ROOT / "docs" / "reference"
HEAD = "<!-- Written by `make docs` from the code. Do not edit. -->\n\n"

PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli.page,
    "errors.md": errors.page,
    "events.md": events.page,
    "keys.md": keys.page,
    "settings.md": settings.page,
}


def stale() -> list[str]:
    """Pages whose file differs from what the code says now."""
    return [name for name, page in PAGES.items() if _written(name) != HEAD + page()]


def write() -> list[str]:
    """Write what is stale; returns the names."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    names = stale()
    for name in names:
        (REFERENCE / name).write_text(HEAD + PAGES[name](), encoding="utf-8")
    return names


def _written(name: str) -> str | None:
    path = REFERENCE / name
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> int:
    if "--check" in sys.argv[1:]:
        names = stale()
        for name in names:
            print(f"docs/reference/{name} is stale; run `make docs`.")
        return 1 if names else 0
    for name in write():
        print(f"wrote docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
