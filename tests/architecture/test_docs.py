"""The reference in docs/ says what the code says, and says it of everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import write_docs
from tools.reference import errors, settings
from tools.sources import ROOT, tracked

LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_the_reference_is_fresh() -> None:
    assert write_docs.stale() == [], "run `make docs`"


def test_every_page_of_the_reference_is_one_that_is_written() -> None:
    kept = {path.name for path in write_docs.REFERENCE.iterdir()}

    assert kept == set(write_docs.PAGES)


def test_every_setting_says_what_it_means() -> None:
    assert settings.undescribed() == []


def test_every_error_code_has_one_kind() -> None:
    several = {name: code.kinds for name, code in errors.collect().items() if len(code.kinds) > 1}

    assert several == {}


def test_every_error_has_its_code_written_where_it_is_raised() -> None:
    assert errors.unnamed() == []


def test_every_error_code_is_snake_case_and_says_something() -> None:
    codes = errors.collect().values()

    assert [code.name for code in codes if not re.fullmatch(r"[a-z][a-z0-9_]*", code.name)] == []
    assert [code.name for code in codes if not code.messages] == []


@pytest.mark.parametrize("page", [path for path in tracked() if path.endswith(".md")])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    targets = LINK.findall((ROOT / page).read_text(encoding="utf-8"))

    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not Path(folder / target).exists()] == []


def test_every_slice_stands_in_the_map() -> None:
    drawn = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    parts = {Path(path).parts[1] for path in tracked() if path.startswith("cairnloop_engine/")}
    slices = {Path(part).stem for part in parts} - {"__init__", "py"}

    assert sorted(name for name in slices if f"`{name}`" not in drawn) == []
