"""The tracked files of the project, as the checks read them, and what a check finds in one."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = ("cairnloop_engine/", "cairnloop_tui/", "cairnloop_cli/")


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that breaks one rule."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One file as the rules see it: its path inside the project and its text."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    @property
    def is_ours(self) -> bool:
        return self.path.startswith(PACKAGES)

    @cached_property
    def lines(self) -> list[str]:
        # Not splitlines(): hostile-text tables hold characters which it takes for line ends.
        return self.text.removesuffix("\n").split("\n")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    def finding(self, line: int, rule: str, message: str) -> Finding:
        return Finding(self.path, line, rule, message)


def sources(root: Path = ROOT) -> Iterator[Source]:
    """The text files that belong to the project: what git tracks."""
    for path in tracked(root):
        try:
            text = (root / path).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # an image, or a file removed from the tree and not yet from the index
        yield Source(path, text)


def tracked(root: Path = ROOT) -> list[str]:
    """Paths of the tracked files; in an unpacked archive, of every file that is not generated."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return sorted(listed.stdout.rstrip("\0").split("\0"))
    generated = {"__pycache__", "build", "dist"}
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file()
        and not any(part in generated or part[0] == "." for part in path.relative_to(root).parts)
    )
