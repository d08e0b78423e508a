"""The help: every key of a screen with what it does, made from the registry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from cairnloop_tui.commands.registry import HELP, Command
from cairnloop_tui.frame import ConsoleDialog
from cairnloop_tui.keys.keymap import shown_keys
from cairnloop_tui.lists.block_view import BlockView
from cairnloop_tui.lists.movable import Movable
from cairnloop_tui.text import Block, Para, Piece, fit, muted, strong
from cairnloop_tui.theme.tokens import Tone

KEYS_WIDTH = 22


def help_blocks(commands: Sequence[Command]) -> tuple[Block, ...]:
    """The commands by group, in the order of the registry."""
    groups: dict[str, list[Command]] = {}
    for command in commands:
        groups.setdefault(command.group, []).append(command)
    return tuple(_group(name, members) for name, members in groups.items())


def _group(name: str, commands: Sequence[Command]) -> Block:
    paras = [Para((strong(name, Tone.INFO),))]
    for command in commands:
        keys = "  ".join(shown_keys(written) for written in command.keys) or "palette"
        words = [
            Piece(fit(keys, KEYS_WIDTH), Tone.PRIMARY if command.keys else Tone.MUTED, bold=True),
            Piece(command.title),
            muted(f"  {command.help}"),
        ]
        if command.undo:
            words.append(muted(f" {command.undo}"))
        paras.append(Para(tuple(words), hang=KEYS_WIDTH))
    return Block((*paras, Para()))


class Help(ConsoleDialog[None]):
    """All keys of one scope."""

    scope = HELP

    DEFAULT_CSS = """
    Help BlockView { padding: 1 2; }
    """

    def __init__(self, title: str, commands: Sequence[Command]) -> None:
        super().__init__()
        self._title_words = title
        self._commands = commands

    def body(self) -> Iterable[Widget]:
        yield BlockView(glyphs=self.glyphs, id="keys")

    def on_mount(self) -> None:
        self.keys.show(help_blocks(self._commands))
        self.keys.focus()

    @property
    def keys(self) -> BlockView:
        return self.query_one("#keys", BlockView)

    def crumbs(self) -> Sequence[str]:
        return (*([self._title_words] if self._title_words else []), "Keys")

    def moves(self) -> Movable | None:
        return self.keys
