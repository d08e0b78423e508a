"""The wheel holds everything that an installed Cairnloop needs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.sources import PACKAGES, ROOT, tracked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (built,) = Path(folder).glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_every_file_of_the_packages_is_in_the_wheel(wheel: set[str]) -> None:
    ours = {path for path in tracked() if path.startswith(PACKAGES) and (ROOT / path).exists()}

    assert ours - wheel == set()


def test_the_seeds_are_in_the_wheel_where_the_demo_looks_for_them(wheel: set[str]) -> None:
    seeds = {f"cairnloop_engine/demo/{path}" for path in tracked() if path.startswith("seeds/")}

    assert seeds
    assert seeds - wheel == set()


def test_nothing_but_the_packages_is_in_the_wheel(wheel: set[str]) -> None:
    others = {name for name in wheel if not name.startswith(PACKAGES)}

    assert {name for name in others if ".dist-info/" not in name} == set()


def test_the_licence_is_in_the_wheel(wheel: set[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_an_installation_from_the_locks_can_build_the_project() -> None:
    for name in ("all", "demo", "runtime"):
        lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        assert "\nhatchling==" in lock, name


def test_every_requirement_is_locked_with_a_hash() -> None:
    for name in ("all", "demo", "runtime"):
        blocks = _requirements((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8"))
        assert blocks
        assert [
            block for block in blocks if "==" not in block or "--hash=sha256:" not in block
        ] == []


def test_the_smaller_locks_hold_the_versions_of_the_whole_one() -> None:
    locks = {
        name: {
            block.split("\\")[0].strip()
            for block in _requirements((ROOT / "requirements" / f"{name}.txt").read_text())
        }
        for name in ("all", "demo", "runtime")
    }

    assert locks["demo"] <= locks["all"]
    assert locks["runtime"] <= locks["demo"]


def _requirements(lock: str) -> list[str]:
    """Each requirement with its hashes, as one line."""
    joined = lock.replace("\\\n", "\\")
    return [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
