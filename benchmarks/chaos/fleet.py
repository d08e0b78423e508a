"""The worker processes of one side: started, killed, counted, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos.forks import die_with_parent
from benchmarks.chaos.sides import Side

ROOT = Path(__file__).parents[2]
REPLICAS = 2


@dataclass(slots=True)
class Fleet:
    """Two replicas. A process that ends by itself stays away: nothing here starts it again."""

    side: Side
    url: str
    log: Path
    fast: bool = False
    replicas: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> None:
        self.replicas.append(await self._spawn())

    @property
    def pids(self) -> set[int]:
        return {one.pid for one in self.replicas}

    async def kill(self, which: int) -> None:
        """SIGKILL, as the kernel does it when memory runs out."""
        process = self.replicas[which]
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def replace(self, which: int) -> None:
        """What a process manager does after a kill."""
        self.replicas[which] = await self._spawn()

    @property
    def fallen(self) -> int:
        """How many ended although nobody killed them."""
        return sum(one.returncode not in {None, -signal.SIGKILL} for one in self.replicas)

    async def stop(self) -> None:
        for process in self.replicas:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _spawn(self) -> asyncio.subprocess.Process:
        arguments = ["-m", f"benchmarks.chaos.{self.side}", self.url, *(["fast"] * self.fast)]
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                cwd=ROOT,
                env=_environment(),
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )


@asynccontextmanager
async def running(side: Side, url: str, log: Path, *, fast: bool) -> AsyncIterator[Fleet]:
    """Both replicas of one side, killed when the block ends."""
    fleet = Fleet(side, url, log, fast)
    try:
        for _ in range(REPLICAS):
            await fleet.start()
        yield fleet
    finally:
        await fleet.stop()


def _environment() -> dict[str, str]:
    """Nobody's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}  # noqa: TID251
    return {**kept, "PYTHONWARNINGS": "ignore"}
