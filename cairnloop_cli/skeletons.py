"""First files of a host's own parts: each works as it stands and is meant to be changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from cairnloop_engine.core.errors import Conflict, Invalid

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A file to write, and the settings line that registers what is in it."""

    path: Path
    content: str
    setting: str
    line: str


def tool(name: str, folder: Path) -> Skeleton:
    """A governed tool that works: its effect is one file for each run key.

    Raises:
        Invalid: ``name_invalid``.
    """
    plain = name.replace("-", "_")
    if not _NAME.fullmatch(plain):
        raise Invalid(
            "name_invalid",
            "A name has 1 to 60 of a-z, 0-9 and _, beginning with a letter: issue_refund.",
        )
    words = plain.split("_")
    made = "".join(word.capitalize() for word in words)
    module = f"{plain}_tool"
    content = _TOOL.substitute(name=plain, Class=made, title=" ".join(words).capitalize())
    line = f'tools = ["{module}:{made}"]'
    return Skeleton(folder / f"{module}.py", content, f"{module}:{made}", line)


def write(skeleton: Skeleton) -> None:
    """Write it, unless something is there.

    Raises:
        Conflict: ``file_exists``.
        Invalid: ``folder_unwritable``.
    """
    try:
        with skeleton.path.open("x", encoding="utf-8") as file:
            file.write(skeleton.content)
    except FileExistsError as error:
        raise Conflict(
            "file_exists", f"{skeleton.path} is there already; nothing was written."
        ) from error
    except OSError as error:
        raise Invalid(
            "folder_unwritable", f"{skeleton.path} cannot be written ({error.strerror})."
        ) from error


_TOOL = Template('''"""The tool `$name`: change it until it does what its title says."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from pydantic import Field

from cairnloop_engine import (
    ActorKind,
    Asker,
    Done,
    Permanent,
    RiskTier,
    Run,
    Tool,
    ToolInput,
    Verdict,
)

# Stands in for your system: one file for each effect, named by its run key.
EFFECTS = Path("$name-effects")


class ${Class}Input(ToolInput):
    """What is asked for. The console makes a form of it; unknown fields are refused."""

    subject: str = Field(min_length=1, max_length=200, description="What it is about.")


class $Class(Tool[${Class}Input]):
    """Runs at most once for each approval, with exactly the input that was approved."""

    name = "$name"
    title = "$title"
    description = "Say in a sentence what it does."
    version = "1"  # raise it when `run` changes its meaning
    risk_tier = RiskTier.LOW_WRITE  # from HIGH_WRITE on, nobody approves what they proposed
    scopes: frozenset[str] = frozenset()  # the rights that whoever asks has to hold
    idempotent = True  # our system does nothing when it sees a run key again
    timeout = timedelta(seconds=30)
    Input = ${Class}Input

    def authorize(self, given: ${Class}Input, asker: Asker) -> Verdict:
        """Asked when it is proposed, and again before it runs. Without this method: nobody."""
        if asker.actor.kind is not ActorKind.OPERATOR:
            return Verdict(False, "operators_only", "Only operators may ask for this.")
        return Verdict(True)

    def preview(self, given: ${Class}Input) -> str:
        """What whoever decides reads. Pure: from the input alone, the same every time."""
        return f"Records {given.subject!r}, once."

    async def run(self, given: ${Class}Input, run: Run) -> Done:
        """Called by a worker, after an approval and a second check of everything.

        Raise Permanent or Transient only when nothing happened. Any other exception, a timeout
        and a dying worker count as an unknown outcome.
        """
        if not given.subject.strip():
            raise Permanent("There is nothing to record.")
        await asyncio.to_thread(_record, run.run_key, given.subject)
        return Done(f"Recorded {given.subject!r}.", {"subject": given.subject})


def _record(run_key: str, subject: str) -> None:
    EFFECTS.mkdir(exist_ok=True)
    try:
        with (EFFECTS / run_key).open("x", encoding="utf-8") as file:
            file.write(subject)
    except FileExistsError:
        return  # an earlier attempt got this far: that was the effect
''')
