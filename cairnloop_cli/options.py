"""The global options, which may stand before or after the command: they are moved to the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FLAGS = frozenset({"--json", "--debug"})
VALUED = frozenset({"--operator", "--workspace", "--database-url", "--config"})


@dataclass(frozen=True, slots=True)
class Arranged:
    """A command line with its global options first.

    ``json`` tells how to report a mistake in the rest of it, ``lacking`` names a global option
    whose value is missing.
    """

    arguments: tuple[str, ...]
    json: bool
    lacking: str | None = None


def arrange(arguments: Sequence[str]) -> Arranged:
    """Move the global options to the front; what follows ``--`` is data and stays where it is."""
    first: list[str] = []
    rest: list[str] = []
    lacking: str | None = None
    waiting = list(reversed(arguments))
    while waiting:
        argument = waiting.pop()
        if argument == "--":
            rest += [argument, *reversed(waiting)]
            break
        name, _, value = argument.partition("=")
        if argument in FLAGS or (name in VALUED and value):
            first.append(argument)
        elif name in VALUED:
            # The next word is the value, unless it is an option: then somebody forgot it.
            if argument == name and waiting and not waiting[-1].startswith("--"):
                first += [argument, waiting.pop()]
            else:
                lacking = lacking or name
        else:
            rest.append(argument)
    return Arranged((*first, *rest), json="--json" in first, lacking=lacking)
