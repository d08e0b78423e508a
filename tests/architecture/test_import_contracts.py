"""The import contracts of pyproject.toml hold, and each of them can be broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.sources import PACKAGES, ROOT

LINT = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)

# One import for each contract that it forbids: file, line, contract.
FORBIDDEN = (
    ("cairnloop_engine/core/ids.py", "import cairnloop_tui", "front-ends"),
    ("cairnloop_engine/core/ids.py", "import cairnloop_engine.audit.service", "slices"),
    ("cairnloop_engine/audit/tables.py", "import cairnloop_engine.audit.facade", "inside-slices"),
    (
        "cairnloop_engine/governance/tables.py",
        "import cairnloop_engine.governance.records",
        "inside-governance",
    ),
    (
        "cairnloop_engine/retrieval/adapters/hashing.py",
        "import cairnloop_engine.knowledge.tables",
        "adapters",
    ),
    ("cairnloop_engine/core/errors.py", "import sqlalchemy", "pure"),
    ("cairnloop_engine/engine.py", "import textual", "headless"),
    ("cairnloop_tui/session.py", "import cairnloop_engine.conversations.service", "edges"),
    ("cairnloop_engine/engine.py", "import anthropic", "anthropic"),
    (
        "cairnloop_engine/drafting/adapters/scoria.py",
        "import cairnloop_engine.conversations.service",
        "drafting-cannot-send",
    ),
)


def test_every_import_contract_is_kept() -> None:
    ran = _lint(ROOT)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_import_contract_finds_an_import_that_breaks_it(tmp_path: Path) -> None:
    _copy_of_the_project(tmp_path)
    for path, line, _ in FORBIDDEN:
        broken = tmp_path / path
        broken.write_text(broken.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")

    ran = _lint(tmp_path)

    names = _contracts()
    assert {contract for _, _, contract in FORBIDDEN} == set(names)
    kept = [name for name in names.values() if f"{name} BROKEN" not in ran.stdout]
    assert kept == [], ran.stdout + ran.stderr


def _contracts() -> dict[str, str]:
    """Name of each contract by its id."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {
        contract["id"]: contract["name"]
        for contract in settings["tool"]["importlinter"]["contracts"]
    }


def _copy_of_the_project(target: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", target)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("*.pyc"))


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
