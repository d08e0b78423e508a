"""Reading the engine's source for what the pages list, without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.sources import ROOT


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed source file; ``name`` is its path below the package, without the suffix."""

    name: str
    tree: ast.Module

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def imported_from(self, module: str) -> dict[str, str]:
        """Local name to original name of what this file imports from one module."""
        return {
            alias.asname or alias.name: alias.name
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.module == module
            for alias in node.names
        }


def modules(*packages: str) -> list[Module]:
    """Every source file of these packages, in order of their paths."""
    return [
        Module(str(path.relative_to(ROOT / package).with_suffix("")), ast.parse(path.read_text()))
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def words(node: ast.expr) -> str | None:
    """A text written in the source; what is filled in later stands as its name in braces."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(_part(value) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            both = (words(left), words(right))
            return None if None in both else "".join(part or "" for part in both)
    return None


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.FormattedValue):
        return f"{{{_short(node.value)}}}"
    return words(node) or ""


def _short(node: ast.expr) -> str:
    """The last name in an expression: enough to tell a reader what stands there."""
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)]
    if isinstance(node, ast.Attribute):
        return node.attr
    return next((part.id for part in names if isinstance(part, ast.Name)), "…")


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; a cell may hold any text."""
    lines = [_row(heads), _row(tuple("---" for _ in heads)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
