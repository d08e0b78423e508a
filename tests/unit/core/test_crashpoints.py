"""Crash points: they cost nothing until one is armed, and then kill at the passing named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

WALK = """
import sys
from cairnloop_engine.core.crashpoints import arm, crashpoint
if sys.argv[1:]:
    arm(sys.argv[1], passing=int(sys.argv[2]))
for step in range(3):
    print(step, flush=True)
    crashpoint("here.after_step")
"""


def walk(*arguments: str, at: str = "") -> tuple[int, list[str]]:
    ran = subprocess.run(
        [sys.executable, "-c", WALK, *arguments],
        env={**os.environ, "CAIRNLOOP_CRASH_AT": at},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout.split()


@pytest.mark.parametrize(
    ("arguments", "at", "code", "steps"),
    [
        ((), "", 0, ["0", "1", "2"]),
        ((), "elsewhere", 0, ["0", "1", "2"]),
        ((), "here.after_step", -signal.SIGKILL, ["0"]),
        (("here.after_step", "1"), "", -signal.SIGKILL, ["0"]),
        (("here.after_step", "3"), "", -signal.SIGKILL, ["0", "1", "2"]),
        (("elsewhere", "1"), "here.after_step", 0, ["0", "1", "2"]),
    ],
)
def test_a_process_dies_at_the_point_that_is_armed_and_at_no_other(
    arguments: tuple[str, ...], at: str, code: int, steps: list[str]
) -> None:
    assert walk(*arguments, at=at) == (code, steps)
