"""How long a page of the inbox takes over a thousand and over a hundred thousand conversations.

Run it with ``python -m benchmarks.inbox [--conversations N] [--out FILE]``. Both sizes are
measured in turns within one run, in workspaces of one database, so that the ratio stands even
on a noisy machine. "Database time" is what the driver waits for the statement of the page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from benchmarks.crowd import fill
from benchmarks.machine import described
from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import Sort

ROUNDS = 60
LIMIT = 50
CASES = [
    ("everything, longest waiting first", "", Sort.WAITING),
    ("everything, most recent first", "", Sort.RECENT),
    ("waiting for us", "is:waiting", Sort.WAITING),
    ("resolved, most recent first", "is:resolved", Sort.RECENT),
    ("assigned to me", "who:me", Sort.WAITING),
]


@contextmanager
def database_time(engine: Engine) -> Iterator[list[float]]:
    """Collects the seconds that the driver waited, one entry for each statement."""
    spent: list[float] = []
    begun: list[float] = []

    def before(*_: object) -> None:
        begun.append(time.perf_counter())

    def after(*_: object) -> None:
        spent.append(time.perf_counter() - begun.pop())

    listened = engine.db.engine.sync_engine
    event.listen(listened, "before_cursor_execute", before)
    event.listen(listened, "after_cursor_execute", after)
    try:
        yield spent
    finally:
        event.remove(listened, "before_cursor_execute", before)
        event.remove(listened, "after_cursor_execute", after)


async def page_time(engine: Engine, workspace: str, expression: str, sort: Sort) -> float:
    """Database seconds of one first page."""
    caller = Caller.operator("maya", workspace)
    wanted = InboxFilter.parse(expression, me="maya")
    with database_time(engine) as spent:
        page = await engine.conversations.inbox(caller, filter=wanted, sort=sort, limit=LIMIT)
    assert len(page.items) == LIMIT
    return sum(spent)


async def measured(engine: Engine, large: int) -> list[dict[str, Any]]:
    await fill(engine, "small", conversations=1_000, messages_each=10)
    began = time.perf_counter()
    await fill(engine, "large", conversations=large, messages_each=10)
    print(f"filled {large} conversations in {time.perf_counter() - began:.0f} s")
    rows = []
    for name, expression, sort in CASES:
        times: dict[str, list[float]] = {"small": [], "large": []}
        for _ in range(ROUNDS):
            for workspace, taken in times.items():
                taken.append(await page_time(engine, workspace, expression, sort))
        small, big = (statistics.median(times[key]) * 1000 for key in ("small", "large"))
        rows.append(
            {"case": name, "ms_1000": small, f"ms_{large}": big, "ratio": round(big / small, 2)}
        )
        print(f"{name:40} {small:7.2f} ms {big:7.2f} ms  ratio {big / small:5.2f}")
    return rows


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cairnloop-bench-") as home:
        async with Engine(Settings.load(home=Path(home))) as engine:
            rows = await measured(engine, chosen.conversations)
    worst = max(row["ratio"] for row in rows)
    print(f"worst ratio {worst} (the promise is 1.5)")
    if chosen.out:
        chosen.out.write_text(
            json.dumps({"machine": described(), "rows": rows, "worst": worst}, indent=2) + "\n"
        )


if __name__ == "__main__":
    asyncio.run(main())
