"""The short chaos suite: every crash point once, a freeze of each tool, the disturbances small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos.errands import KILLED_ELSEWHERE, PASSED_BY, WINDOW
from benchmarks.chaos.points import crash_points
from benchmarks.chaos.scenarios import SCENARIOS
from benchmarks.chaos.tools import AFTER_CALL, BEFORE_CALL

ROOT = Path(__file__).parents[2]
# On a machine that does much else at the same time; alone it takes a quarter of it.
LONGEST_S = 400


def test_every_crash_point_in_the_source_has_an_errand_that_passes_it() -> None:
    assert {*crash_points(), BEFORE_CALL, AFTER_CALL} == {*PASSED_BY, *KILLED_ELSEWHERE}
    assert not PASSED_BY.keys() & KILLED_ELSEWHERE.keys()
    assert set(PASSED_BY) >= WINDOW


def test_every_other_crash_point_is_named_by_the_test_that_kills_there() -> None:
    for point, test in KILLED_ELSEWHERE.items():
        assert point.partition(".")[2] in (ROOT / test).read_text(encoding="utf-8"), point


def chaos(tmp_path: Path, *parts: str) -> dict[str, Any]:
    """Run parts of the short suite as ``make chaos`` does; returns what it wrote down."""
    out = tmp_path / "chaos.json"
    only = [word for part in parts for word in ("--only", part)]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", *only, "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    assert found["broken"] == []
    return found


@pytest.mark.slow
def test_a_worker_killed_at_any_point_or_frozen_in_a_call_repeats_no_effect(
    tmp_path: Path,
) -> None:
    found = chaos(tmp_path, "kills", "freeze")

    assert set(found["kills"]["by_point"]) == set(PASSED_BY)
    assert found["books"]["doubled"] == []
    unknown = found["books"]["unknown"]
    assert unknown == found["kills"]["expected_unknown"] == found["books"]["settled"] > 0
    assert [one["effects"] for one in found["freezes"]] == [1, 1, 1, 1]


@pytest.mark.slow
def test_no_disturbance_loses_a_job_and_a_dead_worker_is_replaced_within_a_minute(
    tmp_path: Path,
) -> None:
    found = chaos(tmp_path, "scenarios", "deaths")

    assert [one["scenario"] for one in found["scenarios"]] == list(SCENARIOS)
    assert [one["balance"]["lost"] for one in found["scenarios"]] == [0] * len(SCENARIOS)
    assert found["deaths"]["p95_s"] <= 60
