"""Rules of the console that a reader of the code would have to take on trust."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cairnloop_tui

ROOT = Path(cairnloop_tui.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# Widgets that take text as text. All others of Textual read markup in what they are given.
HARMLESS_WIDGETS = {"Input", "TextArea"}
# Where Textual takes a str and reads markup in it.
MARKUP_TAKERS = {"notify", "border_title", "border_subtitle", "tooltip", "add_row", "add_column"}


def _nodes() -> Iterator[tuple[Path, ast.AST]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path, node


def test_only_widgets_that_read_no_markup_are_used() -> None:
    imported = {
        f"{path.name}: {alias.name}"
        for path, node in _nodes()
        if isinstance(node, ast.ImportFrom) and node.module == "textual.widgets"
        for alias in node.names
        if alias.name not in HARMLESS_WIDGETS
    }

    assert imported == set()


def test_nothing_is_handed_to_what_reads_markup() -> None:
    used = {
        f"{path.name}:{node.lineno} {node.attr}"
        for path, node in _nodes()
        if isinstance(node, ast.Attribute) and node.attr in MARKUP_TAKERS
    }

    assert used == set()


def test_every_worker_lets_the_console_live_when_it_fails() -> None:
    for path, node in _nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr != "run_worker":
                continue
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            survives = given.get("exit_on_error")
            assert isinstance(survives, ast.Constant), f"{path.name}:{node.lineno}"
            assert survives.value is False


@pytest.mark.parametrize(
    "name", ["keys/sequences.py", "keys/guard.py", "lists/marks.py", "lists/pages.py", "text.py"]
)
def test_pure_modules_know_no_widget(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    modules = {
        node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }

    assert not any(module.startswith(("textual", "asyncio")) for module in modules)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("cards.py")), ids=lambda path: path.parent.name)
def test_presenters_know_no_widget_of_textual(path: Path) -> None:
    assert "from textual" not in path.read_text(encoding="utf-8")
