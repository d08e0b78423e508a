"""Tools for workers that are killed: every call and every effect is a line in a file."""

from __future__ import annotations

import os
from pathlib import Path

from cairnloop_engine import Done, Reconciled, RiskTier, Run, Tool, ToolInput, Trace, Verdict
from cairnloop_engine.governance.tools import ALLOWED, Asker


class Order(ToolInput):
    order: str


class Outside:
    """The outside world: what reached it, and what it did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def call(self, run_key: str, *, once: bool) -> None:
        """One request; ``once`` makes the outside do nothing for a key that it has seen."""
        _append(self.folder / "calls", run_key)
        if not once or run_key not in self.effects():
            _append(self.folder / "effects", run_key)

    def calls(self) -> list[str]:
        return _lines(self.folder / "calls")

    def effects(self) -> list[str]:
        return _lines(self.folder / "effects")


class Pay(Tool[Order]):
    """Neither reconciles nor is idempotent."""

    name = "pay"
    title = "Pay"
    risk_tier = RiskTier.LOW_WRITE
    Input = Order

    def __init__(self, outside: Outside) -> None:
        self.outside = outside

    def authorize(self, given: Order, asker: Asker) -> Verdict:
        return ALLOWED

    async def run(self, given: Order, run: Run) -> Done:
        self.outside.call(run.run_key, once=self.spec.idempotent)
        return Done("Paid.")


class Credit(Pay):
    name = "credit"
    title = "Credit"
    idempotent = True


class Charge(Pay):
    name = "charge"
    title = "Charge"
    idempotent = True

    async def reconcile(self, run_key: str) -> Reconciled:
        seen = run_key in self.outside.effects()
        return Reconciled(Trace.CONFIRMED if seen else Trace.ABSENT)


def tools(folder: Path) -> list[object]:
    outside = Outside(folder)
    return [tool(outside) for tool in (Pay, Credit, Charge)]


def _append(path: Path, line: str) -> None:
    # One write that survives the process: nothing of it is in a buffer of ours.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []
