"""Checks the house rules that ruff, mypy and import-linter do not know.

``python -m tools.house_rules`` prints one line for each finding and exits 1 if there is any. A rule
is a function of one file; where it does not hold stands in a table, with the reason.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator

from tools.sources import Finding, Source, sources

FILE_LINES = 400
LONG_FILE_LINES = 600
FUNCTION_LINES = 50
NESTING = 3
POSITIONAL = 5

# Where an exception of any kind may be caught, and why nothing narrower would do.
BROAD_EXCEPT_HOMES = {
    "cairnloop_engine/core/supervisor.py": "a broken worker or sweep must not end the process",
    "cairnloop_engine/core/worker.py": "job boundary: a broken job must not end the worker",
    "cairnloop_engine/core/database.py": "an effect after the commit cannot undo the commit",
    "cairnloop_engine/conversations/facade.py": "a host's context provider may raise anything",
    "cairnloop_engine/drafting/adapters/anthropic.py": "a client that fails costs its words only",
    "cairnloop_engine/drafting/policy.py": "a host's policy that fails counts as no permission",
    "cairnloop_engine/drafting/rewriting.py": "a host's rewriter that fails leaves the question",
    "cairnloop_engine/drafting/suggestions.py": "a host's suggester that fails suggests nothing",
    "cairnloop_engine/governance/hostcode.py": "a host's tools and seams may raise anything",
    "cairnloop_engine/governance/sweeping.py": "one stuck action must not keep the others stuck",
    "cairnloop_engine/channels/widget/verify.py": "a host's verifier that fails admits nobody",
    "cairnloop_engine/retrieval/adapters/onnx.py": "a broken model file may make any error",
    "cairnloop_engine/retrieval/embedding.py": "an embedder that fails turns search lexical",
    "cairnloop_engine/retrieval/reranking.py": "a reranker that fails leaves the order as it was",
    "cairnloop_engine/retrieval/facade.py": "a search that breaks must not take the draft along",
    "cairnloop_engine/retrieval/gaps.py": "what cannot be noted must not cost a draft",
    "cairnloop_cli/boundary.py": "the command line's last boundary: a bug becomes exit code 70",
    "cairnloop_tui/app.py": "the console's last boundary: a bug becomes a dialog, the app lives",
    "cairnloop_tui/asking.py": "a command that fails tells its caller instead of the event loop",
}

ENVIRONMENT_HOMES = {
    "cairnloop_engine/settings.py": "every setting is read here",
    "cairnloop_engine/core/crashpoints.py": "the test hook must work before settings exist",
    "cairnloop_engine/retrieval/adapters/onnx.py": "tells a library to report to nobody",
    "cairnloop_tui/start.py": "drops a window size that would hide every resize",
}

CLOCK_HOMES = {"cairnloop_engine/core/clock.py": "the one source of the time"}

COLOUR_HOMES = ("cairnloop_tui/theme/",)

# Files whose words are other people's: locks are written by a tool, seeds are what customers say.
NOT_OURS = ("requirements/", "seeds/")

_HOSTS = (
    r"p[y]pi\.org",
    r"p[y]thonhosted\.org",
    r"d[o]cker\.io",
    r"g[h]cr\.io",
    r"q[u]ay\.io",
    r"n[p]mjs\.(?:org|com)",
    r"p[r]oxy\.golang\.org",
    r"c[r]ates\.io",
    r"h[u]ggingface\.co",
)
_FOLDERS = r"(?<![\w.])/(?:w[o]rk|f[a]rm|r[o]ot|h[o]me|U[s]ers|o[p]t|p[r]ivate)/"
_INDEXES = r"--(?:extra-)?index-url [a-z]|--find[-]links "
OUTSIDE = re.compile(f"{'|'.join(_HOSTS)}|{_FOLDERS}|{_INDEXES}")
UNFINISHED = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b|raise NotImplemented[E]rror")
COLOUR = re.compile(r"#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})\b|\b(?:rgb|hsl)a?\(")


Rule = Callable[[Source], Iterator[Finding]]


def file_budget(source: Source) -> Iterator[Finding]:
    roomy = source.is_test or source.path.endswith("/tables.py")
    most = LONG_FILE_LINES if roomy else FILE_LINES
    if len(source.lines) > most:
        yield source.finding(most, "file-budget", f"{len(source.lines)} lines, at most {most}")


def function_budget(source: Source) -> Iterator[Finding]:
    # A migration is one long statement of what the tables become; it is never edited again.
    if "/migrations/versions/" in source.path:
        return
    for node in source.functions:
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES and not _is_table(node):
            yield source.finding(
                node.lineno, "function-budget", f"{node.name} has {length} lines, at most 50"
            )


def positional_budget(source: Source) -> Iterator[Finding]:
    for node in source.functions:
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        count = len([name for name in names if name not in {"self", "cls"}])
        if count > POSITIONAL and not _takes_fixtures(source, node):
            yield source.finding(
                node.lineno,
                "positional-budget",
                f"{node.name} takes {count} positional parameters, at most {POSITIONAL}",
            )


def nesting_budget(source: Source) -> Iterator[Finding]:
    for node in source.functions:
        deepest = max((_depth(child) for child in node.body), default=0)
        if deepest > NESTING:
            yield source.finding(
                node.lineno, "nesting", f"{node.name} nests {deepest} deep, at most {NESTING}"
            )


def module_docstring(source: Source) -> Iterator[Finding]:
    first = (ast.get_docstring(source.tree) or "").split("\n\n")[0].strip()
    if not first:
        yield source.finding(1, "module-docstring", "say in one sentence what lives here")
    elif not first.endswith((".", "?", "!", ":")):
        yield source.finding(1, "module-docstring", "the first paragraph is a sentence; end it")


def deferred_import(source: Source) -> Iterator[Finding]:
    if source.is_test:
        return
    reasoned: set[int] = set()
    for node in _deferred_imports(source.tree):
        before = node.lineno - 1
        # One reason covers the imports that follow it without a break.
        if before in reasoned or _has_reason(source, node):
            reasoned.add(node.end_lineno or node.lineno)
            continue
        yield source.finding(
            node.lineno, "deferred-import", "write `# deferred: reason` beside it, or move it up"
        )


def broad_except(source: Source) -> Iterator[Finding]:
    if source.path in BROAD_EXCEPT_HOMES:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _raises_again(node):
            yield source.finding(
                node.lineno, "broad-except", "catch what you expect; a bug belongs to the boundary"
            )


def clock_and_environment(source: Source) -> Iterator[Finding]:
    if not source.is_ours:
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Attribute):
            continue
        name = ast.unparse(node)
        if name in {"os.environ", "os.getenv"} and source.path not in ENVIRONMENT_HOMES:
            yield source.finding(node.lineno, "environment", "read it through Settings")
        if name in _CLOCK_READS and source.path not in CLOCK_HOMES:
            yield source.finding(node.lineno, "clock", "take the time from a Clock")


_CLOCK_READS = {
    *(f"{prefix}datetime.{name}" for prefix in ("", "datetime.") for name in ("now", "utcnow")),
    *("datetime.today", "date.today", "time.time", "time.localtime", "time.gmtime"),
}


def sleeping_test(source: Source) -> Iterator[Finding]:
    if not source.is_test:
        return
    # Between two looks at a condition a loop has to pause; and sleep(0) waits for nothing.
    pauses = {
        id(call)
        for loop in ast.walk(source.tree)
        if isinstance(loop, ast.While)
        for call in _calls(loop)
    }
    for node in _calls(source.tree):
        sleeps = ast.unparse(node.func) in {"time.sleep", "asyncio.sleep"}
        if sleeps and id(node) not in pauses and ast.unparse(node.args[0]) != "0":
            yield source.finding(node.lineno, "sleeping-test", "wait on a condition, bounded")


def mocked_own_module(source: Source) -> Iterator[Finding]:
    for node in _calls(source.tree):
        if not ast.unparse(node.func).endswith(("patch", "patch.object", "patch.multiple")):
            continue
        if any("cairnloop" in ast.unparse(argument) for argument in node.args):
            yield source.finding(node.lineno, "mocked-module", "fake a port instead")


def unfinished(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        if UNFINISHED.search(line):
            yield source.finding(number, "unfinished", "finish it, or leave it out")


def outside_world(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        if found := OUTSIDE.search(line):
            yield source.finding(
                number, "outside", f"no machine path and no registry host: {found[0].strip()}"
            )


def licence_header(source: Source) -> Iterator[Finding]:
    if not source.is_python:
        return
    for number, line in enumerate(source.lines[:10], 1):
        if re.search(r"SPDX-License|Copyright \(c\)", line):
            yield source.finding(number, "licence-header", "LICENSE speaks for every file")


def literal_colour(source: Source) -> Iterator[Finding]:
    if not source.path.startswith("cairnloop_tui/") or source.path.startswith(COLOUR_HOMES):
        return
    if not source.path.endswith((".py", ".tcss")):
        return
    for number, line in enumerate(source.lines, 1):
        if found := COLOUR.search(line):
            yield source.finding(number, "literal-colour", f"{found[0]}: name a theme token")


def _is_table(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether all it does is to return a written-out list; that is read row by row."""
    (*before, last) = node.body
    told = [one for one in before if not isinstance(one, ast.Expr)]
    written = isinstance(last, ast.Return) and isinstance(
        last.value, ast.Tuple | ast.List | ast.Dict
    )
    return written and not told


def _takes_fixtures(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return source.is_test and (
        node.name.startswith("test_")
        or any("fixture" in ast.unparse(one) for one in node.decorator_list)
    )


_BLOCKS = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Match),
    *(ast.Try, ast.TryStar),
)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def _depth(node: ast.AST) -> int:
    """How many blocks enclose the deepest statement; an elif is as deep as its if."""
    if isinstance(node, _SCOPES):
        return 0
    inner = max((_depth(child) for child in ast.iter_child_nodes(node)), default=0)
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        others = [child for child in ast.iter_child_nodes(node) if child is not node.orelse[0]]
        own = max((_depth(child) for child in others), default=0)
        return max(own + 1, _depth(node.orelse[0]))
    return inner + 1 if isinstance(node, _BLOCKS) else inner


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _deferred_imports(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    found = [
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    return sorted({node.lineno: node for node in found}.values(), key=lambda node: node.lineno)


def _has_reason(source: Source, node: ast.Import | ast.ImportFrom) -> bool:
    beside = source.lines[node.lineno - 1 : node.end_lineno]
    above = source.lines[node.lineno - 2] if node.lineno > 1 else ""
    return any(re.search(r"# deferred: \S", line) for line in (*beside, above))


def _is_broad(node: ast.ExceptHandler) -> bool:
    if node.type is None:
        return True
    named = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(ast.unparse(one) in {"Exception", "BaseException"} for one in named)


def _raises_again(node: ast.ExceptHandler) -> bool:
    """Cleaning up and letting the exception go on is no swallowing."""
    last = node.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


PYTHON_RULES: tuple[Rule, ...] = (
    file_budget,
    function_budget,
    positional_budget,
    nesting_budget,
    module_docstring,
    deferred_import,
    broad_except,
    clock_and_environment,
    sleeping_test,
    mocked_own_module,
)
TEXT_RULES: tuple[Rule, ...] = (unfinished, outside_world, licence_header, literal_colour)


def check(source: Source) -> Iterator[Finding]:
    """Every finding in one file."""
    if source.is_python:
        for rule in PYTHON_RULES:
            yield from rule(source)
    if not source.path.startswith(NOT_OURS):
        for rule in TEXT_RULES:
            yield from rule(source)
    else:
        yield from outside_world(source)


def main() -> int:
    findings = [finding for source in sources() for finding in check(source)]
    for finding in findings:
        print(finding)
    if findings:
        print(f"{len(findings)} findings. The rules: CONTRIBUTING.md, House rules.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
