"""Every crash point of the product, read from its source, and the errands that pass each."""

from __future__ import annotations

import ast
from pathlib import Path

ENGINE = Path(__file__).parents[2] / "cairnloop_engine"


def crash_points() -> dict[str, str]:
    """Each point that the source names, with the file that it stands in.

    Raises:
        ValueError: a name that is no literal, or that stands in two places: a kill at it would
            not say where.
    """
    found: dict[str, str] = {}
    for path in sorted(ENGINE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not _is_point(node):
                continue
            place = str(path.relative_to(ENGINE.parent))
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            if not isinstance(name, str) or name in found:
                raise ValueError(f"{place}:{node.lineno}: name each crash point once, literally")
            found[name] = place
    return found


def _is_point(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "crashpoint" and bool(node.args)
