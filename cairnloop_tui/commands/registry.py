"""What a command is, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cairnloop_tui.commands.armed import Armed
    from cairnloop_tui.commands.context import Context

HOME = "home"
INBOX = "inbox"
CONVERSATION = "conversation"
NOTICES = "notices"
SEARCH = "search"
PALETTE = "palette"
HELP = "help"
READER = "reader"
PROMPT = "prompt"
# The pane of a conversation in which its actions stand.
CARDS = "cards"
ACTIONS = "actions"
ACTION = "action"
AUDIT = "audit"
KNOWLEDGE = "knowledge"
ARTICLE = "article"
EDITOR = "editor"
# What a draft or a message rests on.
EVIDENCE = "evidence"
JOBS = "jobs"
CONFIRM = "confirm"
REASON = "reason"
# A list from which one thing is chosen.
CHOICE = "choice"
FORM = "form"

SCREENS = frozenset(
    {
        *(HOME, INBOX, CONVERSATION, CARDS, EVIDENCE, ACTIONS, ACTION),
        *(KNOWLEDGE, ARTICLE, EDITOR, AUDIT, JOBS, NOTICES),
    }
)
DIALOGS = frozenset({SEARCH, PALETTE, HELP, READER, PROMPT, CONFIRM, REASON, CHOICE, FORM})
EVERYWHERE = SCREENS | DIALOGS
NOWHERE: frozenset[str] = frozenset()


class Takes(StrEnum):
    """What a verb acts on."""

    NOTHING = "nothing"
    ONE = "one"
    MANY = "many"


def always(ctx: Context) -> str | None:
    """A command that can act whenever its screen is shown."""
    return None


@dataclass(frozen=True, slots=True)
class Command:
    """One thing an operator can do.

    A command has either ``run``, which acts at once, or ``arm``, which says what would happen and
    acts only after Enter. ``why_not`` answers with the reason why it cannot act now. ``keys`` are
    alternatives; within one, keys that follow each other are separated by blanks.
    """

    id: str
    title: str
    group: str
    help: str
    keys: tuple[str, ...] = ()
    scope: frozenset[str] = SCREENS
    in_text: frozenset[str] = NOWHERE
    takes: Takes = Takes.NOTHING
    writes: bool = False
    label: str | None = None
    why_not: Callable[[Context], str | None] = always
    run: Callable[[Context], None] | None = None
    arm: Callable[[Context], Armed] | None = None
    undo: str = ""
    cli: str | None = None
    in_palette: bool = True

    def is_in(self, scope: str) -> bool:
        return scope in self.scope

    def acts_in_text(self, scope: str) -> bool:
        return scope in self.in_text


class CommandTable:
    """All commands by id, in the order in which help lists them."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._commands: dict[str, Command] = {}
        for command in commands:
            if command.id in self._commands:
                raise ValueError(f"two commands are called {command.id}")
            if (command.run is None) == (command.arm is None):
                raise ValueError(f"{command.id} needs either run or arm")
            self._commands[command.id] = command

    def __getitem__(self, command_id: str) -> Command:
        return self._commands[command_id]

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def __len__(self) -> int:
        return len(self._commands)

    def in_scope(self, scope: str) -> tuple[Command, ...]:
        return tuple(command for command in self if command.is_in(scope))
