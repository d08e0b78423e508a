"""Freeze and thaw: workers stand still in a call until another one has taken their jobs over.

The worst moment is chosen: the first worker is past every check, in code that nothing can cancel,
with the request about to leave. When it thaws it sends it. No engine can stop that; what it can
do is not to send another of its own without leave, and to let the second owner's word stand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.chaos.errands import MAYA, NOAH, Desk, desk
from benchmarks.chaos.forks import Child, children, fork
from benchmarks.chaos.tools import (
    IdempotentRefund,
    KeyedReconcilingRefund,
    PlainRefund,
    ReconcilingRefund,
    Refund,
)
from cairnloop_engine.audit.model import AuditFilter
from cairnloop_engine.core.errors import JsonObject
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.core.rescue import Windows
from cairnloop_engine.demo.billing import BillingClient, Effect
from cairnloop_engine.governance.views import ActionView

# What the second owner has to find: nobody knows, it happened, it happened, and again nobody
# knows: without the key, "nothing so far" says nothing about a caller that stands still.
ENDS: dict[type[Refund], str] = {
    PlainRefund: "execution_unknown",
    IdempotentRefund: "executed",
    KeyedReconcilingRefund: "executed",
    ReconcilingRefund: "execution_unknown",
}
LONGEST_S = 120.0
AFTERMATH_S = 2.0
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Thaw:
    """What one freeze came to: requests at the sink, effects, and who is believed."""

    tool: str
    arrivals: int
    effects: int
    second_owner_said: str
    stands: str
    late_noted: bool

    @property
    def held(self) -> bool:
        """One effect; what the second owner wrote stands, and what the first one knew is noted."""
        return self.effects == 1 and self.second_owner_said == self.stands and self.late_noted


@dataclass(frozen=True, slots=True)
class HeldBilling(BillingClient):
    """Stands still with the request about to leave, where no cancelling reaches it."""

    folder: Path = Path()

    async def refund(self, run_key: str, **given: Any) -> Effect:
        (self.folder / f"entered-{run_key}").touch()
        while not (self.folder / "go").exists():
            time.sleep(_PAUSE_S)  # noqa: ASYNC251 - that is the point
        # A loop in a thread, waited for: the worker's own loop gets no turn before it is sent.
        with ThreadPoolExecutor(1) as thread:
            sending = BillingClient.refund(self, run_key, **given)
            return thread.submit(asyncio.run, sending).result()


@dataclass(slots=True)
class Freezer:
    """The parent's side: an open desk on a loop that stands still while a child is forked."""

    url: str
    sink: str
    windows: Windows
    desk: Desk
    loop: asyncio.Runner

    def freeze(self, alive: list[Child]) -> list[Thaw]:
        """Freeze a worker in the call of each tool, let another take over, thaw the first ones."""
        actions = {tool: self.loop.run(self._approved(tool)) for tool in ENDS}
        with TemporaryDirectory() as name:
            folder = Path(name)
            held = HeldBilling(self.sink, timeout=5.0, folder=folder)
            # Each is at one call, so each action has a worker of its own.
            first = [fork(lambda: asyncio.run(self._work(held, 1))) for _ in ENDS]
            alive += first
            _until(lambda: len(list(folder.glob("entered-*"))) == len(ENDS), "the calls began")
            for one in first:
                one.freeze()
            second = fork(lambda: asyncio.run(self._work(BillingClient(self.sink), 2)))
            alive.append(second)
            _until(lambda: self._ended(actions), "the second worker ended every action")
            said = {tool: self._status(action) for tool, action in actions.items()}
            (folder / "go").touch()
            for one in first:
                one.thaw()
            _until(lambda: self._sent(actions), "the first workers sent what they held")
            # What they still may write, they write within this time.
            first[0].wait(AFTERMATH_S)
            for one in (*first, second):
                one.kill()
        return [
            Thaw(
                tool.title,
                *self._arrived(action),
                said[tool],
                self._status(action),
                self._late(action),
            )
            for tool, action in actions.items()
        ]

    async def _work(self, billing: BillingClient, concurrency: int) -> None:
        worker = desk(self.url, self.sink, billing=billing, tools=tuple(ENDS), windows=self.windows)
        async with worker.engine:
            await worker.engine.run_worker(concurrency=concurrency)

    async def _approved(self, tool: type[Refund]) -> ProposalId:
        given: JsonObject = {"order": f"frozen {tool.name}", "amount_cents": 8200}
        made = await self.desk.engine.governance.propose(MAYA, tool.name, given)
        await self.desk.engine.governance.approve(NOAH, made.proposal_id)
        return made.proposal_id

    def _view(self, action: ProposalId) -> ActionView:
        return self.loop.run(self.desk.engine.governance.action(MAYA, action))

    def _status(self, action: ProposalId) -> str:
        return str(self._view(action).row.approval_status)

    def _ended(self, actions: dict[type[Refund], ProposalId]) -> bool:
        return all(self._status(action) == ENDS[tool] for tool, action in actions.items())

    def _sent(self, actions: dict[type[Refund], ProposalId]) -> bool:
        """The first worker's request arrived, beside that of the second one where it made one."""
        return all(
            self._arrived(action)[0] == (2 if ENDS[tool] == "executed" else 1)
            for tool, action in actions.items()
        )

    def _late(self, action: ProposalId) -> bool:
        """Whether the first worker's outcome is in the history, for whoever settles."""
        trail = AuditFilter(subject=("action", action))
        page = self.loop.run(self.desk.engine.audit.events(MAYA, filter=trail, limit=100))
        return "governance.late_outcome" in {event.action for event in page.items}

    def _arrived(self, action: ProposalId) -> tuple[int, int]:
        """Requests and effects at the sink under the key of this action."""
        counts = self.loop.run(BillingClient(self.sink).counts())
        (key,) = {one.run_key for one in self._view(action).attempts}
        return counts["arrivals"].get(key, 0), counts["effects"].get(key, 0)


def freeze_each(url: str, sink: str, windows: Windows) -> list[Thaw]:
    """One freeze for each way to treat an unknown outcome."""
    with _freezer(url, sink, windows) as freezer, children() as alive:
        return freezer.freeze(alive)


@contextmanager
def _freezer(url: str, sink: str, windows: Windows) -> Iterator[Freezer]:
    opened = desk(url, sink, tools=tuple(ENDS))
    with asyncio.Runner() as loop:
        loop.run(opened.engine.__aenter__())
        try:
            yield Freezer(url, sink, windows, opened, loop)
        finally:
            loop.run(opened.engine.__aexit__(None, None, None))


def _until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + LONGEST_S
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(_PAUSE_S)
