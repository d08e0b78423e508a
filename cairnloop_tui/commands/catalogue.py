"""All commands, in the order in which footer and help list them."""

from __future__ import annotations

from cairnloop_tui.commands import (
    anywhere,
    cardview,
    deciding,
    drafts,
    editing,
    knowledge,
    lifecycle,
    marking,
    motions,
    overseeing,
    proposing,
    proving,
    publishing,
    queue,
    searching,
    settling,
    undoing,
    walking,
    writing,
)
from cairnloop_tui.commands.registry import Command


def all_commands() -> tuple[Command, ...]:
    return (
        *deciding.COMMANDS,
        *drafts.COMMANDS,
        *writing.COMMANDS,
        *proposing.COMMANDS,
        *settling.COMMANDS,
        *searching.COMMANDS,
        *proving.COMMANDS,
        *knowledge.COMMANDS,
        *publishing.COMMANDS,
        *editing.COMMANDS,
        *queue.COMMANDS,
        *lifecycle.COMMANDS,
        *walking.COMMANDS,
        *undoing.COMMANDS,
        *marking.COMMANDS,
        *cardview.COMMANDS,
        *knowledge.GOING,
        *overseeing.COMMANDS,
        *anywhere.COMMANDS,
        *motions.COMMANDS,
    )
