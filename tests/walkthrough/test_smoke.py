"""``cairnloop demo --smoke``: the golden path over real processes, reported and cleaned up."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnloop_cli.demo.report import Failed, Walk, check
from cairnloop_engine import Conflict
from tests.waiting import wait_until
from tests.walkthrough.processes import COMMAND, alive, demo_children, environment, ran


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A temporary folder in which whatever is left behind would be seen."""
    folder = Path(tempfile.mkdtemp(prefix="cairnloop-scratch-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.requirement("06-demo-fixtures:16")
def test_the_smoke_test_walks_every_stage_that_exists_and_leaves_nothing(scratch: Path) -> None:
    # An address where nobody answers: the smoke test must not even try it.
    done = ran(
        "demo",
        "--smoke",
        "--json",
        home=scratch,
        TMPDIR=str(scratch),
        CAIRNLOOP_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing",
        # Else the library of the sentence model leaves a file of its own there.
        ORT_DISABLE_TELEMETRY="1",
    )

    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(report) == {"stages", "ok"}
    assert report["ok"] is True
    assert [stage["n"] for stage in report["stages"]] == [1, 2, 3, 4, 5, 6, 7]
    for stage in report["stages"]:
        assert set(stage) == {"n", "name", "ok", "ms", "detail"}
        assert stage["ok"] is True
    details = [stage["detail"] for stage in report["stages"]]
    assert "Not built yet: SLA" in details[1]
    assert "82.00 → 820.00" in details[4]
    assert "Action completed" in details[5]
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
def test_a_smoke_test_that_is_told_to_stop_cleans_up_first(scratch: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "demo", "--smoke"],
        env=environment(scratch, TMPDIR=str(scratch), ORT_DISABLE_TELEMETRY="1"),
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as walking:
        children = wait_until(
            lambda: demo_children(walking.pid),
            within=90,
            what="the first process",
        )
        walking.terminate()
        walking.wait(timeout=60)

    assert walking.returncode == 130
    assert alive(children) == []
    assert list(scratch.iterdir()) == []


async def test_a_stage_that_fails_is_reported_and_the_next_is_not_reached() -> None:
    async def works() -> str:
        return "as it should"

    async def breaks() -> str:
        check(False, "the answer came twice")
        return "never"

    walk = Walk()
    await walk.stage(1, "first", works)
    await walk.stage(2, "second", breaks)
    await walk.stage(3, "third", works)

    answer = walk.answer()
    assert not answer.ok
    assert answer.data["ok"] is False
    assert [(stage.n, stage.ok, stage.detail) for stage in walk.stages] == [
        (1, True, "as it should"),
        (2, False, "the answer came twice"),
        (3, False, "not reached: stage 2 failed"),
    ]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (TimeoutError(), "did not happen in time"),
        (ConnectionRefusedError(), "could not be reached"),
        (Conflict("thread_changed", "Something arrived."), "Something arrived. (thread_changed)"),
        (Failed("no answer"), "no answer"),
    ],
)
async def test_a_stage_says_what_went_wrong_in_words(trouble: Exception, words: str) -> None:
    async def breaks() -> str:
        raise trouble

    walk = Walk()
    await walk.stage(1, "first", breaks)

    assert words in walk.stages[0].detail


def test_a_walk_without_any_stage_is_not_ok() -> None:
    assert not Walk().ok
