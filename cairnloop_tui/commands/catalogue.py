"""All commands, in the order in which footer and help list them."""

from __future__ import annotations

from cairnloop_tui.commands import (
    anywhere,
    drafts,
    lifecycle,
    marking,
    motions,
    queue,
    searching,
    undoing,
    walking,
    writing,
)
from cairnloop_tui.commands.registry import Command


def all_commands() -> tuple[Command, ...]:
    return (
        *drafts.COMMANDS,
        *writing.COMMANDS,
        *searching.COMMANDS,
        *queue.COMMANDS,
        *lifecycle.COMMANDS,
        *walking.COMMANDS,
        *undoing.COMMANDS,
        *marking.COMMANDS,
        *anywhere.COMMANDS,
        *motions.COMMANDS,
    )
