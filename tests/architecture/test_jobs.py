"""Every task goes through the job layer: nobody else knows that there is a procrastinate."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from cairnloop_engine import Engine
from cairnloop_engine.core.jobs import Queues
from cairnloop_engine.core.rescue import check_windows
from tools.sources import ROOT

PACKAGES = ("cairnloop_engine", "cairnloop_cli", "cairnloop_tui")
# Who may import the queue library, and what for.
LIBRARY = {
    "cairnloop_engine/core/jobs.py": "puts a job into the queue in somebody's transaction",
    "cairnloop_engine/core/lines.py": "lends it the worker's connections",
    "cairnloop_engine/core/worker.py": "its worker, with a fence",
    "cairnloop_engine/migrations/runner.py": "its schema",
}
# Who may name its tables, and what for.
TABLES = {
    "cairnloop_engine/core/dead_letters.py": "takes a job out of the queue",
    "cairnloop_engine/core/fencing.py": "takes, ends and returns jobs",
    "cairnloop_engine/core/heartbeats.py": "says that a worker lives",
    "cairnloop_engine/core/rescue.py": "finds what is stranded",
    "cairnloop_engine/core/retention.py": "prunes",
    "cairnloop_engine/demo/reset.py": "empties the demo",
    "cairnloop_engine/governance/queries.py": "finds actions that no job is going to finish",
    "cairnloop_engine/migrations/runner.py": "its schema",
    "cairnloop_engine/operations/queries.py": "counts",
}
DEFERRING = re.compile(r"\.(defer_async|batch_defer|batch_defer_async|configure_task)\(")


def sources() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_only_the_job_layer_imports_the_queue_library() -> None:
    found = {
        path
        for path, text in sources()
        if any(name.split(".")[0] == "procrastinate" for name in imports(text))
    }
    assert found == set(LIBRARY)


def test_only_the_job_layer_puts_jobs_into_the_queue() -> None:
    found = {path for path, text in sources() if DEFERRING.search(text)}
    assert found == {"cairnloop_engine/core/jobs.py"}


def test_only_the_job_layer_names_the_tables_of_the_queue() -> None:
    found = {path for path, text in sources() if re.search(r"procrastinate_(jobs|events)", text)}
    assert found <= set(TABLES), found - set(TABLES)


def test_the_migrations_leave_the_tables_of_the_queue_alone() -> None:
    folder = ROOT / "cairnloop_engine" / "migrations" / "versions"
    named = [
        path.name for path in folder.glob("*.py") if "procrastinate" in path.read_text("utf-8")
    ]
    assert named == []


async def test_every_task_has_a_queue_a_slice_in_its_name_and_a_safe_window(
    engine: Engine,
) -> None:
    tasks = engine._wired.tasks
    check_windows(tasks.values())
    for name, spec in tasks.items():
        assert name == spec.name
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", name)
        assert spec.queue in Queues


async def test_a_task_that_runs_an_effect_is_not_repeated_by_the_queue(engine: Engine) -> None:
    repeated = [
        name
        for name, spec in engine._wired.tasks.items()
        if spec.queue is Queues.EFFECTS and "execute" in name and spec.retries
    ]
    assert repeated == []
