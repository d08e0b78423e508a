"""The chaos suite: ``python -m benchmarks.chaos [--long] [--only PART] [--out FILE]``.

Short, it takes a minute and a half: every crash point once, a freeze of each kind of tool, and
the five disturbances in miniature, for our side. Long, it takes more than half an hour: a
thousand kills, production's rescue windows everywhere, and both sides of the comparison.
It ends with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

from rich.console import Console

from benchmarks.chaos import kills as killing
from benchmarks.chaos.billing import billing_process
from benchmarks.chaos.books import Auditor
from benchmarks.chaos.cluster import Cluster, scratch_cluster
from benchmarks.chaos.deaths import DeathWatch
from benchmarks.chaos.errands import ROUTES
from benchmarks.chaos.forks import children
from benchmarks.chaos.freeze import freeze_each
from benchmarks.chaos.ours import FAST
from benchmarks.chaos.report import Findings
from benchmarks.chaos.scenarios import LONG, SCENARIOS, SHORT, play
from benchmarks.chaos.sides import Side
from cairnloop_engine.core.rescue import PRODUCTION
from cairnloop_engine.demo.billing import BillingClient

PARTS = ("kills", "freeze", "deaths", "scenarios")
KILLS = 1_000
# How often the worker that carries on after a kill may be killed as well.
RELAPSE = 0.3
VICTIMS_LONG, VICTIMS_SHORT = 40, 4
# Windows of a few seconds say that work goes on, not how much of it.
LEAST_LONG, LEAST_SHORT = 0.95, 0.2


class Suite:
    """One run of the suite in a folder of its own."""

    def __init__(self, folder: Path, given: argparse.Namespace, console: Console) -> None:
        self._folder = folder
        self._parts: tuple[str, ...] = tuple(given.only or PARTS)
        self._long: bool = given.long
        self._kills: int | None = given.kills
        self._console = console
        least = LEAST_LONG if self._long else LEAST_SHORT
        self.findings = Findings(self._long, least)

    def run(self) -> Findings:
        began = time.monotonic()
        # The victims' jobs wait for half a minute; everything else happens meanwhile.
        with ExitStack() as stack:
            watch = stack.enter_context(self._death_watch()) if "deaths" in self._parts else None
            if {"kills", "freeze"} & set(self._parts):
                self._act_upon_workers()
            if watch is not None and self._long:
                self.findings.deaths = watch.waits()
            if "scenarios" in self._parts:
                self._play()
            if watch is not None and not self._long:
                self.findings.deaths = watch.waits()
        self.findings.seconds = time.monotonic() - began
        return self.findings

    @contextmanager
    def _death_watch(self) -> Iterator[DeathWatch]:
        self._say("workers die while they hold a job")
        victims = VICTIMS_LONG if self._long else VICTIMS_SHORT
        with scratch_cluster() as cluster, children() as alive:
            url = cluster.fresh("deaths", Side.OURS)
            watch = DeathWatch(url, victims=victims, spread=20.0 if self._long else 2.0)
            watch.strike(alive)
            yield watch

    def _act_upon_workers(self) -> None:
        with (
            scratch_cluster() as cluster,
            billing_process(self._folder / "sink.db") as sink,
        ):
            if "freeze" in self._parts:
                self._say("workers are frozen in a call")
                url = cluster.fresh("freeze", Side.OURS)
                windows = PRODUCTION if self._long else FAST
                self.findings.thaws = freeze_each(url, sink, windows)
            if "kills" in self._parts:
                self._kill(cluster)

    def _kill(self, cluster: Cluster) -> None:
        url = cluster.fresh("kills", Side.OURS)
        kills = self._kills or (KILLS if self._long else None)
        routes = cycle(ROUTES) if kills else killing.each_point_once()
        self._say("workers are killed at every crash point")
        # A sink of its own: the books hold every request against an action of this database.
        with (
            billing_process(self._folder / "killed.db") as sink,
            killing.harness(url, sink, relapse=RELAPSE if kills else 0.0) as harness,
            children() as alive,
        ):
            self.findings.kills = harness.run(
                routes, alive, kills_wanted=kills or len(ROUTES), say=self._say
            )
            auditor = Auditor(harness.desk, BillingClient(sink, timeout=60.0))
            self.findings.books = harness.loop.run(auditor.balance())

    def _play(self) -> None:
        names = list(SCENARIOS)
        # The miniature plays all scenes with the same workers; the long one each with new ones.
        groups = [[name] for name in names] if self._long else [names]
        sides = list(Side) if self._long else [Side.OURS]
        timing = LONG if self._long else SHORT
        with scratch_cluster() as cluster:
            for group in groups:
                for side in sides:
                    self._say(f"{side}: {', '.join(group)}")
                    log = self._folder / f"{side}.log"
                    self.findings.outcomes += asyncio.run(
                        play(group, side, cluster, timing=timing, log=log)
                    )

    def _say(self, words: str) -> None:
        self._console.print(f"… {words}", style="dim", markup=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--long", action="store_true", help="1,000 kills and full windows")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    parser.add_argument("--kills", type=int, help="so many instead")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    given = parser.parse_args()
    # What the product says about each of the deaths is no finding.
    logging.disable(logging.ERROR)
    # Whoever ends the suite early leaves nothing behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False)
    # The widest table needs as much, also where nobody said how wide a line may be.
    console.width = max(console.width, 116)
    with tempfile.TemporaryDirectory(prefix="cairnloop-chaos-logs-") as folder:
        findings = Suite(Path(folder), given, console).run()
    findings.show(console)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(findings.as_json(), indent=2) + "\n", encoding="utf-8")
    return 1 if any(findings.broken()) else 0


if __name__ == "__main__":
    sys.exit(main())
