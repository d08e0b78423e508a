"""The generated check: every command stands in help and palette, and has a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from cairnloop_tui.commands.catalogue import all_commands
from cairnloop_tui.commands.registry import DIALOGS, EVERYWHERE, SCREENS, Command, CommandTable
from cairnloop_tui.dialogs.help import help_blocks
from cairnloop_tui.keys.keymap import Keymap, shown_keys
from cairnloop_tui.text import words_of

COMMANDS = CommandTable(all_commands())

# One meaning per key, on every screen (the table of keys): what a key may be called by.
MEANINGS = {
    "a": {"action.approve", "article.publish", "draft.approve", "jobs.redrive"},
    "c": {"article.new", "reply.compose"},
    "d": {"draft.discard"},
    "e": {"action.amend", "article.edit", "draft.edit"},
    "i": {"search.cite"},
    "l": {"conversation.assign"},
    "m": {"note.compose"},
    "o": {
        "action.thread",
        "article.follow",
        "audit.thread",
        "draft.evidence",
        "evidence.open",
        "search.open",
    },
    "q": {"leave"},
    "t": {"action.propose"},
    "u": {"undo"},
    "v": {
        "article.revisions",
        "card.section",
        "conversation.customer",
        "evidence.why",
        "inbox.preview",
    },
    "x": {"action.reject", "jobs.drop"},
    "y": {
        "action.copy",
        "article.copy",
        "copy",
        "evidence.copy",
        "oversight.copy",
        "search.copy",
    },
    "A": {"audit.focused"},
    "R": {"conversation.resolve"},
    "S": {"inbox.sort"},
    "Z": {"action.defer"},
    "g a": {"go.audit"},
    "g j": {"go.jobs"},
    "g k": {"go.knowledge"},
    "]": {"item.next"},
    "[": {"item.previous"},
    "}": {"decision.next"},
    "{": {"decision.previous"},
    "?": {"help"},
    ":": {"palette"},
    "/": {"audit.search", "inbox.filter", "knowledge.filter"},
}
# Keys that terminals and multiplexers take for something else; never a command's only key.
UNSAFE_ALONE = {"ctrl+a", "ctrl+b", "ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+s", "ctrl+z"}


def _proved() -> set[str]:
    """Every command id that a test of this folder says (and checks) that it called."""
    return {
        argument.value
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "proved"
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_every_command_has_a_test_that_calls_it() -> None:
    assert {command.id for command in COMMANDS} - _proved() == set()


def test_tests_name_only_commands_that_exist() -> None:
    assert _proved() - {command.id for command in COMMANDS} == set()


@pytest.mark.parametrize("scope", sorted(EVERYWHERE))
def test_every_binding_stands_in_the_help_of_its_screen(scope: str) -> None:
    commands = COMMANDS.in_scope(scope)
    text = "\n".join(
        words_of(para.pieces) for block in help_blocks(commands) for para in block.paras
    )

    for command in commands:
        assert command.title in text
        assert all(shown_keys(keys) in text for keys in command.keys)


@pytest.mark.parametrize("command", list(COMMANDS), ids=lambda command: command.id)
def test_every_command_says_what_it_does(command: Command) -> None:
    assert command.title[0].isupper()
    assert command.group
    assert command.keys or command.in_palette
    assert len(command.title) <= 30


def test_no_two_commands_clash_on_any_screen() -> None:
    Keymap(COMMANDS, EVERYWHERE)


def test_a_key_means_the_same_everywhere() -> None:
    for key, meant in MEANINGS.items():
        assert {command.id for command in COMMANDS if key in command.keys} == meant, key


def test_no_letter_alone_does_anything_that_a_customer_sees() -> None:
    at_once = {c.id for c in COMMANDS if c.writes and c.run is not None}

    # Writing begins, words change hands, or something is taken back: nothing reaches a customer.
    # Decisions with words open a dialog, which shows once more what is recorded.
    assert at_once == {
        "action.amend",
        "action.answer",
        "action.ask_back",
        "action.defer",
        "action.propose",
        "action.reject",
        "action.settle_confirmed",
        "action.settle_failed",
        "article.edit",
        "article.editor",
        "article.new",
        "conversation.assign",
        "conversation.reopen",
        "draft.edit",
        "draft.request",
        "jobs.drop",
        "note.compose",
        "reply.compose",
        "reply.editor",
        "undo",
    }


def test_keys_that_may_never_arrive_are_never_the_only_way() -> None:
    for command in COMMANDS:
        assert not command.keys or set(command.keys) - UNSAFE_ALONE, command.id


def test_dialogs_and_screens_are_left_by_esc() -> None:
    for scope in SCREENS | DIALOGS:
        assert "back" in {command.id for command in COMMANDS.in_scope(scope)}
