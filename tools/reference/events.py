"""docs/reference/events.md: what slices tell each other, and what the audit trail records."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.reference.code import Module, modules, table

ACTION = re.compile(r"[a-z_]+\.[a-z_]+")

INTRODUCTION = """\
# Events

Two things bear the name. An *event* is what one slice tells the slices above it: a frozen
dataclass, handled inside the same transaction, in the order that `wiring.py` lists. An *audit
action* is what the trail keeps: one row for each change, written in the transaction of the change,
with ids, words and counts as facts, never with a message body or a secret.
"""


def page() -> str:
    engine = modules("cairnloop_engine")
    events = [
        (f"`{module.name.split('/')[0]}`", f"`{node.name}`", _fields(node), _meaning(node))
        for module in engine
        if module.name.endswith("/events")
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
    ]
    actions = [
        (f"`{action}`", ", ".join(f"`{fact}`" for fact in sorted(facts)) or "none")
        for action, facts in sorted(audit_actions(engine).items())
    ]
    return (
        f"{INTRODUCTION}\n## Events\n\n{table(('slice', 'event', 'carries', 'means'), events)}\n\n"
        f"## Audit actions\n\n{table(('action', 'facts'), actions)}\n"
    )


def audit_actions(engine: list[Module]) -> dict[str, set[str]]:
    """The facts of every audit action, from the calls that record it."""
    found: dict[str, set[str]] = {}
    for call in (one for module in engine for one in _record_calls(module)):
        for action in _written(call.args):
            found.setdefault(action, set()).update(_facts(call))
    return found


def _record_calls(module: Module) -> Iterator[ast.Call]:
    for function in _functions(module):
        for call in _recording(function):
            yield from _origins(module, function, call)


def _functions(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _recording(node: ast.AST) -> list[ast.Call]:
    calls = (one for one in ast.walk(node) if isinstance(one, ast.Call))
    return [call for call in calls if ast.unparse(call.func) == "audit.record"]


def _origins(
    module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call
) -> list[ast.Call]:
    """Where the action is written: in the call, or in the calls of a helper that passes it on."""
    action = call.args[1]
    parameters = {argument.arg for argument in function.args.args}
    if not (isinstance(action, ast.Name) and action.id in parameters):
        return [call]
    return [one for one in module.calls() if ast.unparse(one.func) == function.name]


def _written(arguments: list[ast.expr]) -> list[str]:
    """The action among the arguments, or both when a condition chooses between two."""
    texts = [
        node.value
        for argument in arguments
        for node in ast.walk(argument)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [text for text in texts if ACTION.fullmatch(text)]


def _facts(call: ast.Call) -> set[str]:
    named = {keyword.arg for keyword in call.keywords if keyword.arg}
    return named - {"subject", "conversation_id", "personal"}


def _fields(node: ast.ClassDef) -> str:
    return ", ".join(
        f"`{item.target.id}`"
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    )


def _meaning(node: ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").split("\n\n")[0]
