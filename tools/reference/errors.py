"""docs/reference/errors.md: every error code, from the places that raise it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from cairnloop_engine.core import errors
from tools.reference.code import Module, modules, table, words

PACKAGES = ("cairnloop_engine", "cairnloop_tui", "cairnloop_cli")
ERRORS = "cairnloop_engine.core.errors"
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.CairnloopError)
}
# Subclasses of a kind that live where they are needed; to everybody else they are that kind.
NARROWER = {"Contended": "Unavailable"}

INTRODUCTION = """\
# Errors

A program goes by the code; codes do not change. People go by the sentence, which may. With `--json`
a failure is one document on standard output:
`{"error": {"code": "…", "message": "…", "facts": {…}}}`.
"""


@dataclass(slots=True)
class Code:
    """One error code: how serious it is, and what it says."""

    name: str
    kinds: set[str] = field(default_factory=set)
    messages: set[str] = field(default_factory=set)


def page() -> str:
    kinds = [
        (f"`{name}`", str(kind.exit_code), (kind.__doc__ or "").split("\n\n")[0])
        for name, kind in KINDS.items()
    ]
    codes = [
        (f"`{code.name}`", ", ".join(sorted(code.kinds)), "<br>".join(sorted(code.messages)))
        for code in sorted(collect().values(), key=lambda one: one.name)
    ]
    return (
        f"{INTRODUCTION}\n## Kinds\n\n{table(('kind', 'exit code', 'meaning'), kinds)}\n\n"
        "Any other exception is a bug: exit code 70.\n\n"
        f"## Codes\n\n{table(('code', 'kind', 'says'), codes)}\n"
    )


def collect() -> dict[str, Code]:
    """Every code that the three packages raise, by name."""
    codes: dict[str, Code] = {}
    for name, kind, message in _named():
        code = codes.setdefault(name, Code(name))
        code.kinds.add(kind)
        if message:
            code.messages.add(message)
    return codes


def _named() -> Iterator[tuple[str, str, str | None]]:
    for module in modules(*PACKAGES):
        chosen = _chosen_by_case(module)
        for call, kind in _raised(module):
            message = words(call.args[1]) if len(call.args) > 1 else None
            yield from ((name, kind, message) for name in _codes(call, chosen))


def unnamed() -> list[str]:
    """Places that make one of our errors with a code that is not written there."""
    return [
        f"{module.name}:{call.lineno}"
        for module in modules(*PACKAGES)
        for call, _ in _raised(module)
        if not _codes(call, _chosen_by_case(module))
    ]


def _codes(call: ast.Call, chosen: dict[int, list[str]]) -> list[str]:
    """The codes that this call may bear: the written one, or those of the case around it."""
    first = call.args[0] if call.args else None
    # A code that another process sent, or else the one that is written beside it.
    if isinstance(first, ast.BoolOp):
        first = first.values[-1]
    written = words(first) if first is not None else None
    return [written] if written else chosen.get(call.lineno, [])


def _chosen_by_case(module: Module) -> dict[int, list[str]]:
    """Line to codes, where a `match` over a code makes the error: `case "…": return Kind(code)`."""
    return {
        line: patterns
        for node in ast.walk(module.tree)
        if isinstance(node, ast.match_case) and (patterns := _patterns(node.pattern))
        for statement in node.body
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }


def _patterns(pattern: ast.pattern) -> list[str]:
    if isinstance(pattern, ast.MatchOr):
        return [text for one in pattern.patterns for text in _patterns(one)]
    if isinstance(pattern, ast.MatchValue):
        written = words(pattern.value)
        return [written] if written else []
    return []


def _raised(module: Module) -> list[tuple[ast.Call, str]]:
    known = {
        local: original
        for local, original in module.imported_from(ERRORS).items()
        if original in KINDS
    }
    known |= {name: NARROWER[name] for name in NARROWER if name not in known}
    return [
        (call, known[call.func.id])
        for call in module.calls()
        if isinstance(call.func, ast.Name) and call.func.id in known
    ]
