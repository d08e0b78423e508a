"""The report of a walk through the stages: what was tried, how it went, how long it took."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cairnloop_cli.answers import Answer, Shown, Table
from cairnloop_engine.core.errors import CairnloopError, JsonValue


class Failed(Exception):
    """A stage did not keep its promise; the text says which part."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the nine, as it went."""

    n: int
    name: str
    ok: bool
    ms: int
    detail: str


@dataclass(slots=True)
class Walk:
    """Runs stages in order; once one failed, the rest is not reached."""

    stages: list[Stage] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.stages) and all(stage.ok for stage in self.stages)

    async def stage(self, n: int, name: str, run: Callable[[], Awaitable[str]]) -> None:
        """Run one stage; what it returns is the detail of its success."""
        failed = next((stage.n for stage in self.stages if not stage.ok), None)
        if failed is not None:
            self.stages.append(Stage(n, name, False, 0, f"not reached: stage {failed} failed"))
            return
        begun = time.monotonic()
        ok = False
        try:
            detail = await run()
            ok = True
        except Failed as failure:
            detail = str(failure)
        except CairnloopError as error:
            detail = f"{error.message} ({error.code})"
        except TimeoutError:
            detail = "what should have happened did not happen in time"
        except OSError as error:
            detail = f"the chat server could not be reached ({type(error).__name__})"
        took = round((time.monotonic() - begun) * 1000)
        self.stages.append(Stage(n, name, ok, took, detail))

    def answer(self) -> Answer:
        """The report, as a document and as a table."""
        documents: list[JsonValue] = [
            {
                "n": stage.n,
                "name": stage.name,
                "ok": stage.ok,
                "ms": stage.ms,
                "detail": stage.detail,
            }
            for stage in self.stages
        ]
        rows = [
            (str(stage.n), "ok" if stage.ok else "FAILED", f"{stage.ms} ms", stage.name)
            for stage in self.stages
        ]
        shown: list[Shown] = [
            Table(("STAGE", "RESULT", "TOOK", "WHAT"), rows),
            "",
            *(f"{stage.n}  {stage.detail}" for stage in self.stages),
        ]
        return Answer({"stages": documents, "ok": self.ok}, shown, ok=self.ok)


def check(holds: bool, otherwise: str) -> None:
    """Go on if it holds.

    Raises:
        Failed: otherwise.
    """
    if not holds:
        raise Failed(otherwise)
