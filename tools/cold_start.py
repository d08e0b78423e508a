"""Lists what a start of ``cairnloop`` imports, slowest first.

``python -m tools.cold_start`` looks at ``cairnloop --help``; other arguments are passed on. Exits 1
when a module is loaded that a start must not pay for.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

# What only one command or screen needs; a start that loads it makes every command slow.
NOT_AT_START = (
    "alembic",
    "anthropic",
    "mcp",
    "onnxruntime",
    "procrastinate",
    "sqlalchemy",
    "textual",
)

SHOWN = 25


@dataclass(frozen=True, slots=True)
class Imported:
    """One module that the start loaded."""

    name: str
    own_us: int
    cumulative_us: int

    @property
    def root(self) -> str:
        return self.name.partition(".")[0]


def imported_by(*arguments: str) -> list[Imported]:
    """The modules that ``python -m cairnloop_cli`` with these arguments loads, in order."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cairnloop_cli", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line for line in ran.stderr.splitlines() if line.startswith("import time:"))
    parts = (line.removeprefix("import time:").split("|") for line in lines)
    return [
        Imported(name.strip(), int(own), int(cumulative))
        for own, cumulative, name in parts
        if own.strip().isdigit()
    ]


def unwanted(modules: list[Imported]) -> list[str]:
    """Names among them that a start must not load."""
    return sorted({module.name for module in modules if module.root in NOT_AT_START})


def main() -> int:
    modules = imported_by(*(sys.argv[1:] or ["--help"]))
    for module in sorted(modules, key=lambda one: -one.own_us)[:SHOWN]:
        print(f"{module.own_us / 1000:8.1f} ms  {module.name}")
    print(f"{len(modules)} modules, {sum(one.own_us for one in modules) / 1000:.0f} ms in all")
    found = unwanted(modules)
    if found:
        print(f"Not at start: {', '.join(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
