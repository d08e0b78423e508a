"""The keymap refuses clashes and tells keys as they are printed."""

from __future__ import annotations

import pytest

from cairnloop_engine import Misconfigured
from cairnloop_tui.commands.context import Context
from cairnloop_tui.commands.registry import Command, CommandTable
from cairnloop_tui.keys.keymap import Keymap, shown_keys

HERE = frozenset({"here"})


def nothing(ctx: Context) -> None:
    """Does nothing."""


def command(name: str, *keys: str, in_text: frozenset[str] = frozenset()) -> Command:
    return Command(name, name, "Test", "", keys=keys, scope=HERE, in_text=in_text, run=nothing)


def test_the_same_keys_for_two_commands_are_refused_with_both_names() -> None:
    with pytest.raises(Misconfigured, match=r"a\.one and a\.two") as refused:
        Keymap([command("a.one", "x"), command("a.two", "x")], HERE)

    assert refused.value.code == "keys_clash"


def test_keys_that_begin_other_keys_are_refused() -> None:
    with pytest.raises(Misconfigured, match="g g"):
        Keymap([command("a.one", "g"), command("a.two", "g g")], HERE)


def test_two_ways_to_one_command_are_no_clash() -> None:
    keymap = Keymap([command("a.one", "x", "y")], HERE)

    assert keymap.table("here", in_text=False) == {("x",): "a.one", ("y",): "a.one"}


def test_in_a_text_field_only_keys_that_type_nothing_act() -> None:
    keymap = Keymap([command("a.one", ":", "ctrl+p", in_text=HERE), command("a.two", "f1")], HERE)

    assert keymap.table("here", in_text=True) == {("ctrl+p",): "a.one"}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("g h", "g h"),
        ("ctrl+p", "Ctrl+P"),
        ("enter", "Enter"),
        ("f2", "F2"),
        ("shift+tab", "Shift+Tab"),
    ],
)
def test_keys_are_shown_as_they_are_printed(written: str, shown: str) -> None:
    assert shown_keys(written) == shown


def test_two_commands_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.one"):
        CommandTable([command("a.one"), command("a.one")])


def test_a_command_that_does_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="run or arm"):
        CommandTable([Command("a.one", "One", "Test", "")])
